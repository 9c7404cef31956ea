"""Times of sources become UTC exactly, and what the clock blurs is refused or read as declared."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from include.errors import SourceError
from include.sources.files.order import OrderOfRows
from include.sources.local_time import to_utc, zone_of

MELBOURNE = ZoneInfo("Australia/Melbourne")
BERLIN = ZoneInfo("Europe/Berlin")


def utc(*texts: str) -> list[pd.Timestamp]:
    return [pd.Timestamp(text, tz="UTC") for text in texts]


@pytest.mark.parametrize(("declared", "fold"), [("earlier", 0), ("later", 1)])
@pytest.mark.parametrize(
    "name", ["Europe/Dublin", "Australia/Lord_Howe", "Africa/Casablanca", "America/New_York", "Asia/Kathmandu"]
)
def test_every_local_time_of_a_year_is_placed_as_the_zone_has_it(name: str, declared: str, fold: int) -> None:
    zone = ZoneInfo(name)
    naive = pd.Series(pd.date_range("2024-01-01", "2025-01-01", freq="10min", inclusive="left"))
    times, faults, notes = to_utc(naive, zone=zone, ambiguous=declared)
    expected = [time.to_pydatetime().replace(tzinfo=zone, fold=fold).astimezone(UTC) for time in naive]
    is_there = [time.astimezone(zone).replace(tzinfo=None) == n for time, n in zip(expected, naive, strict=True)]
    assert times[is_there].tolist() == [time for time, there in zip(expected, is_there, strict=True) if there]
    assert {rule for rule, _ in faults.values()} <= {"clock_change"}
    assert list(faults) == naive.index[[not there for there in is_there]].tolist()
    assert [note.rule for note in notes] == ([] if name == "Asia/Kathmandu" else ["ambiguous"])


def test_what_comes_twice_or_never_is_refused_unless_declared() -> None:
    texts = pd.Series(["2024-03-31 02:30", "2024-10-27 02:30", "2024-10-27 03:00"], index=[2, 3, 4])
    times, faults, notes = to_utc(texts, zone=BERLIN)
    assert {label: rule for label, (rule, _) in faults.items()} == {2: "clock_change", 3: "clock_change"}
    assert times.isna().tolist() == [True, True, False]
    assert notes == []
    times, faults, notes = to_utc(texts, zone=BERLIN, ambiguous="later", nonexistent="shift_forward")
    assert times.tolist() == utc("2024-03-31 01:00", "2024-10-27 01:30", "2024-10-27 02:00")
    assert faults == {}
    assert [(note.rule, note.count) for note in notes] == [("nonexistent", 1), ("ambiguous", 1)]


def test_the_order_of_rows_tells_the_hours_apart() -> None:
    local = [f"2024-10-27 {time}" for time in ("01:45", "02:00", "02:30", "02:00", "02:30", "03:00")]
    times, faults, notes = to_utc(pd.Series(local), zone=BERLIN, ambiguous="in_order")
    expected = utc(*(f"2024-10-26 {time}" for time in ("23:45",))) + utc(
        *(f"2024-10-27 {time}" for time in ("00:00", "00:30", "01:00", "01:30", "02:00"))
    )
    assert times.tolist() == expected
    assert (faults, [note.count for note in notes]) == ({}, [4])
    newest_first, _, _ = to_utc(pd.Series(local[::-1]), zone=BERLIN, ambiguous="in_order")
    assert newest_first.tolist() == expected[::-1]


@pytest.mark.parametrize(
    "local",
    [
        ("02:00", "02:30", "03:00"),  # one of the two hours is not there
        ("02:00", "02:30", "02:00", "02:30", "02:00"),  # three of them
        ("02:30",),
    ],
)
def test_an_order_that_tells_nothing_is_not_guessed_from(local: tuple[str, ...]) -> None:
    texts = pd.Series([f"2024-10-27 {time}" for time in local])
    _, faults, notes = to_utc(texts, zone=BERLIN, ambiguous="in_order")
    assert list(faults) == [n for n, time in enumerate(local) if time < "03:00"]
    assert notes == []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_the_order_is_the_same_however_the_rows_are_cut(size: int) -> None:
    days = pd.date_range("2022-10-01", "2024-11-30", freq="15min", tz=BERLIN).tz_localize(None)
    naive = pd.Series(days)
    whole = OrderOfRows(BERLIN)
    whole.add(naive)
    bits = OrderOfRows(BERLIN)
    some = naive[naive.dt.month.eq(10) & naive.dt.day.ge(29)] if size < 100 else naive
    for first in range(0, len(some), size):
        bits.add(some.iloc[first : first + size])
    pd.testing.assert_series_equal(bits.folds(), whole.folds().reindex(bits.folds().index))
    times, faults, _ = to_utc(naive, zone=BERLIN, ambiguous="in_order", folds=whole.folds())
    assert not faults
    assert (times.diff().dropna() == pd.Timedelta("15min")).all()


def test_datetimes_are_taken_with_their_zone_or_the_declared_one() -> None:
    aware = pd.Series([pd.Timestamp("2024-07-01 10:00", tz=MELBOURNE), pd.NaT])
    times, faults, _ = to_utc(aware, zone=None)
    assert times[0] == datetime(2024, 7, 1, tzinfo=UTC)
    assert faults[1][0] == "not_a_time"
    naive = pd.Series(np.array(["2024-07-01T10:00", "9999-01-01", "0001-01-01"], dtype="datetime64[us]"))
    times, faults, _ = to_utc(naive, zone=MELBOURNE)
    assert times[0] == datetime(2024, 7, 1, tzinfo=UTC)
    assert {label: rule for label, (rule, _) in faults.items()} == {1: "not_a_time", 2: "not_a_time"}
    assert to_utc(naive, zone=None)[1][0][0] == "naive_time"


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc", 7, ["UTC"], "\0"])
def test_a_zone_that_nobody_knows_is_refused(name: object) -> None:
    with pytest.raises(SourceError, match="no IANA timezone"):
        zone_of(name)
