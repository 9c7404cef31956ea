"""``/api/v1/``: publish forecasts, the ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

import django_filters
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.airflow import read_airflow
from portal.core.columnar import TABLE_PARSERS, TABLE_RENDERERS, TABLE_REQUEST, read_table, table_responses
from portal.core.idempotency import idempotent
from portal.core.parameters import TimeFilter
from portal.forecasts import operations, queries
from portal.forecasts.models import ForecastRun
from portal.forecasts.serializers import (
    ForecastRunSerializer,
    ForecastValueSerializer,
    PublishedSerializer,
)


class ForecastsBulkView(APIView):
    """Publish forecasts."""

    parser_classes = TABLE_PARSERS
    permissions_by_method = {"POST": "forecasts.add_forecastrun"}  # noqa: RUF012  # as views have it

    @extend_schema(
        operation_id="forecasts_bulk",
        parameters=[
            OpenApiParameter("dag_id", description="The Airflow run that publishes: its DAG"),
            OpenApiParameter("run_id", description="and its id; both or neither"),
        ],
        request=TABLE_REQUEST,
        responses=PublishedSerializer,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """One row per value: series, issue_time, model_id, data_cutoff, rung, reason, valid_time, quantile, value.

        Each (series, issue_time, model_id, data_cutoff) is one run. If a row is wrong, nothing of the body is stored.
        """
        runs = operations.publish_forecasts(
            read_table(request), by=cast("User", request.user), at=timezone.now(), airflow=read_airflow(request)
        )
        return Response({"runs": [asdict(run) for run in runs]})


class ForecastRunFilter(django_filters.FilterSet):
    """What the ledger can be narrowed by; the issue period is half-open."""

    series = django_filters.CharFilter("series__slug")
    issue_time = TimeFilter("issue_time")
    issued_from = TimeFilter("issue_time", lookup_expr="gte")
    issued_to = TimeFilter("issue_time", lookup_expr="lt")
    rung = django_filters.ChoiceFilter(choices=ForecastRun.Rung.choices)
    adjusts = django_filters.NumberFilter("adjusts", min_value=1, max_value=2**63 - 1)

    class Meta:
        model = ForecastRun
        fields = ("series", "rung", "adjusts")


class ForecastRunViewSet(viewsets.ReadOnlyModelViewSet[ForecastRun]):
    """The ledger, newest first."""

    queryset = queries.runs()
    serializer_class = ForecastRunSerializer
    filterset_class = ForecastRunFilter
    lookup_value_regex = r"\d{1,18}"
    permissions_by_method = {"GET": "forecasts.view_forecastrun"}  # noqa: RUF012

    @extend_schema(
        operation_id="forecast_runs_values",
        filters=False,
        responses=table_responses(ForecastValueSerializer(many=True)),
    )
    @action(detail=True, pagination_class=None, filter_backends=[], renderer_classes=TABLE_RENDERERS)
    def values(self, request: Request, pk: str) -> Response:
        """The values of a run: JSON, Parquet or an Arrow stream by `Accept`."""
        return Response(queries.run_values(get_object_or_404(ForecastRun, pk=pk)))
