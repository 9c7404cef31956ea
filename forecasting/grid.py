"""The time axis that models work on: a history and what is known of the future, on one regular grid.

Every load that becomes a feature passes through `Grid.known_load`, which answers NaN for positions at or after the
origin: that is where leakage of loads is prevented. Of the covariates, those known ahead are read at the target
itself; of the others, `Grid.known_covariate` and `Grid.known_mean` see nothing at or after the origin, where the last
known day repeats.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from forecasting.calendar import LocalClock, bridge_days, holidays_of, local_clock, school_holidays_of
from forecasting.contracts import LOAD, resolution_of
from forecasting.sharing import Shared, shared_on

SEASON_DAYS = 500
"""A longer history tells the season from the trend: it has seen a good part of the year twice."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What of a grid of n intervals depends on the calendar alone; each array is (n,), holidays 0 or 1 by local day."""

    index: pd.DatetimeIndex
    clock: LocalClock
    holiday: np.ndarray
    holiday_before: np.ndarray
    holiday_after: np.ndarray
    bridge: np.ndarray
    school_holiday: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Grid(Axis):
    """A regular time axis of n intervals with loads, local clock, holidays and covariates.

    `load` is (n,), NaN where unknown or not yet known; `covariates` maps names to (n,) arrays, of which `known_future`
    names those that are known ahead.
    """

    load: np.ndarray
    covariates: dict[str, np.ndarray]
    known_future: tuple[str, ...]
    minutes: int
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What several models derive from the same grid, so that it is derived once."""
    shared: Shared = field(default_factory=Shared, compare=False, repr=False)
    """What depends on the axis, and on what the key says, but not on the loads: other series may have it in common."""

    @property
    def steps_per_day(self) -> int:
        return 1440 // self.minutes

    @property
    def steps_per_hour(self) -> int:
        return 60 // self.minutes

    def tells_seasons(self, end: int) -> bool:
        """Whether the intervals before `end` are enough to tell the season from the trend."""
        return end > SEASON_DAYS * self.steps_per_day

    def digest_of_known_future(self) -> str:
        """Stands for the covariates known ahead, names and values, in a key of `shared`."""
        if "digest_of_known_future" not in self.memo:
            digest = hashlib.sha256()
            for name in self.known_future:
                digest.update(name.encode() + b"\0" + np.ascontiguousarray(self.covariates[name]).tobytes())
            self.memo["digest_of_known_future"] = digest.hexdigest()
        return str(self.memo["digest_of_known_future"])

    def days_before(self, positions: np.ndarray, days: np.ndarray | int) -> np.ndarray:
        """Positions of the same local time `days` days earlier; negative where that lies before the axis."""
        earlier = positions - np.asarray(days) * self.steps_per_day
        offsets = self.clock.offset_minutes
        drift = offsets[positions] - offsets[np.clip(earlier, 0, len(offsets) - 1)]
        return earlier + drift // self.minutes

    def clock_steps(self, positions: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Intervals from `origins` to `positions` by the local wall clock; a clock change moves them by its hour."""
        offsets = self.clock.offset_minutes
        inside = np.clip(positions, 0, len(offsets) - 1)
        return positions - origins + self._whole_steps(offsets[inside] - offsets[origins])

    def at_clock_steps(self, steps: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Positions that lie `steps` intervals before `origins` (steps below zero) by the local wall clock.

        Where the clock skips that hour, the plain distance counts. Negative where that lies before the axis.
        """
        offsets = self.clock.offset_minutes
        plain = origins + steps
        moved = plain - self._whole_steps(offsets[np.clip(plain, 0, len(offsets) - 1)] - offsets[origins])
        return np.where(moved < origins, moved, plain)

    def _whole_steps(self, drift_minutes: np.ndarray) -> np.ndarray:
        steps: np.ndarray = np.trunc(drift_minutes / self.minutes).astype(int)
        return steps

    def known_load(self, positions: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Loads in MW at `positions` as known at `origins`: NaN at or after the origin, and before the axis."""
        inside = (positions >= 0) & (positions < origins)
        return np.where(inside, self.load[np.clip(positions, 0, len(self.load) - 1)], np.nan)

    def known_covariate(self, name: str, positions: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """A covariate at `positions` as known at `origins`; from there on, the last known day at that local time."""
        values = self.covariates[name]
        if name in self.known_future:
            return values[positions]
        days = np.maximum(0, -(-(positions - origins + 1) // self.steps_per_day))
        source = self.days_before(positions, days)
        # Where the clock changes, the same local time may be an hour later.
        source = np.where(source >= origins, source - self.steps_per_day, source)
        return np.where(source >= 0, values[np.maximum(source, 0)], np.nan)

    def known_mean(self, name: str, positions: np.ndarray, origins: np.ndarray, length: int) -> np.ndarray:
        """Mean of a covariate over the `length` intervals up to and with `positions`, as known at `origins`.

        From an origin on, its last day repeats. NaN where less than a third is known.
        """
        values = self.covariates[name]
        if name in self.known_future:
            return window_mean(values, positions + 1, length)
        running = Running.of(values)
        ahead = np.maximum(positions - origins + 1, 0)
        ends = np.minimum(positions + 1, origins)
        starts = np.maximum(ends - np.maximum(length - ahead, 0), 0)

        def seen(sums: np.ndarray) -> np.ndarray:
            before = sums[ends] - sums[starts]
            return (
                before
                + self._repeated(sums, origins, ahead)
                - self._repeated(sums, origins, np.maximum(ahead - length, 0))
            )

        number = seen(running.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = seen(running.total) / number + running.centre
        return np.where(number * 3 >= length, mean, np.nan)

    def _repeated(self, running: np.ndarray, origins: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Sum of the first `ahead` intervals from the origin on, if its last day repeats, from a running sum."""
        start = np.maximum(origins - self.steps_per_day, 0)
        days, rest = np.divmod(ahead, self.steps_per_day)
        part = running[np.minimum(start + rest, origins)] - running[start]
        return days * (running[origins] - running[start]) + part


@lru_cache(maxsize=32)
def _axis(
    start: pd.Timestamp,
    end: pd.Timestamp,
    step: pd.Timedelta,
    *,
    timezone: str,
    country: str | None,
    subdivision: str | None,
) -> Axis:
    index = pd.date_range(start, end, freq=step, unit="ns")
    clock = local_clock(index, timezone=timezone)
    first, last = int(clock.day_number.min()), int(clock.day_number.max())
    around = np.arange(first - 1, last + 2)
    place: dict[str, Any] = {"country": country, "subdivision": subdivision}
    days, bridges, school = (known(around, **place) for known in (holidays_of, bridge_days, school_holidays_of))
    row = clock.day_number - first + 1
    return Axis(
        index=index,
        clock=clock,
        holiday=days[row],
        holiday_before=days[row - 1],
        holiday_after=days[row + 1],
        bridge=bridges[row],
        school_holiday=school[row],
    )


def build_grid(
    history: pd.DataFrame,
    future: pd.DataFrame | None,
    *,
    timezone: str,
    country: str | None,
    subdivision: str | None,
    known_future: tuple[str, ...] = (),
) -> Grid:
    """Lay a validated history, and the validated future if there is one, on one axis.

    Of the future, only the covariates in `known_future` are taken. Rows between the end of the history and the start of
    the future exist with nothing known.
    """
    step = resolution_of(history.index)
    end = history.index[-1] if future is None else future.index[-1]
    place: dict[str, Any] = {"timezone": timezone, "country": country, "subdivision": subdivision}
    axis = _axis(history.index[0], end, step, **place)
    index = axis.index
    names = [name for name in history.columns if name != LOAD]
    covariates = {}
    for name in names:
        values = np.full(len(index), np.nan)
        values[: len(history)] = history[name].to_numpy()
        if future is not None and name in known_future:
            values[len(index) - len(future) :] = future[name].to_numpy()
        covariates[name] = values
    load = np.full(len(index), np.nan)
    load[: len(history)] = history[LOAD].to_numpy()
    grid = Grid(
        **vars(axis),
        load=load,
        covariates=covariates,
        known_future=known_future,
        minutes=int(step / pd.Timedelta(minutes=1)),
        shared=shared_on((history.index[0], end, step, *place.values())),
    )
    return replace(grid, covariates={name: _persisted(values, grid) for name, values in covariates.items()})


def _persisted(values: np.ndarray, grid: Grid) -> np.ndarray:
    """Fill what is unknown of a covariate from the same local time of the latest days, up to a week back."""
    filled = values.copy()
    for days in range(1, 8):
        gap = np.flatnonzero(np.isnan(filled))
        if gap.size == 0:
            break
        source = grid.days_before(gap, days)
        usable = source >= 0
        filled[gap[usable]] = values[source[usable]]
    return filled


def window_mean(values: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
    """Mean of the known values in the `length` positions before each end; NaN where less than a third is known."""
    return Running.of(values).mean(ends, length)


@dataclass(frozen=True)
class Running:
    """Running sum and number of the known values, each (n + 1,), and the centre that was taken off each value."""

    total: np.ndarray
    count: np.ndarray
    centre: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Running":
        known = np.isfinite(values)
        # Centring keeps the running sums small, so that a constant series has a mean of exactly that constant. The
        # centre is the first known value, since a mean over all would let what comes later touch the last digits.
        centre = float(values[known.argmax()]) if known.any() else 0.0
        total = np.concatenate([[0.0], np.cumsum(np.where(known, values - centre, 0.0))])
        return cls(total, np.concatenate([[0], np.cumsum(known)]), centre)

    def mean(self, ends: np.ndarray, length: int) -> np.ndarray:
        """Mean of the known values in the `length` positions before each end; NaN where less than a third is known."""
        ends = np.maximum(ends, 0)
        starts = np.maximum(ends - length, 0)
        number = self.count[ends] - self.count[starts]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (self.total[ends] - self.total[starts]) / number + self.centre
        return np.where(number * 3 >= length, mean, np.nan)


def last_observed(load: np.ndarray) -> np.ndarray:
    """For each origin 0…n, the position of the last known load before it, -1 if there is none."""
    positions = np.where(np.isfinite(load), np.arange(len(load)), -1)
    return np.concatenate([[-1], np.maximum.accumulate(positions)])
