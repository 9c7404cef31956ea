"""``/api/v1/check-runs/``: record check runs, look at them, store and serve their reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.idempotency import idempotent
from portal.core.problems import Problem, TooLarge
from portal.quality import operations
from portal.quality.models import CheckReport, CheckRun
from portal.quality.serializers import CheckReportSerializer, CheckRunSerializer

SANDBOX = "; ".join(
    (
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval' blob: data:",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""A report draws with its own scripts, but in an origin of its own: they see no cookie, no page and no network."""


class CheckRunFilter(django_filters.FilterSet):
    """What a list of check runs can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    status = django_filters.ChoiceFilter(choices=CheckRun.Status.choices)


class CheckRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[CheckRun]):
    """Check runs with their results, newest first."""

    queryset = CheckRun.objects.select_related("series").prefetch_related("results", "reports")
    serializer_class = CheckRunSerializer
    filterset_class = CheckRunFilter
    permissions_by_method = {"GET": "quality.view_checkrun", "POST": "quality.add_checkrun"}  # noqa: RUF012

    @extend_schema(request=CheckRunSerializer, responses={201: CheckRunSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Record a run. Its status follows from its results: failed if a fatal check failed or errored, else warned if
        any other did, else passed."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        facts = dict(serializer.validated_data)
        series, results = facts.pop("series"), facts.pop("results")
        run = operations.record_check_run(
            series,
            findings=[operations.Finding(**result) for result in results],
            by=cast("User", request.user),
            at=timezone.now(),
            **facts,
        )
        stored = self.get_queryset().get(pk=run.pk)
        return Response(self.get_serializer(stored).data, status=status.HTTP_201_CREATED)


class WhateverIsAccepted(DefaultContentNegotiation):
    """A report has one form, its own: a program that asks for exactly text/html gets it too."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class CheckReportView(APIView):
    """One report or profile of a run."""

    content_negotiation_class = WhateverIsAccepted
    permissions_by_method = {"GET": "quality.view_checkrun", "PUT": "quality.add_checkreport"}  # noqa: RUF012

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={201: CheckReportSerializer, 200: CheckReportSerializer},
    )
    def put(self, request: Request, run_id: int, name: str) -> Response:
        """Store the body as the report; the same bytes again change nothing, other bytes replace it."""
        run = get_object_or_404(CheckRun, pk=run_id)
        limit = operations.MAX_REPORT_BYTES
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            raise TooLarge(f"The report has more than {limit} bytes.")
        try:
            report, new = operations.store_report(
                run, name=name, content=request._request.body, by=cast("User", request.user)
            )
        except operations.ReportRefused as refusal:
            raise Problem(str(refusal)) from refusal
        code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
        return Response(CheckReportSerializer(report, context={"request": request}).data, status=code)

    @extend_schema(
        responses={(200, "text/html"): OpenApiTypes.BINARY, (200, "application/octet-stream"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, run_id: int, name: str) -> FileResponse:
        """The report: HTML in a sandbox, anything else as a download."""
        report = get_object_or_404(CheckReport, run=run_id, name=name)
        is_html = report.name.endswith(".html")
        return FileResponse(
            report.file.open("rb"),
            filename=f"check-run-{run_id}-{report.name}",
            as_attachment=not is_html,
            content_type="text/html; charset=utf-8" if is_html else "application/octet-stream",
            headers={
                "Content-Security-Policy": SANDBOX,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "private, no-cache",
            },
        )
