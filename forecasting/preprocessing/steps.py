"""The steps of a profile. Each takes values out, or puts values where none are; none changes a value that it keeps.

Each states its `reach`: how far after a time the values lie that decide what it does there. None: anywhere in the
history. Whatever must not know what comes after a time is given the history up to there, and nothing later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from forecasting.calendar import checked_duration, holidays_of, local_clock
from forecasting.cleaning import implausible
from forecasting.contracts import LOAD
from forecasting.errors import SettingsError
from forecasting.preprocessing.resampling import MEAN, checked_resolution

_DAY = pd.Timedelta(days=1)
_WEEK = pd.Timedelta(weeks=1)
_LONGEST_STEP = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Place:
    """Where the series is, and on which grid."""

    index: pd.DatetimeIndex
    resolution: pd.Timedelta
    timezone: str
    country: str | None = None
    subdivision: str | None = None


class ColumnStep(Protocol):
    """A step that works on one column at a time and keeps the grid."""

    name: ClassVar[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it works on."""

    @property
    def reach(self) -> pd.Timedelta | None:
        """How far ahead it looks."""

    def apply(self, values: np.ndarray, *, measured: np.ndarray, place: Place) -> np.ndarray:
        """New values of a column, (n,); `measured`: those that no earlier step has put there."""


@dataclass(frozen=True)
class Resample:
    """Another resolution; see `forecasting.preprocessing.resampling`."""

    name: ClassVar[str] = "resample"
    to: str
    how: str | Mapping[str, str] = MEAN

    def __post_init__(self) -> None:
        checked_resolution("resample: to", checked_duration("resample: to", self.to))
        if not isinstance(self.how, str | Mapping):
            raise SettingsError(f"resample: how {self.how!r} must be a rule, or a rule by column")

    @property
    def reach(self) -> pd.Timedelta:
        return _LONGEST_STEP


@dataclass(frozen=True)
class Flatline:
    """A frozen meter: the very same value for longer than a span, or nothing but zeros, becomes a gap.

    The first of equal values was measured and stays; of zeros, none does. Where more than `at_most_share` of the
    history stands still, standing still is what the series does, and it stays; the same holds for zeros. None: no
    such exception.
    """

    name: ClassVar[str] = "flatline"
    longer_than: str = "12h"
    zeros_longer_than: str | None = None
    """None: zeros are values like others."""
    at_most_share: float | None = 0.05
    columns: tuple[str, ...] = (LOAD,)

    def __post_init__(self) -> None:
        checked_duration("flatline: longer_than", self.longer_than)
        if self.zeros_longer_than is not None:
            checked_duration("flatline: zeros_longer_than", self.zeros_longer_than)
        share = self.at_most_share
        if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1):
            raise SettingsError(f"flatline: at_most_share {share!r} must be above 0 and at most 1, or None")

    @property
    def reach(self) -> pd.Timedelta | None:
        spans = [pd.Timedelta(span) for span in (self.longer_than, self.zeros_longer_than) if span is not None]
        return None if self.at_most_share is not None else max(spans) + _LONGEST_STEP

    def apply(self, values: np.ndarray, *, measured: np.ndarray, place: Place) -> np.ndarray:
        zero = values == 0
        same = np.concatenate([[False], values[1:] == values[:-1]])
        lengths = _run_lengths(same) * place.resolution
        frozen = same & (lengths > pd.Timedelta(self.longer_than))
        if self.zeros_longer_than is None:
            return np.where(self._if_rare(frozen), np.nan, values)
        dead = zero & (lengths > pd.Timedelta(self.zeros_longer_than))
        return np.where(self._if_rare(frozen & ~zero) | self._if_rare(dead), np.nan, values)

    def _if_rare(self, marked: np.ndarray) -> np.ndarray:
        usual = self.at_most_share is not None and marked.mean() > self.at_most_share
        return np.zeros_like(marked) if usual else marked


@dataclass(frozen=True)
class Outliers:
    """Gross outliers become gaps: far from the same local time and weekday in the weeks around *and* where the series
    never goes, by `forecasting.cleaning.implausible`. Heat waves, holidays and closed buildings stay.
    """

    name: ClassVar[str] = "outliers"
    columns: tuple[str, ...] = (LOAD,)

    @property
    def reach(self) -> None:
        return None

    def apply(self, values: np.ndarray, *, measured: np.ndarray, place: Place) -> np.ndarray:
        minutes = int(place.resolution / pd.Timedelta(minutes=1))
        wall = _wall_minutes(place)
        slots = (wall - wall.min()) // minutes
        doubtful = np.zeros(len(values), dtype=bool)
        again = pd.Series(slots).duplicated().to_numpy()
        # Where the clock is put back an hour comes twice, and each of the two is judged in its place.
        for shown in (~again, ~pd.Series(slots).duplicated(keep="last").to_numpy()) if again.any() else (~again,):
            laid_out = np.full(slots.max() + 1, np.nan)
            laid_out[slots[shown]] = values[shown]
            marks = implausible(laid_out, steps_per_day=1440 // minutes)
            doubtful[shown] |= marks[slots[shown]]
        return np.where(doubtful, np.nan, values)


@dataclass(frozen=True)
class Linear:
    """Gaps up to a length are bridged by the straight line between the values at their sides."""

    name: ClassVar[str] = "linear"
    up_to: str = "2h"
    columns: tuple[str, ...] = (LOAD,)

    def __post_init__(self) -> None:
        checked_duration("linear: up_to", self.up_to)

    @property
    def reach(self) -> pd.Timedelta:
        return pd.Timedelta(self.up_to) + _LONGEST_STEP

    def apply(self, values: np.ndarray, *, measured: np.ndarray, place: Place) -> np.ndarray:
        wanted = _gaps(values, at_most=pd.Timedelta(self.up_to), resolution=place.resolution)
        known = np.flatnonzero(~np.isnan(values))
        if not wanted.any():
            return values
        line = np.interp(np.arange(len(values)), known, values[known])
        return np.where(wanted, line, values)


@dataclass(frozen=True)
class NeighbouringWeeks:
    """Gaps up to a length get what was measured at the same local time on the same weekday: the mean of the nearest
    week before and the nearest after that have it, within so many weeks.

    A public holiday lends only to a public holiday, and other days to other days. A time without such a neighbour
    stays a gap. Where the clock is put back, each of the two hours has its own neighbour in another such night, and
    the one hour of all other nights; where it is put forward, a night that lacks the hour lends none.
    """

    name: ClassVar[str] = "neighbouring_weeks"
    up_to: str = "48h"
    weeks: int = 3
    columns: tuple[str, ...] = (LOAD,)

    def __post_init__(self) -> None:
        checked_duration("neighbouring_weeks: up_to", self.up_to)
        if type(self.weeks) is not int or not 1 <= self.weeks <= 52:
            raise SettingsError(f"neighbouring_weeks: weeks {self.weeks!r} must be a whole number from 1 to 52")

    @property
    def reach(self) -> pd.Timedelta:
        # A day more, for the clock that is put back in between.
        return max(self.weeks * _WEEK + _DAY, pd.Timedelta(self.up_to) + _LONGEST_STEP)

    def apply(self, values: np.ndarray, *, measured: np.ndarray, place: Place) -> np.ndarray:
        rows = np.flatnonzero(_gaps(values, at_most=pd.Timedelta(self.up_to), resolution=place.resolution))
        if rows.size == 0:
            return values
        before, after = (self._nearest(values, rows, way, measured=measured, place=place) for way in (-1, 1))
        both = np.stack([before, after])
        count = np.isfinite(both).sum(axis=0)
        mean = np.divide(np.nansum(both, axis=0), count, out=np.full(len(rows), np.nan), where=count > 0)
        filled = values.copy()
        filled[rows] = mean
        return filled

    def _nearest(
        self, values: np.ndarray, rows: np.ndarray, way: int, *, measured: np.ndarray, place: Place
    ) -> np.ndarray:
        wall = _wall_minutes(place)
        second = pd.Series(wall).duplicated().to_numpy()
        days = wall // 1440
        holiday = holidays_of(days, country=place.country, subdivision=place.subdivision)
        order = np.flatnonzero(~second)
        first_of = pd.Series(order, index=wall[order])
        order = np.flatnonzero(~pd.Series(wall).duplicated(keep="last").to_numpy())
        last_of = pd.Series(order, index=wall[order])
        found = np.full(len(rows), np.nan)
        for week in range(1, self.weeks + 1):
            target = wall[rows] + way * week * 7 * 1440
            place_of = np.where(
                second[rows],
                last_of.reindex(target).fillna(-1).to_numpy(dtype=int),
                first_of.reindex(target).fillna(-1).to_numpy(dtype=int),
            )
            lends = (place_of >= 0) & measured[place_of] & (holiday[place_of] == holiday[rows])
            found = np.where(np.isnan(found) & lends, values[place_of], found)
        return found


Step = Resample | Flatline | Outliers | Linear | NeighbouringWeeks
STEPS: dict[str, type[Any]] = {step.name: step for step in (Resample, Flatline, Outliers, Linear, NeighbouringWeeks)}
"""By the names that a profile calls them."""
IMPUTING = (Linear.name, NeighbouringWeeks.name)
"""Those that put values where none were measured."""


def _run_lengths(same: np.ndarray) -> np.ndarray:
    """How many values the run has that each belongs to; `same`: it equals the one before."""
    starts = np.flatnonzero(~same)
    lengths = np.diff(np.concatenate([starts, [len(same)]]))
    return np.repeat(lengths, lengths)


def _gaps(values: np.ndarray, *, at_most: pd.Timedelta, resolution: pd.Timedelta) -> np.ndarray:
    """Which values are missing in gaps that have a value on both sides and are short enough.

    What is missing at the end is no gap: the loads are late, and will come.
    """
    missing = np.isnan(values)
    lengths = _run_lengths(np.concatenate([[False], missing[1:] == missing[:-1]])) * resolution
    known = np.flatnonzero(~missing)
    inside = np.zeros(len(values), dtype=bool)
    if known.size:
        inside[known[0] : known[-1]] = True
    wanted: np.ndarray = missing & inside & (lengths <= at_most)
    return wanted


def _wall_minutes(place: Place) -> np.ndarray:
    """The wall clock at each interval, in minutes from 1970-01-01 there."""
    clock = local_clock(place.index, timezone=place.timezone)
    wall: np.ndarray = clock.day_number * 1440 + clock.minute_of_day
    return wall
