"""Runs that overlap: a retry, a second run, a backfill beside a live run. Whoever comes first, the same is known."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from include.portal import Portal
from include.tasks.ingest import Ingested
from portal.series.models import Observation
from tests.include.town import DAY, HALF_HOUR, START, readings

pytestmark = pytest.mark.django_db(transaction=True)
DAYS = 6
END = START + DAYS * DAY
LIVE = [("live", END, None)]
BACKFILL = [(f"backfill-{n}", START + n * DAY, START + (n - 2) * DAY) for n in range(2, DAYS)]
"""Runs: their id, as_of, and the start of their period. The backfill looks back a day, and overlaps itself."""


def rows() -> str:
    """The hash of everything that is stored, of the vintages too."""
    stored = Observation.objects.order_by("series__slug", "valid_time", "known_at")
    facts = stored.values_list("series__slug", "valid_time", "known_at", "value")
    return hashlib.sha256(repr(list(facts)).encode()).hexdigest()


def known(portal: Portal) -> str:
    """The hash of what was known at each midnight: what a forecast from then is made of."""
    digest = hashlib.sha256()
    for as_of, slug in itertools.product([START + n * DAY for n in range(DAYS + 1)], ("town", "town-temperature")):
        values = portal.observations(slug, as_of=as_of)["value"]
        digest.update(pd.DatetimeIndex(values.index).asi8.tobytes() + values.to_numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture
def run(ingest: Callable[..., Ingested]) -> Callable[[tuple[str, datetime, datetime | None]], Ingested]:
    return lambda facts: ingest(run_id=facts[0], as_of=facts[1], start=facts[2])


@pytest.mark.parametrize("delay", ["PT1H", None], ids=["archive", "live"])
def test_a_retry_and_a_second_run_leave_the_same_rows(
    town: Callable[..., Path], run: Callable[..., Ingested], delay: str | None
) -> None:
    town(readings(end=END), availability_delay=delay)
    run(LIVE[0])
    once = rows()
    run(LIVE[0])
    run(("again", END, None))
    assert rows() == once


def test_an_archives_backfill_beside_a_live_run_leaves_the_same_rows_in_any_order(
    town: Callable[..., Path], run: Callable[..., Ingested]
) -> None:
    town(readings(end=END), availability_delay="PT1H")
    orders = [LIVE + BACKFILL, BACKFILL + LIVE, BACKFILL[:2] + LIVE + BACKFILL[2:], BACKFILL[::-1] + LIVE]
    found = set()
    for order in orders:
        for facts in order:
            run(facts)
        found.add(rows())
        _forget()
    assert len(found) == 1


def test_a_live_sources_backfill_beside_a_live_run_leaves_the_same_known_at_each_time_in_any_order(
    town: Callable[..., Path], run: Callable[..., Ingested], portal: Portal
) -> None:
    """When a row was first seen differs with the order; what was known at a time, and is now, does not."""
    town(readings(end=END), availability_delay=None)
    found = set()
    for order in (LIVE + BACKFILL, BACKFILL + LIVE, BACKFILL[::-1] + LIVE):
        for facts in order:
            run(facts)
        found.add(known(portal))
        _forget()
    assert len(found) == 1


def test_runs_at_the_same_moment_leave_what_they_leave_one_after_the_other(
    town: Callable[..., Path], run: Callable[..., Ingested]
) -> None:
    town(readings(end=END), availability_delay="PT1H")
    for facts in LIVE + BACKFILL:
        run(facts)
    one_by_one = rows()
    _forget()
    with ThreadPoolExecutor(3) as together:
        list(together.map(run, [*BACKFILL, *LIVE, ("twice", END, None)]))
    assert rows() == one_by_one


def test_a_correction_between_two_runs_is_known_from_the_run_that_saw_it(
    town: Callable[..., Path], run: Callable[..., Ingested], portal: Portal
) -> None:
    frame = readings(end=END)
    town(frame, availability_delay="PT1H")
    run(("one", START + 2 * DAY, None))
    frame.iloc[3, 0] += 5
    town(frame, availability_delay="PT1H")
    for facts in (*LIVE, *BACKFILL):
        run(facts)
    valid = START + 3 * HALF_HOUR
    at = {n: portal.observations("town", as_of=START + n * DAY)["value"].loc[valid] for n in (1, 2, DAYS)}
    corrected = frame.iloc[3]["load"]
    assert at[1] == pytest.approx(corrected - 5)
    assert at[DAYS] == corrected


def _forget() -> None:
    """An empty store again; only a test may do that."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE series_observation, series_ingestrun CASCADE")
        cursor.execute("TRUNCATE core_idempotencyrecord")
