"""The seasonal naive as the guard computes it: with NumPy alone, whatever has become of the pipeline.

The load at the same local time in the nearest earlier week that is known; its spread is that of the changes from week
to week over the last twelve weeks, by local hour. Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from portal.core.columns import iso, to_datetime

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_HOUR_US = 3_600_000_000
_QUARTER_US = _HOUR_US // 4
_WEEK_US = 7 * 24 * _HOUR_US
_NONE, _MICROSECOND = timedelta(0), timedelta(microseconds=1)
HISTORY_WEEKS = 14
"""Read for a forecast: twelve weeks of changes, and two before them."""
_CHANGE_WEEKS = 12
_MOST_WEEKS_BACK = 6
_FEWEST_PER_HOUR = 20
"""Changes of one local hour, below which those of the whole day stand in."""


class TooLittleKnown(ValueError):
    """Why there is no seasonal naive, as a sentence."""


def seasonal_naive(
    known_us: Integers,
    known: Floats,
    target_us: Integers,
    *,
    zone: ZoneInfo,
    step_us: int,
    levels: Sequence[float],
    may_be_negative: bool,
) -> Floats:
    """Values by target and level, never crossing, from the values known; NaN is unknown. Times are UTC microseconds.

    Raises TooLittleKnown below two weeks of values, and where no earlier week knows the time of a target.
    """
    there = np.isfinite(known)
    known_us, known = known_us[there], known[there]
    if not known.size or known_us[-1] + step_us - known_us[0] < 2 * _WEEK_US:
        raise TooLittleKnown("less than two weeks of the load are known")
    walls = _walls(known_us, zone)
    # Of a time that the clock shows twice, the first.
    distinct, first = np.unique(walls, return_index=True)
    by_wall = known[first]
    targets = _walls(target_us, zone)
    middle = _weeks_ago(distinct, by_wall, targets, most=_MOST_WEEKS_BACK)
    if np.isnan(middle).any():
        missing = iso(int(target_us[np.isnan(middle)][0]))
        raise TooLittleKnown(f"the load of none of the {_MOST_WEEKS_BACK} weeks before {missing} is known")
    recent = walls > walls[-1] - _CHANGE_WEEKS * _WEEK_US
    changes = known[recent] - _weeks_ago(distinct, by_wall, walls[recent], most=1)
    spread = _spread(changes, _hours(walls[recent]), _hours(targets), levels)
    values = middle[:, None] + spread
    return values if may_be_negative else np.maximum(values, 0.0)


def _walls(times_us: Integers, zone: ZoneInfo) -> Integers:
    """What a clock in `zone` shows, in microseconds; offsets change at full quarters of an hour at most."""
    quarters, inverse = np.unique(times_us // _QUARTER_US, return_inverse=True)
    times = map(to_datetime, (quarters * _QUARTER_US).tolist())
    offsets = [time.astimezone(zone).utcoffset() or _NONE for time in times]
    return times_us + np.array([offset // _MICROSECOND for offset in offsets], dtype=np.int64)[inverse]


def _hours(walls: Integers) -> Integers:
    return walls // _HOUR_US % 24


def _weeks_ago(distinct: Integers, values: Floats, walls: Integers, *, most: int) -> Floats:
    """The value at the same time of day and week in the nearest of the `most` weeks before; NaN where in none."""
    found = np.full(len(walls), np.nan)
    for weeks in range(1, most + 1):
        wanted = walls - weeks * _WEEK_US
        place = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
        take = np.isnan(found) & (distinct[place] == wanted)
        found[take] = values[place[take]]
    return found


def _spread(changes: Floats, hours: Integers, target_hours: Integers, levels: Sequence[float]) -> Floats:
    """The quantiles of the changes by level, for each target those of its hour."""
    there = np.isfinite(changes)
    changes, hours = changes[there], hours[there]
    if not changes.size:
        raise TooLittleKnown("no two weeks in a row are known, so its uncertainty cannot be told")
    whole_day = np.quantile(changes, levels)
    table = np.tile(whole_day, (24, 1))
    for hour in range(24):
        of_hour = changes[hours == hour]
        if of_hour.size >= _FEWEST_PER_HOUR:
            table[hour] = np.quantile(of_hour, levels)
    return table[target_hours]
