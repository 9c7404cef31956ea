"""Features of (origin, target) pairs that use nothing unknown at the origin.

A `Grid` holds a history and what is known of the future on one regular time axis. Every load that becomes a feature
passes through `Grid.known_load`, which answers NaN for positions at or after the origin: that is the one place where
leakage of loads is prevented. Of the covariates, those known ahead are read at the target itself; of the others,
`Grid.known_covariate` and `Grid.known_mean` see nothing at or after the origin, where the last known day repeats.

The features follow the recency and calendar effects of Hong (2010) and Wang, Liu & Hong (2016), taken relative to the
load at the same local time one week before, so that level and growth cancel.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecasting.calendar import LocalClock, holidays_of, local_clock
from forecasting.contracts import LOAD, TEMPERATURE, resolution_of

_WEEKS_BACK = 4
_SHORTEST_YEARLY = pd.Timedelta(days=500)
CONTEXT = pd.Timedelta(days=50)
"""History before the origin that the features of one forecast can reach."""


@dataclass(frozen=True)
class Grid:
    """A regular time axis of n intervals with loads, local clock, holidays and covariates.

    `load` is (n,), NaN where unknown or not yet known; `covariates` maps names to (n,) arrays, of which `known_future`
    names those that are known ahead; `holiday` is (n,), 0 or 1 by local day.
    """

    index: pd.DatetimeIndex
    load: np.ndarray
    clock: LocalClock
    holiday: np.ndarray
    holiday_before: np.ndarray
    holiday_after: np.ndarray
    covariates: dict[str, np.ndarray]
    known_future: tuple[str, ...]
    minutes: int

    @property
    def steps_per_day(self) -> int:
        return 1440 // self.minutes

    @property
    def steps_per_hour(self) -> int:
        return 60 // self.minutes

    def days_before(self, positions: np.ndarray, days: np.ndarray | int) -> np.ndarray:
        """Positions of the same local time `days` days earlier; negative where that lies before the axis."""
        earlier = positions - np.asarray(days) * self.steps_per_day
        offsets = self.clock.offset_minutes
        drift = offsets[positions] - offsets[np.clip(earlier, 0, len(offsets) - 1)]
        return earlier + drift // self.minutes

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
        total, count, centre = _running(values)
        ahead = np.maximum(positions - origins + 1, 0)
        ends = np.minimum(positions + 1, origins)
        starts = np.maximum(ends - np.maximum(length - ahead, 0), 0)

        def seen(running: np.ndarray) -> np.ndarray:
            before = running[ends] - running[starts]
            return (
                before
                + self._repeated(running, origins, ahead)
                - self._repeated(running, origins, np.maximum(ahead - length, 0))
            )

        number = seen(count)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = seen(total) / number + centre
        return np.where(number * 3 >= length, mean, np.nan)

    def _repeated(self, running: np.ndarray, origins: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Sum of the first `ahead` intervals from the origin on, if its last day repeats, from a running sum."""
        start = np.maximum(origins - self.steps_per_day, 0)
        days, rest = np.divmod(ahead, self.steps_per_day)
        part = running[np.minimum(start + rest, origins)] - running[start]
        return days * (running[origins] - running[start]) + part


def tells_seasons(history: pd.DataFrame) -> bool:
    """Whether a history is long enough to tell the season from the trend: it has seen a good part of the year twice."""
    return bool(history.index[-1] - history.index[0] >= _SHORTEST_YEARLY)


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
    index = pd.date_range(history.index[0], end, freq=step, unit="ns")
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
    clock = local_clock(index, timezone=timezone)
    first, last = int(clock.day_number.min()), int(clock.day_number.max())
    days = holidays_of(np.arange(first - 1, last + 2), country=country, subdivision=subdivision)
    row = clock.day_number - first + 1
    grid = Grid(
        index=index,
        load=load,
        clock=clock,
        holiday=days[row],
        holiday_before=days[row - 1],
        holiday_after=days[row + 1],
        covariates=covariates,
        known_future=known_future,
        minutes=int(step / pd.Timedelta(minutes=1)),
    )
    return replace(grid, covariates={name: _persisted(values, grid) for name, values in covariates.items()})


def weekly_baseline(grid: Grid, *, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Load at the same local time in the last known week, in MW; shape of `targets`.

    Where that week has a gap, the weeks before it stand in, up to `_WEEKS_BACK`; then the mean of the known loads at
    the same local time of day over those weeks; then the last known load. NaN only where nothing is known.
    """
    per_week = 7 * grid.steps_per_day
    first_week = np.maximum(1, -(-(targets - origins + 1) // per_week))
    baseline = np.full(targets.shape, np.nan)
    for further in range(_WEEKS_BACK):
        gap = np.flatnonzero(np.isnan(baseline))
        if gap.size == 0:
            return baseline
        source = grid.days_before(targets[gap], 7 * (first_week[gap] + further))
        baseline[gap] = grid.known_load(source, origins[gap])
    gap = np.flatnonzero(np.isnan(baseline))
    if gap.size:
        baseline[gap] = _daily_mean(grid, origins=origins[gap], targets=targets[gap])
    gap = np.flatnonzero(np.isnan(baseline))
    if gap.size:
        last = _last_observed(grid.load)[origins[gap]]
        baseline[gap] = grid.known_load(last, origins[gap])
    return baseline


def direct_features(
    grid: Grid, *, origins: np.ndarray, targets: np.ndarray, baseline: np.ndarray, seasons: bool = True
) -> pd.DataFrame:
    """Features of n (origin, target) pairs, given as positions on the grid; loads are in MW, relative to the baseline.

    Args:
        grid: the time axis; loads at or after an origin are never read for it.
        origins: (n,) position of the first interval whose load is not known.
        targets: (n,) position of the interval to forecast, at or after the origin.
        baseline: (n,) from `weekly_baseline` for the same pairs.
        seasons: with the day of the year. Learned from one year alone, it recalls single weeks of it.

    Returns:
        (n, f) float64 frame with named columns; NaN where a value is not known.
    """
    week, day = 7 * grid.steps_per_day, grid.steps_per_day
    lead = targets - origins
    first_week = np.maximum(1, -(-(lead + 1) // week))
    last_day = np.maximum(1, -(-(lead + 1) // day))
    week_ago = np.maximum(grid.days_before(targets, 7 * first_week), 0)
    clock = grid.clock
    columns: dict[str, np.ndarray] = {
        "lead_time_hours": lead * grid.minutes / 60,
        "minute_of_day": clock.minute_of_day[targets],
        "weekday": clock.weekday[targets],
        "day_of_year": clock.day_of_year[targets],
        "origin_minute_of_day": clock.minute_of_day[origins],
    }
    if not seasons:
        del columns["day_of_year"]
    if grid.holiday.any():
        columns |= {
            "holiday": grid.holiday[targets],
            "holiday_before": grid.holiday_before[targets],
            "holiday_after": grid.holiday_after[targets],
            "holiday_week_ago": grid.holiday[week_ago],
            "holiday_before_week_ago": grid.holiday_before[week_ago],
        }
    columns |= _load_features(
        grid, origins=origins, targets=targets, baseline=baseline, first_week=first_week, last_day=last_day
    )
    recent = np.maximum(grid.days_before(targets, last_day), 0)
    for name in grid.covariates:
        columns[name] = grid.known_covariate(name, targets, origins)
        columns[f"{name}_change_week"] = columns[name] - grid.known_covariate(name, week_ago, origins)
        if name == TEMPERATURE:
            columns |= _temperature_features(grid, origins=origins, targets=targets, week_ago=week_ago, recent=recent)
    return pd.DataFrame(columns).astype("float64")


def recent_hours(grid: Grid, *, origins: np.ndarray, hours: int) -> np.ndarray:
    """The hours before each origin, oldest first: (n, hours, 2) in MW, NaN where unknown.

    The two are the mean change against the week before, and the mean load against the mean of the last 7 days.
    """
    everywhere = np.arange(len(grid.load))
    change = grid.load - grid.known_load(grid.days_before(everywhere, 7), everywhere)
    ends = origins[:, None] - grid.steps_per_hour * np.arange(hours - 1, -1, -1)
    reachable = np.maximum(ends, 0)
    level = window_mean(grid.load, origins, 7 * grid.steps_per_day)
    hourly = window_mean(grid.load, reachable, grid.steps_per_hour) - level[:, None]
    return np.stack([window_mean(change, reachable, grid.steps_per_hour), hourly], axis=-1)


def _load_features(
    grid: Grid,
    *,
    origins: np.ndarray,
    targets: np.ndarray,
    baseline: np.ndarray,
    first_week: np.ndarray,
    last_day: np.ndarray,
) -> dict[str, np.ndarray]:
    day, hour = grid.steps_per_day, grid.steps_per_hour
    everywhere = np.arange(len(grid.load))
    # The change against the week before, at every interval: known at an origin for every interval before it.
    weekly_change = grid.load - grid.known_load(grid.days_before(everywhere, 7), everywhere)
    level = window_mean(grid.load, origins, 7 * day)
    weeks = [grid.known_load(grid.days_before(targets, 7 * (first_week + back)), origins) for back in (1, 2, 3)]
    same_time_last_day = grid.days_before(targets, last_day)
    day_load = grid.known_load(same_time_last_day, origins)
    day_change = day_load - grid.known_load(grid.days_before(np.maximum(same_time_last_day, 0), 7), origins)
    before = grid.days_before(targets, last_day + 1)
    before_change = grid.known_load(before, origins) - grid.known_load(
        grid.days_before(np.maximum(before, 0), 7), origins
    )
    return {
        "baseline_minus_level": baseline - level,
        "level_change_week": level - window_mean(grid.load, np.maximum(origins - 7 * day, 0), 7 * day),
        "two_weeks_minus_baseline": weeks[0] - baseline,
        "four_weeks_minus_baseline": _nanmean(weeks) - baseline,
        "last_day_minus_baseline": day_load - baseline,
        "last_day_change_week": day_change,
        "day_before_change_week": before_change,
        "last_hour_change_week": window_mean(weekly_change, origins, hour),
        "last_3_hours_change_week": window_mean(weekly_change, origins, 3 * hour),
        "last_12_hours_change_week": window_mean(weekly_change, origins, 12 * hour),
        "last_24_hours_change_week": window_mean(weekly_change, origins, day),
        "last_3_days_change_week": window_mean(weekly_change, origins, 3 * day),
    }


def _temperature_features(
    grid: Grid, *, origins: np.ndarray, targets: np.ndarray, week_ago: np.ndarray, recent: np.ndarray
) -> dict[str, np.ndarray]:
    hour, day = grid.steps_per_hour, grid.steps_per_day

    def at(positions: np.ndarray) -> np.ndarray:
        return grid.known_covariate(TEMPERATURE, positions, origins)

    def mean(positions: np.ndarray, length: int) -> np.ndarray:
        return grid.known_mean(TEMPERATURE, positions, origins, length)

    features = {
        "temperature_week_ago": at(week_ago),
        "temperature_change_day": at(targets) - at(recent),
        "temperature_3_hours_ago": at(np.maximum(targets - 3 * hour, 0)),
    }
    for name, length in (("6_hours", 6 * hour), ("24_hours", day), ("72_hours", 3 * day)):
        features[f"temperature_mean_{name}"] = mean(targets, length)
        features[f"temperature_mean_{name}_change_week"] = mean(targets, length) - mean(week_ago, length)
    features["temperature_mean_24_hours_change_day"] = mean(targets, day) - mean(recent, day)
    return features


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
    total, count, centre = _running(values)
    starts = np.maximum(ends - length, 0)
    number = count[ends] - count[starts]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total[ends] - total[starts]) / number + centre
    return np.where(number * 3 >= length, mean, np.nan)


def _running(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Running sum and number of the known values, each (n + 1,), and the centre that was taken off each value."""
    known = np.isfinite(values)
    # Centring keeps the running sums small, so that a constant series has a mean of exactly that constant.
    centre = float(values[known].mean()) if known.any() else 0.0
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values - centre, 0.0))])
    return total, np.concatenate([[0], np.cumsum(known)]), centre


def _daily_mean(grid: Grid, *, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
    last_day = np.maximum(1, -(-(targets - origins + 1) // grid.steps_per_day))
    return _nanmean(
        [grid.known_load(grid.days_before(targets, last_day + back), origins) for back in range(7 * _WEEKS_BACK)]
    )


def _last_observed(load: np.ndarray) -> np.ndarray:
    """For each origin 0…n, the position of the last known load before it, -1 if there is none."""
    positions = np.where(np.isfinite(load), np.arange(len(load)), -1)
    return np.concatenate([[-1], np.maximum.accumulate(positions)])


def _nanmean(parts: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(parts)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)
