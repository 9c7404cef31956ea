"""What is stored late, as known before a run was scored: it makes the run due again, once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.scores.queries import due_for_scoring
from portal.series.models import Covariate, Observation, Series
from tests.portal.forecasts.ledgers import put_run

ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP, DAY = timedelta(minutes=30), timedelta(days=1)
LATER, LAST = ISSUED + DAY, ISSUED + 2 * DAY
LENGTH = 3
"""Half-hours of a run."""
numbers = itertools.count()
thorough = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Row:
    """A value of the interval that starts so many half-hours after ISSUED, known from so many after it on."""

    start: int
    known: int
    value: float | None = 1.0


rows_of = st.lists(
    st.builds(Row, st.integers(-1, LENGTH), st.integers(-2, 4), st.sampled_from([1.0, None])),
    max_size=6,
    unique_by=lambda row: (row.start, row.known),
)


def at(half_hours: int) -> datetime:
    return ISSUED + half_hours * STEP


def store(series: Series, rows: Sequence[Row]) -> None:
    Observation.objects.bulk_create(
        Observation(series=series, valid_time=at(row.start), known_at=at(row.known), value=row.value) for row in rows
    )


def known(rows: Sequence[Row], limit: Callable[[Row], float]) -> list[int]:
    """The intervals of the run of which the newest of the rows within their limits is a value."""
    newest: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: row.known):
        if 0 <= row.start < LENGTH and row.known <= limit(row):
            newest[row.start] = row
    return [start for start, row in newest.items() if row.value is not None]


def seen(rows: Sequence[Row], *, as_of: int) -> dict[str, Any]:
    """What a score as of then says of somebody else's forecast."""
    if at_issue := known(rows, lambda row: 0):
        in_a_row = next(start for start in range(LENGTH + 1) if start not in at_issue)
        return {"known": "issue_time", "known_values": len(at_issue), "known_in_a_row": in_a_row}
    ahead = known(rows, lambda row: row.start)
    begun = {"known_values": sum(start < as_of for start in ahead)}
    return {**begun, **({"known": "delivery"} if ahead else {"skipped": "nothing was known"})}


def scored(run: ForecastRun, as_of: datetime, **facts: Any) -> None:
    facts = {"n": LENGTH, "expected": LENGTH, "actuals_sha256": "ab" * 32, **facts}
    ForecastScore.objects.create(forecast_run=run, as_of=as_of, **facts)


def due(run: ForecastRun, as_of: datetime) -> bool:
    return run in due_for_scoring(run.series, as_of=as_of)


@given(rows=rows_of, split=st.integers(0, 6), as_of=st.integers(1, 5))
@example(rows=[Row(0, -1), Row(1, -1)], split=0, as_of=5)
@example(rows=[Row(2, -1), Row(0, -1), Row(1, -1)], split=2, as_of=5)
@example(rows=[Row(0, 0), Row(0, -1, None), Row(1, 1)], split=1, as_of=5)
@example(rows=[Row(0, 0), Row(1, 1), Row(1, -2)], split=2, as_of=2)
@thorough
def test_theirs_makes_a_run_due_if_more_of_it_is_there_than_the_score_saw_and_then_no_more(
    make_series: Callable[..., Series], rows: list[Row], split: int, as_of: int
) -> None:
    number = next(numbers)
    theirs = make_series(f"theirs-{number}", quantity="load_forecast")
    run = put_run(make_series(f"load-{number}", external_forecast=theirs), [1.0] * LENGTH, issued=ISSUED)
    there = rows[:split]
    store(theirs, there)
    before = {**seen(there, as_of=as_of), "series": theirs.slug}
    scored(run, at(as_of), external=before)
    assert not due(run, LATER)
    store(theirs, rows[split:])
    after = {**seen(rows, as_of=as_of), "series": theirs.slug}
    is_more = after["known_values"] > before["known_values"] or (
        after.get("known") == "issue_time" != before.get("known")
    )
    assert due(run, LATER) == is_more
    assert not due(run, at(as_of)), "there is a score of this time"
    scored(run, LATER, external={**seen(rows, as_of=48), "series": theirs.slug})
    assert not due(run, LAST)


@pytest.fixture
def run(series: Series) -> ForecastRun:
    return put_run(series, [1.0] * LENGTH, issued=ISSUED)


@pytest.mark.parametrize(
    ("n", "stored", "is_due"),
    [
        (2, [Row(2, 3)], True),
        (2, [Row(2, 3, None)], False),
        (2, [Row(2, 3), Row(2, 4, None)], False),
        (2, [Row(0, 4)], False),
        (2, [Row(-1, 3), Row(LENGTH, 3)], False),
        (3, [Row(2, 3)], False),
    ],
    ids=["one more", "missing", "withdrawn", "of a known interval", "outside", "none was lacking"],
)
def test_loads_that_are_stored_late_make_a_run_due_that_lacks_some(
    series: Series, run: ForecastRun, n: int, stored: list[Row], is_due: bool
) -> None:
    store(series, [Row(0, 3), Row(1, 3)])
    scored(run, at(6), n=n)
    assert not due(run, LATER)
    store(series, stored)
    assert due(run, LATER) == is_due
    scored(run, LATER, n=3 if is_due else n)
    assert not due(run, LAST)


@pytest.mark.parametrize(
    ("attribution", "stored", "is_due"),
    [
        ({"skipped": "no weather", "observed_values": 1}, [Row(1, 3)], True),
        ({"observed_share": 0.5, "observed_values": 1}, [Row(1, 3)], True),
        ({"observed_share": 0.5, "observed_values": 1}, [Row(1, 3, None)], False),
        ({"observed_share": 0.5, "observed_values": 1}, [Row(-1, 3), Row(LENGTH, 3)], False),
        ({"observed_share": 1.0}, [Row(1, 3)], False),
        ({}, [Row(1, 3)], False),
    ],
)
def test_weather_that_is_stored_late_makes_a_run_due_that_lacks_some(
    make_series: Callable[..., Series],
    series: Series,
    run: ForecastRun,
    attribution: dict[str, Any],
    stored: list[Row],
    is_due: bool,
) -> None:
    temperature = make_series("melbourne", quantity="temperature", unit="°C")
    for name in ("temperature", "felt"):
        Covariate.objects.create(of=series, series=temperature, name=name)
    store(temperature, [Row(0, 3)])
    scored(run, at(6), attribution=attribution)
    assert not due(run, LATER)
    store(temperature, stored)
    assert due(run, LATER) == is_due
    scored(run, LATER, attribution={**attribution, "observed_values": 2})
    assert not due(run, LAST)


def test_weather_of_a_longer_interval_that_began_before_the_run_is_of_its_period(
    make_series: Callable[..., Series], series: Series, run: ForecastRun
) -> None:
    temperature = make_series("melbourne", quantity="temperature", unit="°C", resolution=timedelta(hours=6))
    Covariate.objects.create(of=series, series=temperature, name="temperature")
    scored(run, at(6), attribution={"skipped": "no weather", "observed_values": 0})
    store(temperature, [Row(-12, 7)])
    assert not due(run, LATER), "it ended as the run began"
    store(temperature, [Row(-2, 7)])
    assert not due(run, at(6))
    assert due(run, LATER)
    scored(run, LATER, attribution={"observed_share": 0.5, "observed_values": 1})
    assert not due(run, LAST)
    store(temperature, [Row(2, 7)])
    assert due(run, LAST), "stored late"


@pytest.mark.parametrize(
    ("external", "is_due"),
    [
        ({"n": 2, "known": "issue_time", "mae": 5.0}, False),
        ({"n": 1, "known": "issue_time", "mae": 5.0}, True),
        ({"n": 2, "known": "delivery", "mae": 5.0}, True),
        ({"skipped": "nothing was known"}, True),
        ({"n": "x", "known": "issue_time"}, True),
    ],
)
def test_scores_that_do_not_say_how_many_of_theirs_were_known_go_by_how_many_were_compared(
    make_series: Callable[..., Series], external: dict[str, Any], is_due: bool
) -> None:
    theirs = make_series("operator", quantity="load_forecast")
    run = put_run(make_series("load", external_forecast=theirs), [1.0] * LENGTH, issued=ISSUED)
    store(theirs, [Row(0, -1), Row(1, -1)])
    scored(run, at(6), external={"series": "operator", **external})
    assert due(run, LATER) == is_due
