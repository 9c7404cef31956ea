"""What an ingest leaves in the portal: vintages, corrections, quarantine, and the same after any disturbance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from include.portal import Portal
from include.settings import Settings
from include.tasks.ingest import ingest_source
from portal.series.models import Observation
from tests.include.town import DAY, END, HALF_HOUR, START, readings

HOUR = timedelta(hours=1)
TWO_DAYS = START + 2 * DAY


def stored(slug: str = "town") -> list[tuple[Any, ...]]:
    """Every row of a series, without its id."""
    rows = Observation.objects.filter(series__slug=slug).order_by("valid_time", "known_at")
    return list(rows.values_list("valid_time", "known_at", "value"))


def two_days() -> pd.DataFrame:
    return readings(end=TWO_DAYS)


def test_a_row_of_an_archive_is_known_its_delay_after_its_interval_ended(
    town: Callable[..., Path], portal: Portal, options: Settings
) -> None:
    town(two_days(), availability_delay="PT1H")
    ingest_source(portal, "town-file", as_of=END, settings=options)
    assert [(valid, known) for valid, known, _ in stored()] == [
        (START + n * HALF_HOUR, START + n * HALF_HOUR + HALF_HOUR + HOUR) for n in range(96)
    ]


def test_a_row_of_a_live_source_is_known_at_as_of(town: Callable[..., Path], portal: Portal, options: Settings) -> None:
    town(two_days(), availability_delay=None)
    ingest_source(portal, "town-file", as_of=END, settings=options)
    assert {known for _, known, _ in stored()} == {END}
