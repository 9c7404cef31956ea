"""``/api/v1/``: the latest forecast, what was known at a time, the view so long ahead, what a run changed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.columnar import TABLE_RENDERERS, table_responses
from portal.core.negotiation import JSON
from portal.core.parameters import (
    read_flag,
    read_number,
    read_period,
    read_time,
    require_parameter,
    time_parameter,
)
from portal.core.problems import Problem
from portal.forecasts.ledger import queries
from portal.forecasts.ledger.serializers import NewestValueSerializer, RevisionSerializer
from portal.forecasts.models import ForecastRun
from portal.forecasts.queries import latest_run, runs
from portal.forecasts.serializers import ForecastSerializer
from portal.series.models import Series

LONGEST = timedelta(days=400)
MOST_HOURS = 24 * 30
SERIES = OpenApiParameter("series", required=True, description="Slug")
PERIOD = (
    OpenApiParameter("start", OpenApiTypes.DATETIME, required=True, description="First valid time"),
    OpenApiParameter(
        "end",
        OpenApiTypes.DATETIME,
        required=True,
        description=f"End of the half-open period, at most {LONGEST.days} days after start",
    ),
)
LEDGER = (
    time_parameter("published_by", "Only what was in the ledger by then; all of it by default"),
    OpenApiParameter("originals", OpenApiTypes.BOOL, description="Leave out what people adjusted; false by default"),
)
TABLE = table_responses(NewestValueSerializer(many=True))
READ = {"GET": "forecasts.view_forecastrun"}


class LatestForecastView(APIView):
    """The forecast to go by."""

    permissions_by_method = READ

    @extend_schema(
        operation_id="forecasts_latest",
        parameters=[
            SERIES,
            time_parameter("as_of", "The newest run issued then or before; of all by default"),
            *LEDGER,
        ],
        responses=ForecastSerializer,
    )
    def get(self, request: Request) -> Response:
        """The newest run of a series with its values, in UTC and on the clock of the series.

        Of one issue time the run published last counts: a person's adjustment comes before what it adjusts.
        """
        series = series_of(request)
        as_of, published_by = read_time(request, "as_of"), read_time(request, "published_by")
        originals = read_flag(request, "originals")
        run = latest_run(series, as_of=as_of, published_by=published_by, originals=originals)
        if run is None:
            issued = f" by {as_of:%Y-%m-%dT%H:%M:%SZ}" if as_of is not None else ""
            there = f" and published by {published_by:%Y-%m-%dT%H:%M:%SZ}" if published_by is not None else ""
            raise NotFound(f"No forecast of {series} has been issued{issued}{there}.")
        return Response(ForecastSerializer(run).data)


class AsKnownView(APIView):
    """What was known of a period at a time."""

    permissions_by_method = READ
    renderer_classes = TABLE_RENDERERS

    @extend_schema(
        operation_id="forecasts_as_known",
        parameters=[SERIES, *PERIOD, time_parameter("as_of", "Runs issued then or before; all by default"), *LEDGER],
        responses=TABLE,
    )
    def get(self, request: Request) -> Response:
        """Per valid time the quantiles of the newest run that covers it, oldest first: JSON, Parquet or Arrow.

        A time that no run covers has no row. `as_of` bounds the issue time, `published_by` when it was in the ledger.
        """
        series = series_of(request)
        start, end = read_period(request, longest=LONGEST)
        return Response(
            queries.newest_values(
                series,
                start=start,
                end=end,
                as_of=read_time(request, "as_of"),
                published_by=read_time(request, "published_by"),
                originals=read_flag(request, "originals"),
            )
        )


class ByLeadTimeView(APIView):
    """What was known so long ahead."""

    permissions_by_method = READ
    renderer_classes = TABLE_RENDERERS

    @extend_schema(
        operation_id="forecasts_by_lead_time",
        parameters=[
            SERIES,
            *PERIOD,
            OpenApiParameter(
                "lead_time_hours", OpenApiTypes.DOUBLE, description="Issued so long before, or longer; 24 by default"
            ),
            *LEDGER,
        ],
        responses=TABLE,
    )
    def get(self, request: Request) -> Response:
        """Per valid time the quantiles of the newest run issued at least so long before it: JSON, Parquet or Arrow."""
        series = series_of(request)
        start, end = read_period(request, longest=LONGEST)
        hours = read_number(request, "lead_time_hours", default=24.0, lowest=0.0, highest=MOST_HOURS)
        return Response(
            queries.newest_values(
                series,
                start=start,
                end=end,
                lead_time=timedelta(hours=hours),
                published_by=read_time(request, "published_by"),
                originals=read_flag(request, "originals"),
            )
        )


class RevisionView(APIView):
    """What a run changed."""

    permissions_by_method = READ
    renderer_classes = TABLE_RENDERERS

    @extend_schema(
        operation_id="forecast_runs_revision",
        parameters=[
            OpenApiParameter(
                "against",
                OpenApiTypes.INT,
                description="Another run of the series; by default what the run adjusts, else the one issued before it",
            )
        ],
        responses=table_responses(RevisionSerializer),
    )
    def get(self, request: Request, pk: int) -> Response:
        """The change of each quantile at each valid time that both runs have; as JSON with a summary."""
        run = run_of(pk)
        against = _against(request, run)
        table = queries.changes(run, against=against)
        if request.accepted_renderer.media_type != JSON:
            return Response(table)
        summary = queries.summarise(table)
        return Response(
            {
                "run": _named(run),
                "against": _named(against),
                "unit": run.series.unit,
                "summary": asdict(summary) if summary is not None else None,
                "changes": table.to_pylist(),
            }
        )


def run_of(pk: int) -> ForecastRun:
    """A run of the ledger. Raises NotFound."""
    run = runs().filter(pk=pk).first()
    if run is None:
        raise NotFound(f"There is no forecast run {pk}.")
    return run


def series_of(request: Request) -> Series:
    """The series that the parameter names. Raises Problem, NotFound."""
    slug = require_parameter(request, "series")
    series = Series.objects.filter(slug=slug).first()
    if series is None:
        raise NotFound(f"There is no series {slug}.")
    return series


def _against(request: Request, run: ForecastRun) -> ForecastRun:
    text = request.query_params.get("against")
    if text is None:
        before = queries.run_before(run)
        if before is None:
            raise NotFound(f"No forecast of {run.series} was issued before run {run.pk}.")
        return before
    named = runs().filter(pk=int(text)).first() if text.isdecimal() and len(text) <= 18 else None
    if named is None:
        raise _not_comparable(text, "unknown_run", f"against: there is no forecast run {text!r}.")
    if named.series_id != run.series_id:
        raise _not_comparable(
            text, "other_series", f"against: run {text} is of {named.series}, run {run.pk} of {run.series}."
        )
    return named


def _not_comparable(value: str, rule: str, message: str) -> Problem:
    return Problem(message, errors=[{"field": "against", "value": value, "rule": rule, "message": message}])


def _named(run: ForecastRun) -> dict[str, Any]:
    return {"id": run.pk, "issue_time": run.issue_time, "rung": run.rung, "published_at": run.published_at}
