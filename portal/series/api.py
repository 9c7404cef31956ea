"""``/api/v1/``: series, sources, observations, weather forecasts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.columnar import TABLE_PARSERS, TABLE_RENDERERS, TABLE_REQUEST, read_table, table_responses
from portal.core.idempotency import idempotent
from portal.core.parameters import duration_parameter, read_duration, read_time, time_parameter
from portal.core.problems import Problem
from portal.series import operations, queries, recording
from portal.series.models import Series, Source
from portal.series.serializers import (
    ObservationSerializer,
    RecordedForecastsSerializer,
    RecordedSerializer,
    SeriesSerializer,
    SourceSerializer,
    WeatherForecastSerializer,
)

TABLES = ("observations", "weather_forecasts")
"""Actions of which the answer says nothing of the series itself."""
SLUG = r"[-a-zA-Z0-9_]+"


class SeriesViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Series]):
    """Series with their covariates and champions."""

    queryset = Series.objects.all()
    serializer_class = SeriesSerializer
    lookup_field = "slug"
    lookup_value_regex = SLUG
    filterset_fields = ("quantity", "scheduled")
    permissions_by_method = {  # noqa: RUF012  # as views have it
        "GET": "series.view_series",
        "POST": "series.add_series",
        "PATCH": "series.change_series",
    }

    def get_queryset(self) -> QuerySet[Series]:
        return Series.objects.all() if self.action in TABLES else queries.series_with_details()

    @idempotent
    def create(self, request: Request) -> Response:
        """Make a series."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        series = operations.create_series(facts=serializer.validated_data, by=cast("User", request.user))
        return Response(self._described(series), status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, slug: str) -> Response:
        """Change some facts of a series; `covariates`, where given, replace those so far."""
        series = self.get_object()
        serializer = self.get_serializer(series, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        return Response(
            self._described(
                operations.change_series(series, changes=serializer.validated_data, by=cast("User", request.user))
            )
        )

    def get_serializer_context(self) -> dict[str, Any]:
        """With the time, for the next deadline."""
        return {**super().get_serializer_context(), "at": timezone.now()}

    def _described(self, series: Series) -> dict[str, Any]:
        return dict(self.get_serializer(self.get_queryset().get(pk=series.pk)).data)

    @extend_schema(
        operation_id="series_observations",
        filters=False,
        parameters=[
            time_parameter("start", "First valid time; all from the beginning by default"),
            time_parameter("end", "End of the half-open period"),
            time_parameter("as_of", "What was known then; all that is known by default"),
            duration_parameter("lead_time", "Only what was known that long before its valid time; all by default"),
        ],
        responses=table_responses(ObservationSerializer(many=True)),
    )
    @action(
        detail=True,
        pagination_class=None,
        filter_backends=[],
        renderer_classes=TABLE_RENDERERS,
        permissions_by_method={"GET": "series.view_observation"},
    )
    def observations(self, request: Request, slug: str) -> Response:
        """The newest values known at `as_of`, oldest first: JSON, Parquet or an Arrow stream by `Accept`."""
        start, end = _period(request)
        as_of = read_time(request, "as_of")
        lead_time = read_duration(request, "lead_time") if "lead_time" in request.query_params else None
        return Response(queries.observations(self.get_object(), start=start, end=end, as_of=as_of, lead_time=lead_time))

    @extend_schema(
        operation_id="series_weather_forecasts",
        filters=False,
        parameters=[
            time_parameter("start", "First valid time; all from the beginning by default"),
            time_parameter("end", "End of the half-open period"),
            time_parameter("as_of", "What was known then; all that is known by default"),
            duration_parameter("lead_time", "Only what was known that long before its valid time; PT0S by default"),
        ],
        responses=table_responses(WeatherForecastSerializer(many=True)),
    )
    @action(
        detail=True,
        url_path="weather-forecasts",
        pagination_class=None,
        filter_backends=[],
        renderer_classes=TABLE_RENDERERS,
        permissions_by_method={"GET": "series.view_weatherforecast"},
    )
    def weather_forecasts(self, request: Request, slug: str) -> Response:
        """Per valid time the newest issue known at `as_of` and `lead_time` ahead, oldest first: JSON, Parquet or an
        Arrow stream by `Accept`."""
        start, end = _period(request)
        as_of, lead_time = read_time(request, "as_of"), read_duration(request, "lead_time")
        return Response(
            queries.weather_forecasts(self.get_object(), start=start, end=end, as_of=as_of, lead_time=lead_time)
        )


class SourceViewSet(viewsets.ReadOnlyModelViewSet[Source]):
    """Sources of rows."""

    queryset = Source.objects.order_by("slug")
    serializer_class = SourceSerializer
    lookup_field = "slug"
    lookup_value_regex = SLUG
    filterset_fields = ("kind", "feeds", "enabled", "scheduled")
    permissions_by_method = {"GET": "series.view_source"}  # noqa: RUF012


class ObservationsBulkView(APIView):
    """Record observations."""

    parser_classes = TABLE_PARSERS
    permissions_by_method = {"POST": "series.add_observation"}  # noqa: RUF012

    @extend_schema(
        operation_id="observations_bulk",
        parameters=[time_parameter("recorded_at", "When corrections became known; now by default")],
        request=TABLE_REQUEST,
        responses=RecordedSerializer,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Columns series (slug), valid_time, value (null or NaN = missing) and known_at; times are timestamp[us, UTC].

        Valid rows are stored in one transaction, bad ones are answered with the rule that they break. A value that
        differs from the newest known at `recorded_at` is stored as a correction, known at `recorded_at`.
        """
        table = read_table(request)
        recorded_at = read_time(request, "recorded_at") or timezone.now()
        return Response(
            asdict(recording.record_observations(table, recorded_at=recorded_at, by=cast("User", request.user)))
        )


class WeatherForecastsBulkView(APIView):
    """Record weather forecasts."""

    parser_classes = TABLE_PARSERS
    permissions_by_method = {"POST": "series.add_weatherforecast"}  # noqa: RUF012

    @extend_schema(
        operation_id="weather_forecasts_bulk",
        request=TABLE_REQUEST,
        responses=RecordedForecastsSerializer,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Columns series (slug), issue_time, valid_time, known_at and value; times are timestamp[us, UTC].

        Valid rows are stored in one transaction, bad ones are answered with the rule that they break. What was issued
        once stays: another value for the same series, valid_time and issue_time is refused.
        """
        return Response(asdict(recording.record_weather_forecasts(read_table(request), by=cast("User", request.user))))


def _period(request: Request) -> tuple[datetime | None, datetime | None]:
    start, end = read_time(request, "start"), read_time(request, "end")
    if start is not None and end is not None and start > end:
        message = "start is after end."
        raise Problem(message, errors=[{"field": "start", "rule": "period", "message": message}])
    return start, end
