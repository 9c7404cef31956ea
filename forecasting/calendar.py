"""The local clock: fields of the wall clock, days of 23 and 25 hours, holidays.

All functions take UTC instants and an IANA timezone. Offsets are whole minutes, so zones with half-hour offsets or
half-hour daylight saving work like any other.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from forecasting.errors import SettingsError

if TYPE_CHECKING:
    from holidays import HolidayBase

_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True)
class LocalClock:
    """Wall-clock fields of n instants, each an integer array of shape (n,)."""

    offset_minutes: np.ndarray
    minute_of_day: np.ndarray
    weekday: np.ndarray
    day_of_year: np.ndarray
    day_number: np.ndarray
    """Local calendar day, counted from 1970-01-01."""


def check_timezone(timezone: str) -> str:
    """Return `timezone` if it is an IANA name.

    Raises:
        SettingsError: it is not.
    """
    try:
        ZoneInfo(timezone)
        # pandas has a list of its own, without the private names of some machines, such as "localtime".
        pd.Timestamp(0, tz="UTC").tz_convert(timezone)
    except (ZoneInfoNotFoundError, KeyError, ValueError, TypeError, OSError) as error:
        raise SettingsError(f"timezone {timezone!r} is not an IANA timezone such as 'Europe/London'") from error
    return timezone


def local_clock(index: pd.DatetimeIndex, *, timezone: str) -> LocalClock:
    """Read the wall clock of `timezone` at the UTC instants of `index`."""
    wall = index.tz_convert(timezone).tz_localize(None).as_unit("ns")
    wall_minutes = wall.asi8 // _MINUTE_NS
    return LocalClock(
        offset_minutes=(wall.asi8 - index.as_unit("ns").asi8) // _MINUTE_NS,
        minute_of_day=wall_minutes % 1440,
        weekday=wall.weekday.to_numpy(),
        day_of_year=wall.dayofyear.to_numpy(),
        day_number=wall_minutes // 1440,
    )


def local_midnights(start: pd.Timestamp, end: pd.Timestamp, *, timezone: str) -> pd.DatetimeIndex:
    """Starts of the local days that begin in `[start, end)`, as UTC.

    Where the clock jumps over midnight, the day starts at the first instant that exists; where midnight comes twice,
    at the first of them.
    """
    first = start.tz_convert(timezone).tz_localize(None).normalize()
    last = end.tz_convert(timezone).tz_localize(None).normalize()
    days = pd.date_range(first, last, freq="D")
    local = days.tz_localize(timezone, nonexistent="shift_forward", ambiguous=np.ones(len(days), dtype=bool))
    utc = local.tz_convert("UTC")
    return pd.DatetimeIndex(utc[(utc >= start) & (utc < end)])


def hours_in_local_day(day: date, *, timezone: str) -> float:
    """Length of a local day: 24, or 23 and 25 (23.5 and 24.5 in some zones) when the clock changes."""
    start, end = (
        pd.Timestamp(moment).tz_localize(timezone, nonexistent="shift_forward", ambiguous=True)
        for moment in (day, day + timedelta(days=1))
    )
    return (end - start) / pd.Timedelta(hours=1)


def checked_duration(name: str, value: object) -> pd.Timedelta:
    """A length of time that was given as text or as a timedelta; a bare number would count nanoseconds.

    Raises:
        SettingsError: naming the setting and its value.
    """
    if not isinstance(value, str | timedelta) or (isinstance(value, str) and not value.strip(" 0123456789.+-")):
        raise SettingsError(f"{name} {value!r} is not a duration such as '48h'")
    try:
        span = pd.Timedelta(value)
    except ValueError as error:
        raise SettingsError(f"{name} {value!r} is not a duration such as '48h'") from error
    if not span > pd.Timedelta(0):
        raise SettingsError(f"{name} {value!r} must be positive")
    return span


def check_country(country: str | None, subdivision: str | None) -> None:
    """Check that holidays are known for a country and its subdivision.

    Raises:
        SettingsError: naming what is unknown.
    """
    if country is None:
        if subdivision is not None:
            raise SettingsError(f"subdivision {subdivision!r} needs a country")
        return
    for name, value in (("country", country), ("subdivision", subdivision)):
        if value is not None and not (isinstance(value, str) and value):
            raise SettingsError(f"{name} {value!r} must be an ISO 3166 code such as 'AU' or 'VIC'")
    _holiday_days(country, subdivision, 2000, 2000)


def holidays_of(day_number: np.ndarray, *, country: str | None, subdivision: str | None) -> np.ndarray:
    """1.0 where a local day (counted from 1970-01-01) is a public holiday, else 0.0; shape of `day_number`.

    Source of the dates: the `holidays` package. Without a country, no day is a holiday.
    """
    if country is None or day_number.size == 0:
        return np.zeros(day_number.shape)
    days = _holiday_days(country, subdivision, *_years_of(day_number))
    return np.isin(day_number, days).astype(float)


def holiday_names(day_number: np.ndarray, *, country: str | None, subdivision: str | None) -> dict[int, str]:
    """Name of each public holiday among some local days (counted from 1970-01-01), in the country's own language."""
    if country is None or day_number.size == 0:
        return {}
    calendar = _calendar(country, subdivision, *_years_of(day_number))
    names = {int(np.datetime64(day, "D").astype(int)): str(name) for day, name in calendar.items()}
    return {day: names[day] for day in np.unique(day_number).tolist() if day in names}


def bridge_days(day_number: np.ndarray, *, country: str | None, subdivision: str | None) -> np.ndarray:
    """1.0 where a local day is a working day between a public holiday and a weekend, else 0.0; shape of `day_number`.

    The Friday after a holiday on Thursday, the Monday before one on Tuesday; where the weekend is on other days, the
    days beside it. Source of holidays and weekends: the `holidays` package. Days count from 1970-01-01; without a
    country, none is a bridge.

    Raises:
        SettingsError: no holidays are known for the country or its subdivision.
    """
    if country is None or day_number.size == 0:
        return np.zeros(day_number.shape)
    days = _bridge_day_numbers(country, subdivision, *_years_of(day_number))
    return np.isin(day_number, days).astype(float)


def school_holidays_of(day_number: np.ndarray, *, country: str | None, subdivision: str | None) -> np.ndarray:
    """1.0 where schools have a holiday that is no public one, else 0.0; shape of `day_number`.

    Source: the category "school" of the `holidays` package. It knows whole school years for the states, regions or
    zones of Austria, Belgium, France ("Zone A"), Germany, the Netherlands and Poland, single days for a few other
    countries, and nothing for most. What it does not know, be it a country, a subdivision or a year, is 0.0. Days count
    from 1970-01-01.
    """
    if country is None or day_number.size == 0:
        return np.zeros(day_number.shape)
    days = _school_holiday_days(country, subdivision, *_years_of(day_number))
    return np.isin(day_number, days).astype(float)


def _years_of(day_number: np.ndarray) -> tuple[int, int]:
    """First and last calendar year of days counted from 1970-01-01."""
    ends = np.array([day_number.min(), day_number.max()]).astype("datetime64[D]")
    first, last = (ends.astype("datetime64[Y]").astype(int) + 1970).tolist()
    return first, last


@lru_cache(maxsize=64)
def _bridge_day_numbers(country: str, subdivision: str | None, first_year: int, last_year: int) -> np.ndarray:
    # A holiday on New Year's Day makes a bridge of the day before, in another year.
    calendar = _calendar(country, subdivision, first_year - 1, last_year + 1)
    holidays = set(calendar)
    found = set()
    for holiday in holidays:
        for way in (timedelta(days=-1), timedelta(days=1)):
            day = holiday + way
            if day not in holidays and not calendar.is_weekend(day) and calendar.is_weekend(day + way):
                found.add(day)
    return _numbers(found)


@lru_cache(maxsize=64)
def _school_holiday_days(country: str, subdivision: str | None, first_year: int, last_year: int) -> np.ndarray:
    import holidays

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A category that a country does not have is refused, so the country is asked first.
            if "school" not in holidays.country_holidays(country).supported_categories:
                return _numbers(())
            calendar = holidays.country_holidays(
                country, subdiv=subdivision, years=range(first_year, last_year + 1), categories="school"
            )
    except NotImplementedError:
        return _numbers(())
    return _numbers(calendar)


@lru_cache(maxsize=64)
def _holiday_days(country: str, subdivision: str | None, first_year: int, last_year: int) -> np.ndarray:
    return _numbers(_calendar(country, subdivision, first_year, last_year))


def _calendar(country: str, subdivision: str | None, first_year: int, last_year: int) -> "HolidayBase":
    """The public holidays of these years, by date.

    Raises:
        SettingsError: none are known for the country or its subdivision.
    """
    import holidays

    try:
        with warnings.catch_warnings():
            # Of some countries the package knows certain years only, and warns; days of other years count as ordinary.
            warnings.simplefilter("ignore")
            return holidays.country_holidays(country, subdiv=subdivision, years=range(first_year, last_year + 1))
    except NotImplementedError as error:
        raise SettingsError(
            f"no holidays are known for country {country!r} with subdivision {subdivision!r}; "
            "use ISO 3166 codes such as 'AU' and 'VIC'"
        ) from error


def _numbers(days: Iterable[date]) -> np.ndarray:
    """Dates as days from 1970-01-01, in order."""
    return np.array(sorted(np.datetime64(day, "D").astype(int) for day in days), dtype=np.int64)
