"""Of any small ledger, each question is answered as plain Python answers it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.forecasts.ledger.queries import newest_values
from portal.forecasts.models import ForecastRun
from portal.forecasts.queries import latest_run
from portal.series.models import Series
from tests.portal.forecasts.ledgers import ISSUED, STEP, put_run

numbers = itertools.count()
# Each example has a series of its own: the ledger of another is as if it were not there.
thorough = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Drawn:
    """A run, in half-hours from ISSUED."""

    issued: int
    delay: int
    length: int
    published: int
    adjusted: bool


drawn = st.builds(Drawn, st.integers(0, 5), st.integers(0, 3), st.integers(1, 6), st.integers(0, 8), st.booleans())
moments = st.none() | st.integers(-1, 9)


@pytest.fixture
def person(make_user: Callable[..., User]) -> User:
    return make_user("forecaster")


def at(half_hours: int | None) -> object:
    return None if half_hours is None else ISSUED + half_hours * STEP


def put(series: Series, run: Drawn, number: int, person: User) -> list[tuple[Drawn, ForecastRun, float]]:
    facts = {"issued": at(run.issued), "start": at(run.issued + run.delay), "published_at": at(run.published)}
    level = 1000.0 * number
    original = put_run(series, [level] * run.length, **facts)
    stored = [(run, original, level)]
    if run.adjusted:
        facts["published_at"] = at(run.published + 1)
        override = put_run(series, [level + 500] * run.length, adjusts=original, by=person, **facts)
        stored.append((run, override, level + 500))
    return stored


@given(
    ledger=st.lists(drawn, max_size=7),
    start=st.integers(-1, 6),
    length=st.integers(1, 12),
    as_of=moments,
    published_by=moments,
    lead=st.integers(0, 4),
    originals=st.booleans(),
)
@thorough
def test_any_ledger_answers_as_a_search_through_all_of_it_does(
    make_series: Callable[..., Series],
    person: User,
    ledger: list[Drawn],
    start: int,
    length: int,
    as_of: int | None,
    published_by: int | None,
    lead: int,
    originals: bool,  # drawn
) -> None:
    series, other = (make_series(f"series-{next(numbers)}") for _ in range(2))
    put_run(other, [7.0] * 20, issued=ISSUED)
    stored = [each for number, run in enumerate(ledger) for each in put(series, run, number, person)]
    chosen = [
        (drawn, run, level)
        for drawn, run, level in stored
        if (published_by is None or run.published_at <= at(published_by)) and not (originals and run.adjusts_id)
    ]

    expected = []
    for half_hour in range(start, start + length):
        covering = [
            (run.issue_time, run.pk, run.rung, level)
            for drawn, run, level in chosen
            if (as_of is None or drawn.issued <= as_of)
            and drawn.issued <= half_hour - lead
            and drawn.issued + drawn.delay <= half_hour < drawn.issued + drawn.delay + drawn.length
        ]
        if covering:
            issue_time, pk, rung, level = max(covering)
            for quantile, shift in ((0.1, -100.0), (0.5, 0.0), (0.9, 100.0)):
                expected.append((at(half_hour), pk, issue_time, rung, quantile, level + shift))
    table = newest_values(
        series,
        start=ISSUED + start * STEP - timedelta(minutes=7),
        end=ISSUED + (start + length) * STEP - timedelta(minutes=29),
        as_of=at(as_of),
        lead_time=lead * STEP,
        published_by=at(published_by),
        originals=originals,
    )
    assert [tuple(row.values()) for row in table.drop(["local_time"]).to_pylist()] == expected

    newest = max(
        ((run.issue_time, run.pk) for drawn, run, _ in chosen if as_of is None or drawn.issued <= as_of), default=None
    )
    latest = latest_run(series, as_of=at(as_of), published_by=at(published_by), originals=originals)
    assert (latest and (latest.issue_time, latest.pk)) == newest
