"""``/api/v1/``: scores of runs, what is to be scored, the accuracy of a series and the signals about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import django_filters
from django.contrib.auth.models import User
from django.db.models import F, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.idempotency import idempotent
from portal.core.parameters import TimeFilter, read_time, require_parameter, time_parameter
from portal.core.problems import Problem
from portal.forecasts.ledger.api import SERIES, series_of
from portal.forecasts.models import AccuracySignal, ForecastRun, ForecastScore
from portal.forecasts.scores import operations, queries
from portal.forecasts.scores.accuracy import LONGEST, PERIODS, accuracy
from portal.forecasts.scores.serializers import (
    MOST_SCORES,
    AccuracySerializer,
    AccuracySignalRequestSerializer,
    AccuracySignalSerializer,
    RecordedScoresSerializer,
    ScoreRequestSerializer,
    ScoreSerializer,
)
from portal.forecasts.serializers import ForecastRunSerializer

SHOWN = timedelta(days=400)


class ScoreFilter(django_filters.FilterSet):
    """What the scores can be narrowed by; the issue period is half-open."""

    series = django_filters.CharFilter("forecast_run__series__slug")
    forecast_run = django_filters.NumberFilter("forecast_run", min_value=1, max_value=2**63 - 1)
    rung = django_filters.ChoiceFilter("forecast_run__rung", choices=ForecastRun.Rung.choices)
    issued_from = TimeFilter("forecast_run__issue_time", lookup_expr="gte")
    issued_to = TimeFilter("forecast_run__issue_time", lookup_expr="lt")
    as_of = TimeFilter("as_of", lookup_expr="lte", help_text="Scores as of then or before")
    complete = django_filters.BooleanFilter(method="narrow_to_complete", help_text="All intervals were scored, or not")
    newest = django_filters.BooleanFilter(method="narrow_to_newest", help_text="One per run: the latest of the others")

    class Meta:
        model = ForecastScore
        fields = ("series", "forecast_run")

    def narrow_to_complete(self, scores: QuerySet[ForecastScore], _name: str, value: bool) -> QuerySet[ForecastScore]:
        whole = {"expected__gt": 0, "n": F("expected")}
        return scores.filter(**whole) if value else scores.exclude(**whole)

    def narrow_to_newest(self, scores: QuerySet[ForecastScore], _name: str, value: bool) -> QuerySet[ForecastScore]:
        return queries.newest_scores(scores) if value else scores

    def filter_queryset(self, queryset: QuerySet[ForecastScore]) -> QuerySet[ForecastScore]:
        # First what the others leave; the newest of that; and whether that one is complete.
        last = ("newest", "complete")
        for name in (*(name for name in self.filters if name not in last), *last):
            queryset = self.filters[name].filter(queryset, self.form.cleaned_data[name])
        return queryset


class ScoreViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ForecastScore]):
    """Scores of runs, newest first."""

    queryset = queries.scores()
    serializer_class = ScoreSerializer
    filterset_class = ScoreFilter
    permissions_by_method = {  # noqa: RUF012  # as views have it
        "GET": "forecasts.view_forecastscore",
        "POST": "forecasts.add_forecastscore",
    }

    def get_queryset(self) -> QuerySet[ForecastScore]:
        return super().get_queryset()

    @extend_schema(
        operation_id="scores_bulk",
        request=ScoreRequestSerializer(many=True),
        responses=RecordedScoresSerializer,
        filters=False,
    )
    @idempotent
    @action(detail=False, methods=["post"], pagination_class=None)
    def bulk(self, request: Request) -> Response:
        """Keep scores; one that stands on the same as that before it, or as of the same time, is unchanged."""
        serializer: serializers.ListSerializer[Any] = serializers.ListSerializer(
            data=request.data, child=ScoreRequestSerializer(), max_length=MOST_SCORES
        )
        serializer.is_valid(raise_exception=True)
        scores = serializer.validated_data
        known = ForecastRun.objects.in_bulk({score["forecast_run"] for score in scores})
        unknown = [
            {
                "row": row,
                "field": "forecast_run",
                "value": score["forecast_run"],
                "rule": "unknown_run",
                "message": f"There is no forecast run {score['forecast_run']}.",
            }
            for row, score in enumerate(scores)
            if score["forecast_run"] not in known
        ]
        if unknown:
            raise Problem("Scores of runs that are not in the ledger; nothing was stored.", errors=unknown)
        recorded = operations.record_scores(
            [{**score, "forecast_run": known[score["forecast_run"]]} for score in scores], by=cast("User", request.user)
        )
        return Response(
            {
                "scores": [
                    {"id": score.pk, "forecast_run": score.forecast_run_id, "as_of": score.as_of, "status": status}
                    for score, status in recorded
                ]
            }
        )


class DueForScoringView(generics.ListAPIView[ForecastRun]):
    """What is to be scored."""

    queryset = ForecastRun.objects.none()
    serializer_class = ForecastRunSerializer
    filter_backends = ()
    permissions_by_method = {"GET": "forecasts.view_forecastrun"}  # noqa: RUF012

    def get_queryset(self) -> QuerySet[ForecastRun]:
        require_parameter(self.request, "as_of")
        as_of = cast("datetime", read_time(self.request, "as_of"))
        return queries.due_for_scoring(series_of(self.request), as_of=as_of)

    @extend_schema(
        operation_id="forecast_runs_due_for_scoring",
        parameters=[SERIES, OpenApiParameter("as_of", OpenApiTypes.DATETIME, required=True, description="Known then")],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Runs issued before `as_of` whose actuals, as known then, are new or corrected since their newest score.

        So are those that lacked weather to split their error by, once that is observed, and those that a forecast of
        somebody else was not compared with, once the series names it. What a score lacked counts also where it was
        stored late, as known before the score.

        Oldest first, however old; none with a score of `as_of` itself, as there is one of each time.
        """
        return super().get(request, *args, **kwargs)


class AccuracySignalFilter(django_filters.FilterSet):
    """What the signals can be narrowed by."""

    series = django_filters.CharFilter("series__slug")
    as_of = TimeFilter("as_of", help_text="Judged as of this very time")
    state = django_filters.ChoiceFilter(choices=AccuracySignal.State.choices)
    retrain = django_filters.BooleanFilter()


class AccuracySignalViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[AccuracySignal]):
    """What the rolling accuracy of the series was, newest first."""

    queryset = AccuracySignal.objects.select_related("series").order_by("-as_of", "-pk")
    serializer_class = AccuracySignalSerializer
    filterset_class = AccuracySignalFilter
    permissions_by_method = {  # noqa: RUF012
        "GET": "forecasts.view_accuracysignal",
        "POST": "forecasts.add_accuracysignal",
    }

    @extend_schema(
        request=AccuracySignalRequestSerializer,
        responses={201: AccuracySignalSerializer, 200: AccuracySignalSerializer},
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Keep what the accuracy of a series was as of a time (201).

        Drift fires alerts, its end resolves them. One that is there for this time stays, and is the answer (200).
        """
        serializer = AccuracySignalRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        facts = dict(serializer.validated_data)
        signal, new = operations.record_signal(
            facts.pop("series"), as_of=facts.pop("as_of"), facts=facts, by=cast("User", request.user), at=timezone.now()
        )
        code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
        return Response(self.get_serializer(signal).data, status=code)


class AccuracyView(APIView):
    """How good the forecasts of a series were."""

    permissions_by_method = {"GET": "forecasts.view_forecastscore"}  # noqa: RUF012

    @extend_schema(
        operation_id="accuracy",
        parameters=[
            SERIES,
            time_parameter("start", f"Local days that begin then or later; {SHOWN.days} days before end by default"),
            time_parameter(
                "end",
                "End of the half-open period; that of the run scored last by default. At most"
                f" {LONGEST.days} days after start",
            ),
            OpenApiParameter("by", enum=PERIODS, description="Length of a row; day by default"),
        ],
        responses=AccuracySerializer,
    )
    def get(self, request: Request) -> Response:
        """Error, bias, coverage and skill by day, week or month and by lead time, from the newest score of each run."""
        by = request.query_params.get("by", PERIODS[0])
        if by not in PERIODS:
            message = f"by is none of {', '.join(PERIODS)}."
            raise Problem(message, errors=[{"field": "by", "value": by, "rule": "choice", "message": message}])
        series = series_of(request)
        end = read_time(request, "end") or queries.scored_until(series) or timezone.now()
        start = read_time(request, "start") or end - SHOWN
        if end - start > LONGEST:
            message = f"start is more than {LONGEST.days} days before the end, {end:%Y-%m-%dT%H:%M:%SZ}."
            error = {"field": "start", "value": request.query_params.get("start"), "rule": "too_long"}
            raise Problem(message, errors=[{**error, "message": message}])
        found = accuracy(series, start=start, end=end, by=by)
        return Response(
            AccuracySerializer({**vars(found), "series": found.series.slug, "unit": found.series.unit}).data
        )
