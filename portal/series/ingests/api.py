"""``/api/v1/ingest-runs/``: begin to read a source, say how far one is, look at readings."""

from __future__ import annotations

from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.idempotency import idempotent
from portal.series.ingests import operations
from portal.series.ingests.serializers import (
    IngestProgressSerializer,
    IngestRequestSerializer,
    IngestRunSerializer,
)
from portal.series.models import IngestRun


class IngestRunFilter(django_filters.FilterSet):
    """What a list of ingest runs can be narrowed by."""

    source = django_filters.CharFilter("source__slug")
    state = django_filters.ChoiceFilter(choices=IngestRun.State.choices)


class IngestRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[IngestRun]):
    """Readings of sources, newest first."""

    queryset = IngestRun.objects.select_related("source").order_by("-started_at", "-pk")
    serializer_class = IngestRunSerializer
    filterset_class = IngestRunFilter
    permissions_by_method = {  # noqa: RUF012
        "GET": "series.view_ingestrun",
        "POST": "series.add_ingestrun",
        "PATCH": "series.change_ingestrun",
    }

    @extend_schema(request=IngestRequestSerializer, responses={201: IngestRunSerializer, 200: IngestRunSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Begin to read a source (201), or go on with what this run of the DAG has begun (200).

        One that is running or failed goes on, with its position and counts; one that is done begins anew. 409 if this
        run has read the source for another time or period.
        """
        serializer = IngestRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        facts = dict(serializer.validated_data)
        run, new = operations.begin_ingest(
            facts.pop("source"), by=cast("User", request.user), at=timezone.now(), **facts
        )
        code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
        return Response(self.get_serializer(run).data, status=code)

    @extend_schema(request=IngestProgressSerializer, responses=IngestRunSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Say how far a running ingest is, or how it ended. 409 if it is over."""
        serializer = IngestProgressSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        run = operations.advance_ingest(
            self.get_object(),
            changes=serializer.validated_data,
            by=cast("User", request.user),
            at=timezone.now(),
        )
        return Response(self.get_serializer(run).data)
