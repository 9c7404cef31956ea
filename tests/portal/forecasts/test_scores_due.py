"""``forecast-runs/due-for-scoring/``: runs whose actuals are new, or were corrected, since they were scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from portal.forecasts.models import ForecastScore
from portal.series.models import Covariate, Series
from portal.series.recording import record_observations

DUE = "/api/v1/forecast-runs/due-for-scoring/"
ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP, HOUR, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
Record = Callable[..., None]
Due = Callable[..., list[int]]


@pytest.fixture
def record(make_user: Callable[..., User]) -> Record:
    """Stores loads of the half-hours from `start` on, known at `known_at`; a NaN is known to be missing."""
    pipeline = make_user("service", "recorder")

    def store(values: list[float], *, known_at: datetime, start: datetime = ISSUED, slug: str = "victoria") -> None:
        utc = pa.timestamp("us", "UTC")
        table = pa.table(
            {
                "series": [slug] * len(values),
                "valid_time": pa.array([start + number * STEP for number in range(len(values))], utc),
                "value": values,
                "known_at": pa.array([known_at] * len(values), utc),
            }
        )
        assert not record_observations(table, recorded_at=known_at, by=pipeline).rejected

    return store


@pytest.fixture
def run(series: Series, forecast: Callable[..., pa.Table], publish: Callable[..., Any]) -> int:
    """A run of three half-hours."""
    return int(publish(forecast())[0]["id"])


@pytest.fixture
def due(service: APIClient) -> Due:
    def ask(as_of: datetime) -> list[int]:
        answer = service.get(DUE, {"series": "victoria", "as_of": as_of.isoformat()})
        assert answer.status_code == 200, answer.content
        return [each["id"] for each in answer.json()["results"]]

    return ask


def scored(run: int, as_of: datetime, **facts: Any) -> None:
    ForecastScore.objects.create(forecast_run_id=run, as_of=as_of, n=3, actuals_sha256="ab" * 32, **facts)


def test_a_run_is_due_once_its_first_actual_is_known_and_until_it_is_scored(run: int, due: Due, record: Record) -> None:
    assert due(ISSUED + DAY) == []
    record([4000.0], known_at=ISSUED + HOUR)
    assert due(ISSUED + HOUR - STEP) == []
    assert due(ISSUED + HOUR) == [run]
    scored(run, ISSUED + HOUR)
    assert due(ISSUED + HOUR) == []
    assert due(ISSUED + DAY) == []
    record([4000.0, 4100.0], known_at=ISSUED + 2 * HOUR)
    assert due(ISSUED + DAY) == [run], "another one has come"


def test_a_correction_a_year_later_makes_a_run_due_again(run: int, due: Due, record: Record) -> None:
    record([4000.0] * 3, known_at=ISSUED + 2 * HOUR)
    scored(run, ISSUED + DAY)
    later = ISSUED + 365 * DAY
    record([4000.0, 4321.0, 4000.0], known_at=later)
    assert due(later - HOUR) == []
    assert due(later) == [run]
    scored(run, later)
    assert due(later + DAY) == []


def test_a_replay_of_a_past_time_looks_at_no_later_score(run: int, due: Due, record: Record) -> None:
    record([4000.0] * 3, known_at=ISSUED + 2 * HOUR)
    scored(run, ISSUED + 30 * DAY)
    assert due(ISSUED + DAY) == [run]


def test_a_load_that_is_known_to_be_missing_changes_only_what_was_there(run: int, due: Due, record: Record) -> None:
    record([math.nan] * 3, known_at=ISSUED + 2 * HOUR)
    assert due(ISSUED + DAY) == [], "there is nothing to score it on"
    record([4000.0, math.nan, math.nan], known_at=ISSUED + 2 * DAY)
    scored(run, ISSUED + 2 * DAY)
    record([math.nan] * 3, known_at=ISSUED + 3 * DAY)
    assert due(ISSUED + 3 * DAY) == [run], "the load it was scored on was withdrawn"


def test_a_load_that_came_and_went_between_two_scorings_changes_nothing(run: int, due: Due, record: Record) -> None:
    record([4000.0] * 3, known_at=ISSUED + 2 * HOUR)
    scored(run, ISSUED + DAY)
    record([1.0] * 3, known_at=ISSUED + DAY + HOUR)
    assert due(ISSUED + DAY + HOUR) == [run]
    record([4000.0] * 3, known_at=ISSUED + DAY + 2 * HOUR)
    assert due(ISSUED + DAY + HOUR) == [run], "as known then it was another"
    assert due(ISSUED + DAY + 2 * HOUR) == []


@pytest.fixture
def weather(series: Series, make_series: Callable[..., Series]) -> str:
    """The temperature that helps to forecast the series."""
    temperature = make_series("melbourne", quantity="temperature", unit="°C")
    Covariate.objects.create(of=series, series=temperature, name="temperature")
    return temperature.slug


@pytest.mark.parametrize(
    ("attribution", "is_due"),
    [
        ({"skipped": "no weather of the period was observed"}, True),
        ({"observed_share": 0.5, "n": 3}, True),
        ({"observed_share": 1.0, "n": 3}, False),
        ({"observed_share": "x"}, True),
        ({}, False),
    ],
)
def test_weather_that_a_score_lacked_makes_its_run_due_once_it_is_observed(
    run: int, due: Due, record: Record, weather: str, attribution: dict[str, Any], is_due: bool
) -> None:
    record([4000.0] * 3, known_at=ISSUED + 2 * HOUR)
    scored(run, ISSUED + DAY, expected=3, attribution=attribution)
    record([20.0], slug=weather, start=ISSUED + 3 * STEP, known_at=ISSUED + 2 * DAY)
    record([20.0], slug=weather, start=ISSUED - STEP, known_at=ISSUED + 2 * DAY)
    record([math.nan], slug=weather, known_at=ISSUED + 2 * DAY)
    assert due(ISSUED + 2 * DAY) == [], "outside of the period, or missing"
    record([20.0] * 3, slug=weather, known_at=ISSUED + 3 * DAY)
    assert due(ISSUED + 2 * DAY) == []
    assert due(ISSUED + 3 * DAY) == ([run] if is_due else [])
    scored(run, ISSUED + 3 * DAY, expected=3, attribution={**attribution, "observed_values": 3})
    assert due(ISSUED + 4 * DAY) == [], "it has been looked at"


def test_weather_of_another_series_makes_no_run_due(
    run: int, due: Due, record: Record, make_series: Callable[..., Series]
) -> None:
    make_series("hobart", quantity="temperature", unit="°C")
    record([4000.0] * 3, known_at=ISSUED + 2 * HOUR)
    scored(run, ISSUED + DAY, attribution={"skipped": "no weather"})
    record([20.0] * 3, slug="hobart", known_at=ISSUED + 2 * DAY)
    assert due(ISSUED + 2 * DAY) == []


def test_a_forecast_of_somebody_else_that_the_series_names_later_makes_scored_runs_due(
    run: int, due: Due, record: Record, series: Series, make_series: Callable[..., Series]
) -> None:
    record([4000.0] * 3, known_at=ISSUED + 2 * HOUR)
    scored(run, ISSUED + DAY)
    series.external_forecast = make_series("operator", quantity="load_forecast")
    series.save()
    assert due(ISSUED + 2 * DAY) == [run]
    scored(run, ISSUED + 2 * DAY, external={"series": "operator", "skipped": "nothing of it was known"})
    assert due(ISSUED + 3 * DAY) == []


def test_loads_before_the_period_at_its_end_and_of_other_series_make_no_run_due(
    run: int, due: Due, record: Record, make_series: Callable[..., Series]
) -> None:
    make_series("tasmania")
    record([4000.0], start=ISSUED - STEP, known_at=ISSUED + DAY)
    record([4000.0], start=ISSUED + 3 * STEP, known_at=ISSUED + DAY)
    record([4000.0] * 3, slug="tasmania", known_at=ISSUED + DAY)
    assert due(ISSUED + 2 * DAY) == []


def test_runs_are_due_oldest_first_as_the_ledger_lists_them(
    run: int,
    service: APIClient,
    record: Record,
    forecast: Callable[..., pa.Table],
    publish: Callable[..., Any],
) -> None:
    (second,) = publish(forecast(issued=ISSUED + HOUR))
    record([4000.0] * 6, known_at=ISSUED + DAY)
    scored(run, ISSUED + HOUR)
    with CaptureQueriesContext(connection) as queries:
        answer = service.get(DUE, {"series": "victoria", "as_of": (ISSUED + DAY).isoformat()}).json()["results"]
    assert [each["id"] for each in answer] == [run, second["id"]]
    listed = service.get("/api/v1/forecast-runs/", {"series": "victoria"}).json()["results"]
    assert answer == listed[::-1]
    assert len(queries) <= 8, "as many however many are due"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"as_of": "2014-11-02T00:00:00Z"}, 400),
        ({"series": "victoria"}, 400),
        ({"series": "victoria", "as_of": "yesterday"}, 400),
        ({"series": "victoria", "as_of": "2014-11-02T00:00:00"}, 400),
        ({"series": "atlantis", "as_of": "2014-11-02T00:00:00Z"}, 404),
    ],
)
def test_what_is_asked_is_checked(
    service: APIClient, series: Series, problem: Callable[..., Any], query: dict[str, str], status: int
) -> None:
    problem(service.get(DUE, query), status)
