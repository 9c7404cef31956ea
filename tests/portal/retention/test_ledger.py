"""Old forecast runs go whole, with all that is about them; what others build on stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from portal.forecasts.models import AccuracySignal, DeadlineRecord, ForecastRun, ForecastScore, ForecastValue
from portal.series.models import Series
from tests.portal.retention.conftest import DAY, NOW

Publish = Callable[..., ForecastRun]
Keep = Callable[..., None]
Delete = Callable[..., dict[str, int]]
Due = Callable[[], dict[str, int | None]]


def left() -> set[int]:
    return set(ForecastRun.objects.values_list("pk", flat=True))


def test_an_old_run_goes_with_its_values_scores_and_deadline(
    series: Series, publish_run: Publish, keep: Keep, delete: Delete, due: Due
) -> None:
    old, young, newest = publish_run(series, 401), publish_run(series, 399), publish_run(series, 1)
    for run in (old, young):
        ForecastScore.objects.create(forecast_run=run, as_of=run.valid_until, n=2)
        DeadlineRecord.objects.create(
            series=series,
            delivery_day=run.issue_time.date(),
            deadline=run.issue_time,
            outcome="met",
            run=run,
            recorded_at=run.issue_time,
        )
    keep(forecast_runs=400)
    assert due() == {"forecast_runs": 1}
    assert left() == {old.pk, young.pk, newest.pk}, "a dry run deletes nothing"
    assert delete() == {"forecast_runs": 1}
    assert left() == {young.pk, newest.pk}
    assert set(ForecastValue.objects.values_list("run", flat=True)) == {young.pk, newest.pk}
    assert [score.forecast_run_id for score in ForecastScore.objects.all()] == [young.pk]
    assert [record.run_id for record in DeadlineRecord.objects.all()] == [young.pk]
    assert delete() == {"forecast_runs": 0}, "done again, it finds nothing"


def test_the_newest_run_of_a_series_stays_however_old(
    make_series: Callable[..., Series], publish_run: Publish, keep: Keep, delete: Delete
) -> None:
    both = make_series("victoria"), make_series("town")
    runs = [publish_run(series, days) for series in both for days in (900, 800)]
    keep(forecast_runs=90)
    assert delete() == {"forecast_runs": 2}
    assert left() == {runs[1].pk, runs[3].pk}


def test_a_run_that_a_kept_adjustment_builds_on_stays_up_to_its_root(
    series: Series, publish_run: Publish, keep: Keep, delete: Delete, due: Due, people: dict[str, User]
) -> None:
    by = {"adjusted_by": people["forecaster"]}
    root, other, later = publish_run(series, 500), publish_run(series, 499), publish_run(series, 100)
    first = publish_run(series, 500, adjusts=root, **by)
    second = publish_run(series, 300, adjusts=first, **by)
    keep(forecast_runs=400)
    assert due() == {"forecast_runs": 1}
    assert delete() == {"forecast_runs": 1}
    assert left() == {root.pk, first.pk, second.pk, later.pk}
    assert other.pk not in left()


def test_an_adjusted_run_goes_once_its_adjustments_go(
    series: Series, publish_run: Publish, keep: Keep, delete: Delete, due: Due, people: dict[str, User]
) -> None:
    by = {"adjusted_by": people["forecaster"]}
    root = publish_run(series, 500)
    first = publish_run(series, 499, adjusts=root, **by)
    publish_run(series, 498, adjusts=first, **by)
    kept = [publish_run(series, days).pk for days in (40, 30, 20)]
    keep(forecast_runs=400)
    assert due() == {"forecast_runs": 3}
    assert delete() == {"forecast_runs": 3}
    assert left() == set(kept)


def test_only_scores_that_a_later_one_replaced_go(
    series: Series, publish_run: Publish, keep: Keep, delete: Delete
) -> None:
    run, other = publish_run(series, 200), publish_run(series, 150)
    stored = [
        ForecastScore.objects.create(forecast_run=of, as_of=NOW - days * DAY, n=2)
        for of, days in ((run, 190), (run, 180), (run, 20), (other, 140))
    ]
    keep(superseded_scores=100)
    assert delete(confirmed=True) == {"superseded_scores": 2}
    assert set(ForecastScore.objects.all()) == set(stored[2:]), "the newest score of each run stays"


def test_the_newest_accuracy_signal_of_a_series_stays(series: Series, keep: Keep, delete: Delete) -> None:
    for days in (300, 200, 150):
        AccuracySignal.objects.create(series=series, as_of=NOW - days * DAY, window_days=28, n=9, state="ok")
    keep(accuracy_signals=100)
    assert delete(confirmed=True) == {"accuracy_signals": 2}
    assert AccuracySignal.objects.get().as_of == NOW - timedelta(days=150)


def test_a_rule_that_would_take_more_than_half_is_held_until_it_is_confirmed(
    series: Series, publish_run: Publish, keep: Keep, delete: Delete, due: Due, begin: Callable[..., object]
) -> None:
    for days in (700, 600, 500, 1):
        publish_run(series, days)
    keep(forecast_runs=90)
    assert due() == {"forecast_runs": 3}
    assert delete() == {"forecast_runs": 0}
    assert ForecastRun.objects.count() == 4
    assert delete(confirmed=True) == {"forecast_runs": 3}
    assert ForecastRun.objects.count() == 1


@pytest.mark.parametrize(("days", "held"), [((700, 600, 1, 2), False), ((700, 600, 500, 1, 2), True)])
def test_just_half_of_all_is_not_held(
    series: Series, publish_run: Publish, keep: Keep, begin: Callable[..., object], days: tuple[int, ...], held: bool
) -> None:
    for age in days:
        publish_run(series, age)
    keep(forecast_runs=90)
    assert begin().outcomes.get().held is held  # type: ignore[attr-defined]
