"""``/api/v1/dag-run-requests/``: the runs that Airflow is asked for."""

from __future__ import annotations

from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.idempotency import idempotent
from portal.core.problems import Conflict
from portal.pipeline import operations
from portal.pipeline.models import DagRunRequest
from portal.pipeline.serializers import DagRunRequestSerializer


class DagRunRequestFilter(django_filters.FilterSet):
    """What the list can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    dag_id = django_filters.CharFilter()
    run_id = django_filters.CharFilter()
    sent = django_filters.BooleanFilter("sent_at", lookup_expr="isnull", exclude=True)


class DagRunRequestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DagRunRequest]):
    """Runs that Airflow is asked for, newest first."""

    queryset = DagRunRequest.objects.select_related("series", "requested_by").order_by("-requested_at", "-pk")
    serializer_class = DagRunRequestSerializer
    filterset_class = DagRunRequestFilter
    permissions_by_method = {"GET": "pipeline.view_dagrunrequest"}  # noqa: RUF012

    @extend_schema(request=None, responses=DagRunRequestSerializer)
    @idempotent
    @action(detail=True, methods=["post"], permissions_by_method={"POST": "pipeline.change_dagrunrequest"})
    def retry(self, request: Request, pk: str) -> Response:
        """Ask Airflow again now rather than when the wait is over. 409 if Airflow has taken it already."""
        try:
            asked = operations.retry_request(self.get_object(), by=cast("User", request.user), at=timezone.now())
        except operations.AlreadySent as refusal:
            raise Conflict(str(refusal)) from refusal
        return Response(self.get_serializer(asked).data)
