from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import SettingsError
from forecasting.calendar import (
    bridge_days,
    check_country,
    check_timezone,
    holidays_of,
    hours_in_local_day,
    local_clock,
    local_midnights,
    school_holidays_of,
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


def numbers(*days: str) -> np.ndarray:
    return np.array(days, dtype="datetime64[D]").astype(int)


@pytest.mark.parametrize(
    ("country", "subdivision", "days", "bridges"),
    [
        # Ascension Day is a Thursday.
        ("DE", "BY", ["2024-05-08", "2024-05-09", "2024-05-10", "2024-05-11"], [0, 0, 1, 0]),
        # The Cup is run on a Tuesday in Victoria, and nowhere else a holiday.
        ("AU", "VIC", ["2014-11-03", "2014-11-04", "2014-11-05"], [1, 0, 0]),
        ("AU", "NSW", ["2014-11-03", "2014-11-04", "2014-11-05"], [0, 0, 0]),
        # The holiday is New Year's Day of the year after, which the days asked for do not reach.
        ("DE", None, ["2018-12-31"], [1]),
        # Christmas on Wednesday and Thursday: Friday is a bridge, the day before is none.
        ("DE", None, ["2024-12-24", "2024-12-25", "2024-12-26", "2024-12-27"], [0, 0, 0, 1]),
        # Good Friday and Easter Monday are next to the weekend: nothing lies between.
        ("GB", "ENG", ["2024-03-28", "2024-03-29", "2024-03-30", "2024-04-01", "2024-04-02"], [0, 0, 0, 0, 0]),
        # A weekend on Friday and Saturday: a holiday on Monday makes a bridge of Sunday.
        ("SA", None, ["2024-09-22", "2024-09-23", "2024-09-24"], [1, 0, 0]),
        (None, None, ["2024-05-10"], [0]),
    ],
)
def test_a_bridge_is_a_working_day_between_a_holiday_and_a_weekend(
    country: str | None, subdivision: str | None, days: list[str], bridges: list[float]
) -> None:
    assert bridge_days(numbers(*days), country=country, subdivision=subdivision).tolist() == bridges


def test_bridges_are_working_days_of_every_year_asked_for_in_the_shape_asked() -> None:
    days = np.arange(numbers("2010-01-01")[0], numbers("2030-01-01")[0]).reshape(-1, 15)
    found = bridge_days(days, country="DE", subdivision="BY")
    assert found.shape == days.shape
    chosen = days[found == 1]
    weekday = (chosen + 3) % 7  # 1970-01-01 was a Thursday
    assert set(weekday.tolist()) == {0, 4}
    assert not holidays_of(chosen, country="DE", subdivision="BY").any()
    assert len(chosen) > 20 * 2
    assert bridge_days(np.array([], dtype=int), country="DE", subdivision=None).shape == (0,)


def test_school_holidays_are_those_of_the_state() -> None:
    days = numbers("2024-07-01", "2024-08-20", "2024-10-09")
    assert school_holidays_of(days, country="DE", subdivision="BY").tolist() == [0, 1, 0]
    assert school_holidays_of(days, country="DE", subdivision="NW").tolist() == [0, 1, 0]
    assert school_holidays_of(numbers("2024-09-05"), country="DE", subdivision="BY").tolist() == [1]
    assert school_holidays_of(numbers("2024-09-05"), country="DE", subdivision="NW").tolist() == [0]


@pytest.mark.parametrize(
    ("country", "subdivision"), [(None, None), ("GB", "ENG"), ("AU", "VIC"), ("DE", None), ("XX", None), ("DE", "QQ")]
)
def test_where_no_school_holidays_are_known_no_day_is_one(country: str | None, subdivision: str | None) -> None:
    days = np.arange(numbers("1890-01-01")[0], numbers("1891-01-01")[0])
    assert not school_holidays_of(days, country=country, subdivision=subdivision).any()
    assert not school_holidays_of(days + 134 * 365, country=country, subdivision=subdivision).any()
