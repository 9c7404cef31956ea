"""``/api/v1/quarantine/``: bad rows kept, looked at and resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import django_filters
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.idempotency import idempotent
from portal.core.problems import Conflict, Problem
from portal.series.models import QuarantinedRow
from portal.series.quarantine import operations
from portal.series.quarantine.serializers import (
    CorrectionSerializer,
    DismissalSerializer,
    OfAFileSerializer,
    QuarantineAnswerSerializer,
    QuarantinedRowSerializer,
    QuarantineRequestSerializer,
    ReplaySerializer,
    SettledSerializer,
)

RESOLVES = {"POST": operations.CHANGE}


class QuarantineFilter(django_filters.FilterSet):
    """What the list of bad rows can be narrowed by."""

    source = django_filters.CharFilter("source__slug")
    rule = django_filters.CharFilter("rule")
    file = django_filters.CharFilter("file")
    status = django_filters.ChoiceFilter(choices=QuarantinedRow.Status.choices)

    class Meta:
        model = QuarantinedRow
        fields = ("source", "rule", "file", "status")


@contextmanager
def _refusals() -> Iterator[None]:
    """What an operation refuses, as the API says it."""
    try:
        yield
    except operations.AlreadyResolved as refusal:
        raise Conflict(str(refusal)) from refusal
    except operations.ReadingsRefused as refusal:
        errors = [_told(fault, refusal.of[fault.index].as_json()) for fault in refusal.faults]
        raise Problem(str(refusal), errors=errors) from refusal
    except operations.OfAnotherSource as refusal:
        error = {"field": "ingest_run", "rule": "other_source", "message": str(refusal)}
        raise Problem(str(refusal), errors=[error]) from refusal
    except operations.QuarantineError as refusal:
        raise Problem(str(refusal)) from refusal


def _told(fault: operations.Fault, reading: dict[str, Any]) -> dict[str, Any]:
    given = {"value": reading[fault.field]} if fault.field in reading else {}
    return {"row": fault.index, "field": fault.field, **given, "rule": fault.rule, "message": fault.message}


class QuarantineViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[QuarantinedRow]):
    """Rows that broke a rule, newest first, and what became of them."""

    queryset = QuarantinedRow.objects.select_related("source", "resolved_by")
    serializer_class = QuarantinedRowSerializer
    filterset_class = QuarantineFilter
    permissions_by_method = {  # noqa: RUF012  # as views have it
        "GET": "series.view_quarantinedrow",
        "POST": "series.add_quarantinedrow",
    }

    @extend_schema(
        operation_id="quarantine_bulk",
        request=QuarantineRequestSerializer,
        responses=QuarantineAnswerSerializer,
        filters=False,
    )
    @idempotent
    @action(detail=False, methods=["post"], pagination_class=None)
    def bulk(self, request: Request) -> Response:
        """Keep bad rows as they came, each (source, file, row, rule, raw) once.

        One that had passed and comes again is open again; one that a person resolved stays so.
        """
        facts = _valid(QuarantineRequestSerializer, request)
        with _refusals():
            inserted, unchanged = operations.quarantine_rows(
                facts["source"],
                file=facts["file"],
                rows=facts["rows"],
                run=facts["ingest_run"],
                by=cast("User", request.user),
            )
        return Response({"received": len(facts["rows"]), "inserted": inserted, "unchanged": unchanged})

    @extend_schema(
        operation_id="quarantine_settle", request=OfAFileSerializer, responses=SettledSerializer, filters=False
    )
    @idempotent
    @action(detail=False, methods=["post"], pagination_class=None)
    def settle(self, request: Request) -> Response:
        """A run has read all of a file: its open rows that this run did not find bad have passed."""
        facts = _valid(OfAFileSerializer, request)
        with _refusals():
            passed = operations.settle_file(
                facts["source"],
                file=facts["file"],
                run=facts["ingest_run"],
                by=cast("User", request.user),
                at=timezone.now(),
            )
        return Response({"passed": passed})

    @extend_schema(request=CorrectionSerializer, responses=QuarantinedRowSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method=RESOLVES)
    def correct(self, request: Request, pk: str) -> Response:
        """Record what the row should have said, under the rules of the bulk endpoints: all values or none.

        They are known from now on. 409 if the row is resolved already.
        """
        return self._resolve(request, operations.correct_row, CorrectionSerializer)

    @extend_schema(request=ReplaySerializer, responses=QuarantinedRowSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method=RESOLVES)
    def replay(self, request: Request, pk: str) -> Response:
        """Accept the row's own values as they came, if they break no rule any more. 409 if it is resolved already."""
        return self._resolve(request, operations.replay_row, ReplaySerializer)

    @extend_schema(request=DismissalSerializer, responses=QuarantinedRowSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method=RESOLVES)
    def dismiss(self, request: Request, pk: str) -> Response:
        """Leave the row out for good. 409 if it is resolved already."""
        return self._resolve(request, operations.dismiss_row, DismissalSerializer)

    def _resolve(self, request: Request, operation: Callable[..., QuarantinedRow], serializer_class: Any) -> Response:
        row = self.get_object()
        facts = _valid(serializer_class, request)
        with _refusals():
            resolved = operation(row, **facts, by=cast("User", request.user), at=timezone.now())
        return Response(self.get_serializer(resolved).data)


def _valid(serializer_class: Any, request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
