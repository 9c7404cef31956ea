"""Features of (origin, target) pairs that use nothing unknown at the origin.

The features follow the recency and calendar effects of Hong (2010) and Wang, Liu & Hong (2016), taken relative to the
load at the same local time one week before, so that level and growth cancel.
"""

import numpy as np
import pandas as pd

from forecasting.contracts import TEMPERATURE
from forecasting.grid import Grid, last_observed, window_mean

_WEEKS_BACK = 4
FILLED_FROM = pd.Timedelta(weeks=_WEEKS_BACK, days=1)
"""History before a gap that its filling can reach, but for the last known load where nothing else is known."""
CONTEXT = pd.Timedelta(days=50)
"""History before the origin that the features of one forecast can reach."""


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
        last = last_observed(grid.load)[origins[gap]]
        baseline[gap] = grid.known_load(last, origins[gap])
    return baseline


def filled_load(grid: Grid) -> np.ndarray:
    """Loads in MW with gaps filled by `weekly_baseline` from what lies before each, (n,); NaN where nothing does."""
    if "filled_load" not in grid.memo:
        gap = np.flatnonzero(np.isnan(grid.load))
        filled = grid.load.copy()
        filled[gap] = weekly_baseline(grid, origins=gap, targets=gap)
        grid.memo["filled_load"] = filled
    filled_once: np.ndarray = grid.memo["filled_load"]
    return filled_once


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
    for name, member in (("bridge_day", grid.bridge), ("school_holiday", grid.school_holiday)):
        if member.any():
            columns[name] = member[targets]
    columns |= _load_features(
        grid, origins=origins, targets=targets, baseline=baseline, first_week=first_week, last_day=last_day
    )
    recent = np.maximum(grid.days_before(targets, last_day), 0)
    for name in grid.covariates:
        # A covariate may be called like a feature, and must not take its place; the temperature is one of ours.
        now, change = (
            (name, f"{name}_change_week") if name == TEMPERATURE else (f"covariate_{name}", f"change_week_{name}")
        )
        columns[now] = grid.known_covariate(name, targets, origins)
        columns[change] = columns[now] - grid.known_covariate(name, week_ago, origins)
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


def _daily_mean(grid: Grid, *, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
    last_day = np.maximum(1, -(-(targets - origins + 1) // grid.steps_per_day))
    return _nanmean(
        [grid.known_load(grid.days_before(targets, last_day + back), origins) for back in range(7 * _WEEKS_BACK)]
    )


def _nanmean(parts: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(parts)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)
