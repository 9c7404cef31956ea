"""Errors by the time of the local day, the kind of day and the holiday."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.breakdowns import DAY_TYPES, by_day_type, by_holiday, by_hour, day_types
from forecasting.calendar import holiday_names, local_clock

VICTORIA = {"timezone": "Australia/Melbourne", "country": "AU", "subdivision": "VIC"}


def rows_of(start: str, *, hours: int, timezone: str = "Australia/Melbourne") -> pd.DataFrame:
    first = pd.Timestamp(start, tz=timezone).tz_convert("UTC")
    return pd.DataFrame({"valid_time": pd.date_range(first, periods=hours, freq="1h")})


def counted(part: pd.DataFrame) -> dict[str, float | int | None]:
    return {"n": len(part)}


def type_of(day: str, place: dict[str, str] = VICTORIA) -> str:
    (found,) = by_day_type(rows_of(day, hours=24, timezone=place["timezone"]), **place, scorer=counted)
    assert found["n"] == 24
    return str(found["day_type"])


@pytest.mark.parametrize(
    ("day", "day_type"),
    [
        ("2014-11-12", "weekday"),
        ("2014-11-15", "saturday"),
        ("2014-11-16", "sunday"),
        ("2014-11-03", "day_before_holiday"),
        ("2014-11-04", "holiday"),  # Melbourne Cup, a Tuesday
        ("2014-11-05", "day_after_holiday"),
        ("2014-12-27", "saturday"),  # after Boxing Day, but nobody was to work
        ("2014-04-19", "holiday"),  # Easter Saturday
        ("2014-12-31", "day_before_holiday"),  # of a holiday in another year
    ],
)
def test_a_day_is_of_one_type(day: str, day_type: str) -> None:
    assert type_of(day) == day_type


def test_a_day_between_two_holidays_is_before_one() -> None:
    """In Spain 2017, the 6th and 8th of December were holidays, and the 7th a Thursday between them."""
    assert type_of("2017-12-07", {"timezone": "Europe/Madrid", "country": "ES"} | {"subdivision": "MD"}) == (
        "day_before_holiday"
    )


def test_without_a_country_only_the_week_tells_days_apart() -> None:
    clock = local_clock(pd.date_range("2014-12-22", periods=14, freq="D", tz="UTC"), timezone="UTC")
    found = day_types(clock, country=None, subdivision=None)
    assert found.tolist() == ["weekday"] * 5 + ["saturday", "sunday"] + ["weekday"] * 5 + ["saturday", "sunday"]


def test_types_come_in_order_and_hold_every_row_once() -> None:
    rows = rows_of("2014-10-27", hours=24 * 14)
    found = by_day_type(rows, **VICTORIA, scorer=counted)
    assert [each["day_type"] for each in found] == [
        "weekday", "saturday", "sunday", "holiday", "day_before_holiday", "day_after_holiday",
    ] == list(DAY_TYPES)  # fmt: skip
    assert [each["n"] for each in found] == [24 * days for days in (7, 2, 2, 1, 1, 1)]


@pytest.mark.parametrize(
    ("day", "hours", "twice", "never"),
    [("2014-04-06", 25, 2, None), ("2014-10-05", 23, None, 2), ("2014-06-01", 24, None, None)],
)
def test_hours_are_those_of_the_local_clock(day: str, hours: int, twice: int | None, never: int | None) -> None:
    found = by_hour(rows_of(day, hours=hours), timezone="Australia/Melbourne", scorer=counted)
    assert {each["hour"]: each["n"] for each in found} == {
        hour: 2 if hour == twice else 1 for hour in range(24) if hour != never
    }


def test_each_holiday_is_named_with_its_local_date() -> None:
    found = by_holiday(rows_of("2014-12-24", hours=24 * 9), **VICTORIA, scorer=counted)
    assert found == [
        {"date": "2014-12-25", "holiday": "Christmas Day", "n": 24},
        {"date": "2014-12-26", "holiday": "Boxing Day", "n": 24},
        {"date": "2015-01-01", "holiday": "New Year's Day", "n": 24},
    ]
    ordinary = rows_of("2014-11-10", hours=24)
    assert by_holiday(ordinary, **VICTORIA, scorer=counted) == []
    assert by_holiday(ordinary, timezone="UTC", country=None, subdivision=None, scorer=counted) == []


@settings(max_examples=30, deadline=None)
@given(
    starts=st.lists(st.integers(0, 366 * 48), max_size=60),
    timezone=st.sampled_from(["Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_every_row_falls_into_one_hour_and_one_type(starts: list[int], timezone: str) -> None:
    valid = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.array(starts, dtype=int) * 30, unit="min")
    rows = pd.DataFrame({"valid_time": pd.DatetimeIndex(valid)})
    hours = {each["hour"]: each["n"] for each in by_hour(rows, timezone=timezone, scorer=counted)}
    wall = pd.DatetimeIndex(valid).tz_convert(timezone)
    assert hours == pd.Series(wall.hour, dtype=int).value_counts().to_dict()
    types = by_day_type(rows, timezone=timezone, country="GB", subdivision="ENG", scorer=counted)
    assert sum(each["n"] for each in types) == len(rows)
    holidays = by_holiday(rows, timezone=timezone, country="GB", subdivision="ENG", scorer=counted)
    of_type = sum(each["n"] for each in types if each["day_type"] == "holiday")
    assert sum(each["n"] for each in holidays) == of_type


def test_names_are_given_for_the_days_asked_for_only() -> None:
    christmas = int(np.datetime64("2014-12-25").astype(int))
    asked = np.array([christmas, christmas - 1, christmas])
    assert holiday_names(asked, country="AU", subdivision="VIC") == {christmas: "Christmas Day"}
