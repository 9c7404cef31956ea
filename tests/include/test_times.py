"""Times are aware and in UTC, or refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from include.times import TimeUnclear, read_time, resolution_of
from tests.include.town import START


def test_a_time_is_taken_as_utc_whatever_its_offset() -> None:
    assert read_time("2014-12-24T00:00:00+11:00", name="as_of") == datetime(2014, 12, 23, 13, tzinfo=UTC)


def test_a_datetime_of_another_zone_becomes_utc() -> None:
    local = pd.Timestamp("2014-12-24 00:00", tz="Australia/Melbourne")
    read = read_time(local, name="as_of")
    assert read == datetime(2014, 12, 23, 13, tzinfo=UTC)
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["2014-12-24T00:00:00", "2014-12-24", "Christmas", "", None])
def test_a_time_that_is_unclear_is_refused_by_name(text: str | None) -> None:
    with pytest.raises(TimeUnclear, match=f"as_of is {text!r}"):
        read_time(text, name="as_of")  # type: ignore[arg-type]


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(TimeUnclear, match="has no offset"):
        read_time(START.replace(tzinfo=None), name="as_of")


@pytest.mark.parametrize(("written", "minutes"), [("PT30M", 30), ("PT1H", 60), ("PT5M", 5), ("P1D", 1440)])
def test_a_resolution_is_read_as_the_portal_writes_it(written: str, minutes: int) -> None:
    assert resolution_of({"resolution": written}) == pd.Timedelta(minutes=minutes)
