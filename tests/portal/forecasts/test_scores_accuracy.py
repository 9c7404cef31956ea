"""``accuracy/``: the figures of a series over a period, from the newest score of each run, by hand beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.series.models import Series

ACCURACY = "/api/v1/accuracy/"
MIDNIGHT = datetime(2014, 11, 1, 13, tzinfo=UTC)
"""The second of November in Melbourne."""
DAY = timedelta(days=1)
NEVER = dict.fromkeys(("external_mae", "mae_beside_external", "peak_mae", "model_mae", "weather_mae"))


def day(date: str, n: int, mae: float, **figures: Any) -> dict[str, Any]:
    return {"date": date, "n": n, "mae": mae, "bias": mae / 2, "coverage_80": 0.8, "naive_mae": 2 * mae, **figures}


@pytest.fixture
def scored(
    series: Series, forecast: Callable[..., pa.Table], publish: Callable[..., Any]
) -> Callable[..., ForecastScore]:
    """Publishes a run of two days that is issued `number` days after the first, and scores it."""

    def make(number: float, *days: dict[str, Any], as_of: datetime | None = None, **facts: Any) -> ForecastScore:
        issued = MIDNIGHT + number * DAY
        (run,) = publish(forecast([4000.0] * 96, issued=issued))
        n = sum(each["n"] for each in days)
        facts = {"n": n, "expected": 96, "by_day": list(days), **facts}
        return ForecastScore.objects.create(forecast_run_id=run["id"], as_of=as_of or issued + 3 * DAY, **facts)

    return make


@pytest.fixture
def ask(service: APIClient) -> Callable[..., dict[str, Any]]:
    def get(**query: str) -> dict[str, Any]:
        answer = service.get(ACCURACY, {"series": "victoria", **query})
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    return get


def test_days_are_means_of_the_runs_that_forecast_them_weighted_by_intervals(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    scored(0, day("2014-11-02", 48, 100.0), day("2014-11-03", 48, 200.0))
    scored(1, day("2014-11-03", 16, 40.0))
    answer = ask()
    assert (answer["runs"], answer["unit"], answer["by"]) == (2, "MW", "day")
    first, second = answer["periods"]
    assert first == {
        "period": "2014-11-02",
        "n": 48,
        "mae": 100.0,
        "bias": 50.0,
        "coverage_80": pytest.approx(0.8),
        "naive_mae": 200.0,
        "skill": 0.5,
        **NEVER,
    }
    assert (second["n"], second["mae"]) == (64, pytest.approx((48 * 200 + 16 * 40) / 64))
    assert answer["total"]["mae"] == pytest.approx((48 * 100 + 48 * 200 + 16 * 40) / 112)


def test_a_period_that_ends_within_a_day_has_all_of_that_day(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    scored(0, day("2014-11-02", 48, 100.0))
    scored(0.75, day("2014-11-02", 12, 40.0))
    noon = {"start": MIDNIGHT.isoformat(), "end": (MIDNIGHT + DAY / 2).isoformat()}
    assert (ask(**noon)["runs"], ask(**noon)["total"]["n"]) == (2, 60)


def test_a_score_that_was_made_again_counts_once_by_its_newest(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    first = scored(0, day("2014-11-02", 48, 100.0))
    ForecastScore.objects.create(
        forecast_run=first.forecast_run, as_of=first.as_of + DAY, n=48, by_day=[day("2014-11-02", 48, 500.0)]
    )
    assert [row["mae"] for row in ask()["periods"]] == [500.0]


@pytest.mark.parametrize(
    ("by", "periods"),
    [
        ("day", ["2014-11-02", "2014-11-03", "2014-12-01"]),
        ("week", ["2014-10-27", "2014-11-03", "2014-12-01"]),
        ("month", ["2014-11-01", "2014-12-01"]),
    ],
)
def test_days_are_gathered_by_weeks_and_months_of_the_local_calendar(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]], by: str, periods: list[str]
) -> None:
    scored(0, day("2014-11-02", 48, 100.0), day("2014-11-03", 48, 200.0))
    scored(29, day("2014-12-01", 48, 100.0))
    assert [row["period"] for row in ask(by=by)["periods"]] == periods


def test_a_period_takes_the_local_days_that_begin_in_it(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    scored(0, day("2014-11-02", 48, 100.0), day("2014-11-03", 48, 200.0))
    start, end = MIDNIGHT.isoformat(), (MIDNIGHT + DAY).isoformat()
    assert [row["period"] for row in ask(start=start, end=end)["periods"]] == ["2014-11-02"]
    assert [row["period"] for row in ask(start=end)["periods"]] == ["2014-11-03"]
    assert ask(end=start)["total"] is None


def test_a_run_whose_loads_were_withdrawn_counts_no_more(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    scored(0, day("2014-11-02", 48, 100.0))
    withdrawn = scored(1, day("2014-11-03", 48, 500.0))
    ForecastScore.objects.create(forecast_run=withdrawn.forecast_run, as_of=withdrawn.as_of + DAY, n=0, expected=96)
    assert (ask()["runs"], ask()["total"]["mae"]) == (1, 100.0)


def test_theirs_is_weighted_by_its_own_intervals_beside_ours_on_the_same(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    theirs = {"external_n": 12, "external_mae": 90.0, "mae_beside_external": 70.0}
    scored(0, day("2014-11-02", 48, 100.0, **theirs), day("2014-11-03", 48, 200.0, external_n=0, external_mae=None))
    total = ask()["total"]
    assert (total["external_mae"], total["mae_beside_external"]) == (90.0, 70.0)


def test_peaks_attribution_and_lead_times_are_gathered(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    parts = {"model_mae": 60.0, "weather_mae": 40.0}
    block = {"lead_time_from": 0.0, "lead_time_to": 6.0, "n": 12, "mae": 80.0, "bias": 1.0, "naive_mae": 100.0}
    scored(0, day("2014-11-02", 48, 100.0, peak_error=-30.0, **parts), by_lead_time=[block])
    scored(1, day("2014-11-03", 48, 100.0, peak_error=10.0), by_lead_time=[{**block, "n": 36, "mae": 40.0}, "no row"])
    answer = ask()
    total = answer["total"]
    assert (total["peak_mae"], total["model_mae"], total["weather_mae"]) == (20.0, 60.0, 40.0)
    (row,) = answer["lead_times"]
    assert (row["n"], row["mae"], row["coverage_80"]) == (48, 50.0, None)


def test_what_people_changed_counts_apart_beside_the_runs_that_they_changed(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]], make_user: Callable[..., User]
) -> None:
    before = scored(0, day("2014-11-02", 48, 100.0), mae=100.0)
    run = before.forecast_run
    person = make_user("forecaster", "somebody")
    facts = {name: getattr(run, name) for name in ("series", "issue_time", "data_cutoff", "quantiles", "valid_from")}
    changed = ForecastRun(
        **facts,
        rung="override",
        publisher="person",
        adjusts=run,
        adjusted_by=person,
        reason="a holiday",
        valid_until=run.valid_until,
        value_count=run.value_count,
        values_sha256="cd" * 32,
    )
    answer = _with_values(changed, run)
    ForecastScore.objects.create(forecast_run=answer, as_of=before.as_of, n=48, mae=60.0, by_day=[])
    found = ask()
    assert found["overrides"] == {"runs": 1, "mae": 60.0, "adjusted_mae": 100.0}
    assert (found["runs"], found["total"]["mae"]) == (1, 100.0)


def _with_values(changed: ForecastRun, run: ForecastRun) -> ForecastRun:
    from django.db import transaction

    from portal.forecasts.models import ForecastValue

    with transaction.atomic():
        changed.save()
        ForecastValue.objects.bulk_create(
            ForecastValue(run=changed, valid_time=each.valid_time, quantile=each.quantile, value=each.value + 1)
            for each in run.values.all()
        )
    return changed


def test_without_scores_nothing_is_said(series: Series, ask: Callable[..., dict[str, Any]]) -> None:
    answer = ask()
    assert (answer["total"], answer["periods"], answer["lead_times"], answer["runs"]) == (None, [], [], 0)


def test_without_bounds_the_last_400_days_before_the_newest_score_are_shown(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    scored(0, day("2014-11-02", 48, 100.0))
    scored(397, day("2015-12-04", 48, 300.0))
    assert [row["mae"] for row in ask()["periods"]] == [100.0, 300.0]
    scored(430, day("2016-01-06", 48, 200.0))
    assert [row["mae"] for row in ask()["periods"]] == [300.0, 200.0]
    assert [row["mae"] for row in ask(end="2014-11-03T00:00:00Z")["periods"]] == [100.0]
    assert len(ask(start=MIDNIGHT.isoformat())["periods"]) == 3


def test_rows_that_are_no_figures_are_passed_over_when_they_are_read(
    scored: Callable[..., ForecastScore], ask: Callable[..., dict[str, Any]]
) -> None:
    block = {"lead_time_from": 0.0, "lead_time_to": 6.0, "n": 12, "mae": 80.0}
    scored(
        0,
        day("2014-11-02", 48, 100.0),
        {"date": "2014-11-02", "n": 48, "mae": "x", "bias": None, "peak_error": "high", "naive_mae": [1]},
        {"date": None, "n": 48, "mae": 1.0},
        {"date": "9999-12-31", "n": 48, "mae": 1.0},
        by_lead_time=[block, {**block, "lead_time_from": "x"}, {**block, "lead_time_to": None}, {**block, "n": "x"}, 7],
    )
    answer = ask()
    assert [(row["period"], row["mae"]) for row in answer["periods"]] == [("2014-11-02", 100.0)]
    assert [(row["n"], row["mae"]) for row in answer["lead_times"]] == [(12, 80.0)]


@pytest.mark.parametrize(
    "query",
    [{"start": "2010-01-01T00:00:00Z", "end": "2014-01-01T00:00:00Z"}, {"start": "2000-01-01T00:00:00Z"}],
)
def test_a_period_that_is_too_long_is_refused_by_name(
    service: APIClient, series: Series, problem: Callable[..., Any], query: dict[str, str]
) -> None:
    (error,) = problem(service.get(ACCURACY, {"series": "victoria", **query}), 400)["errors"]
    assert (error["field"], error["rule"]) == ("start", "too_long")


@pytest.mark.parametrize("query", [{"by": "hour"}, {"start": "yesterday"}])
def test_what_is_asked_is_checked(
    service: APIClient, series: Series, problem: Callable[..., Any], query: dict[str, str]
) -> None:
    problem(service.get(ACCURACY, {"series": "victoria", **query}), 400)
