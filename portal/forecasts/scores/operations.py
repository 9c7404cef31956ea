"""What is written about how good forecasts are. Each function is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from portal.alerts.models import AlertRule
from portal.alerts.operations import evaluate_forecasts
from portal.core.permissions import require
from portal.forecasts.models import AccuracySignal, ForecastRun, ForecastScore
from portal.series.models import Series

TELLING = timedelta(days=7)
"""How long a signal says something about today: backfills and replays fire nothing."""


def record_scores(scores: Sequence[Mapping[str, Any]], *, by: User) -> list[tuple[ForecastScore, str]]:
    """Keep validated scores; none that is there is ever changed.

    A score that stands on what the run's newest score before it stands on says nothing new, nor does a second one of a
    run as of the same time: the answer is then the one that is there. Returns each with created or unchanged. Raises
    NotPermitted.
    """
    require(by, "forecasts.add_forecastscore", doing="record scores")
    answers = []
    with transaction.atomic():
        touched = sorted({score["forecast_run"].pk for score in scores})
        # Writers of one run queue; a list, as the query is made when it is read.
        list(ForecastRun.objects.filter(pk__in=touched).order_by("pk").select_for_update(no_key=True).values_list("pk"))
        for score in sorted(scores, key=lambda score: (score["forecast_run"].pk, score["as_of"])):
            before = ForecastScore.objects.filter(forecast_run=score["forecast_run"], as_of__lte=score["as_of"]).first()
            if before is not None and (before.as_of == score["as_of"] or _says_nothing_new(score, before)):
                answers.append((before, "unchanged"))
            else:
                answers.append((ForecastScore.objects.create(**score), "created"))
    return answers


def _says_nothing_new(score: Mapping[str, Any], before: ForecastScore) -> bool:
    """Whether a score stands on the same as the one before; of one that lacks weather, the next says what came."""
    lacks_weather = "skipped" in before.attribution or before.attribution.get("observed_share", 1) != 1
    stands_on = ("actuals_sha256", "attribution", "external")
    same = all(score.get(name) == getattr(before, name) for name in stands_on)
    return same and before.actuals_sha256 != "" and not lacks_weather


def record_signal(
    series: Series, *, as_of: datetime, facts: Mapping[str, Any], by: User, at: datetime
) -> tuple[AccuracySignal, bool]:
    """Keep what the rolling accuracy of a series was as of a time, and let the alert rules see it.

    What is known of a past time says nothing about today: once a later signal is there, or if this one is as of more
    than `TELLING` before `at`, alerts are left alone. So are they by one of too few scores. Returns the signal of this
    time and whether it is new: one that is there stays, so that a run of a DAG that is repeated comes to the same end.
    Raises NotPermitted.
    """
    require(by, "forecasts.add_accuracysignal", doing="record the accuracy of series")
    with transaction.atomic():
        locked = Series.objects.select_for_update(no_key=True).get(pk=series.pk)
        there = AccuracySignal.objects.filter(series=locked, as_of=as_of).first()
        if there is not None:
            return there, False
        tells = at - as_of <= TELLING and not AccuracySignal.objects.filter(series=locked, as_of__gt=as_of).exists()
        signal = AccuracySignal.objects.create(series=locked, as_of=as_of, **facts)
        if tells and signal.state != AccuracySignal.State.UNKNOWN:
            failing = signal.state == AccuracySignal.State.DRIFT
            evaluate_forecasts(AlertRule.Signal.ACCURACY_LOST, locked, failing=failing, message=signal.message, at=at)
    return signal, True
