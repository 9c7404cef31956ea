from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import SettingsError
from forecasting.calendar import (
    check_country,
    check_timezone,
    holidays_of,
    hours_in_local_day,
    local_clock,
    local_midnights,
)


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("Europe/London", date(2024, 3, 31), 23),
        ("Europe/London", date(2024, 10, 27), 25),
        ("Australia/Melbourne", date(2024, 4, 7), 25),
        ("Australia/Melbourne", date(2024, 10, 6), 23),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("America/Santiago", date(2024, 9, 8), 23),  # midnight itself does not exist
        ("Asia/Kolkata", date(2024, 3, 31), 24),
    ],
)
def test_a_local_day_is_as_long_as_its_clock_says(timezone: str, day: date, hours: float) -> None:
    assert hours_in_local_day(day, timezone=timezone) == hours


@settings(max_examples=40, deadline=None)
@given(
    hour=st.integers(0, 24 * 366),
    timezone=st.sampled_from(["Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]),
)
def test_the_local_clock_agrees_with_the_wall(hour: int, timezone: str) -> None:
    moment = pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=hour)
    wall = moment.tz_convert(timezone)
    clock = local_clock(pd.DatetimeIndex([moment]), timezone=timezone)
    assert clock.minute_of_day[0] == wall.hour * 60 + wall.minute
    assert clock.weekday[0] == wall.weekday()
    assert clock.day_of_year[0] == wall.dayofyear
    assert np.datetime64("1970-01-01") + int(clock.day_number[0]) == np.datetime64(wall.date())
    assert clock.offset_minutes[0] == wall.utcoffset().total_seconds() / 60


def test_midnights_follow_the_clock_change() -> None:
    start, end = pd.Timestamp("2024-03-30", tz="UTC"), pd.Timestamp("2024-04-02", tz="UTC")
    midnights = local_midnights(start, end, timezone="Europe/London")
    assert midnights.strftime("%dT%H").tolist() == ["30T00", "31T00", "31T23", "01T23"]


def test_holidays_are_those_of_the_state() -> None:
    cup_day = np.array([np.datetime64("2014-11-04").astype(int)])
    assert holidays_of(cup_day, country="AU", subdivision="VIC").tolist() == [1.0]
    assert holidays_of(cup_day, country="AU", subdivision="NSW").tolist() == [0.0]
    assert holidays_of(cup_day, country=None, subdivision=None).tolist() == [0.0]


@pytest.mark.parametrize(("country", "subdivision"), [("XX", None), ("AU", "NOWHERE"), (None, "VIC")])
def test_an_unknown_country_or_state_is_refused(country: str | None, subdivision: str | None) -> None:
    with pytest.raises(SettingsError, match=subdivision or country or ""):
        check_country(country, subdivision)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd"])
def test_an_unknown_timezone_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="IANA"):
        check_timezone(name)
