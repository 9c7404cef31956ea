"""Which (origin, target) pairs a direct model learns from, and which it is calibrated on.

Training pairs every interval of the history with a few earlier origins, spread evenly over the lead times, so that
one model serves every lead time and every origin of the day. The last part of the history is held out in time.
"""

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD, resolution_of
from forecasting.errors import DataContractError
from forecasting.features import weekly_baseline
from forecasting.grid import Grid

_HELD_OUT_SHARE = 0.2
_HELD_OUT_DAYS = 70
_FIRST_DAYS = 7
_FEWEST_LOADS = pd.Timedelta(hours=12)
_JUDGED_ORIGINS = 60
_STRIDES_HOURS = (1, 5, 7, 11, 13, 17, 19, 23, 25, 29, 31)


def require_loads(history: pd.DataFrame, *, held_out: bool) -> None:
    """Check that a history, cut to its known loads, has some to learn from after its first week, and some to hold out.

    Args:
        history: validated, from its first known load to its last.
        held_out: whether the model learns from one part and is calibrated on another.

    Raises:
        DataContractError: long gaps leave too few.
    """
    known = history[LOAD].notna().to_numpy()
    per_day = int(pd.Timedelta(days=1) / resolution_of(history.index))
    first, split = _FIRST_DAYS * per_day, len(known) - _held_out_days(len(known), per_day) * per_day
    parts = {"to learn from": (first, split), "held out to calibrate on": (split, len(known))}
    if not held_out:
        parts = {"to learn from": (first, len(known))}
    for purpose, (start, end) in parts.items():
        count = int(known[start:end].sum())
        if count * resolution_of(history.index) < _FEWEST_LOADS:
            inside = f"from {history.index[start]} on" if start < len(known) else "after the first week"
            raise DataContractError(
                f"history has {count} loads {inside} {purpose}: its loads, from {history.index[0]} to "
                f"{history.index[-1]}, are too few or too scattered",
                rule="after a first week, there is half a day of loads to learn from, and as much to calibrate on",
                value=count,
            )


def first_target(grid: Grid) -> int:
    """Position of the first interval that has a full week before its origins."""
    return _FIRST_DAYS * grid.steps_per_day


def held_out_from(grid: Grid, rows: int) -> int:
    """Position where the held-out part starts: the last fifth of the history, at most ten weeks, whole days."""
    return rows - _held_out_days(rows, grid.steps_per_day) * grid.steps_per_day


def _held_out_days(rows: int, steps_per_day: int) -> int:
    return max(2, min(_HELD_OUT_DAYS, int(rows / steps_per_day * _HELD_OUT_SHARE)))


def pairs(
    grid: Grid, *, start: int, end: int, horizon_steps: int, per_target: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pair the intervals in `[start, end)` that have a load with origins at or before them.

    Each interval gets `per_target` lead times, one from each of as many equal parts of the horizon. No origin lies
    before `start`, which is `first_target` or later, so each has a week of history. Pairs without any load to lean on
    are left out.

    Returns:
        origins and targets, positions of shape (n,).
    """
    known = np.flatnonzero(np.isfinite(grid.load[start:end])) + start
    targets = np.repeat(known, per_target)
    part = np.tile(np.arange(per_target), len(known))
    share = (part + generator.random(len(targets))) / per_target
    origins = np.maximum(targets - np.floor(share * horizon_steps).astype(int), start)
    keep = origins <= targets
    origins, targets = origins[keep], targets[keep]
    usable = np.isfinite(weekly_baseline(grid, origins=origins, targets=targets))
    return origins[usable], targets[usable]


def sequences(
    grid: Grid,
    *,
    start: int,
    end: int,
    horizon_steps: int,
    most_origins: int,
    leads: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Origins spread evenly over `[start, end)`, each with `leads` intervals of its horizon that have a load.

    A horizon lies inside the period as a whole, unless the period is shorter than two of them.

    Returns:
        origins (n,) and targets (n, leads), positions; a target may come twice where loads are missing.
    """
    possible = np.arange(start, end - min(horizon_steps, (end - start) // 2) + 1)
    origins = possible[np.unique(np.linspace(0, len(possible) - 1, most_origins).astype(int))]
    ahead = origins[:, None] + np.arange(horizon_steps)
    inside = np.minimum(ahead, end - 1)
    usable = np.isfinite(grid.load[inside]) & (ahead < end)
    # Random numbers order the intervals; those without a load come last, and the first known ones take their place.
    order = np.argsort(np.where(usable, generator.random(ahead.shape), 2.0), axis=1)[:, :leads]
    known = usable.sum(axis=1)
    keep = known > 0
    columns = np.take_along_axis(order, np.arange(order.shape[1])[None] % np.maximum(known, 1)[:, None], axis=1)
    targets = np.take_along_axis(ahead, columns, axis=1)[keep]
    origins = origins[keep]
    flat = weekly_baseline(grid, origins=np.repeat(origins, targets.shape[1]), targets=targets.ravel())
    whole = np.isfinite(flat).reshape(targets.shape).all(axis=1)
    return origins[whole], targets[whole]


def held_out_origins(grid: Grid, *, start: int, end: int, horizon_steps: int) -> tuple[np.ndarray, int]:
    """Origins in `[start, end)` to judge a model from, and how many intervals of the horizon fit behind each.

    About sixty, spread so that they fall on every hour of the day: their distance in hours has no divisor in common
    with a day.
    """
    steps = min(horizon_steps, end - start)
    span = end - start - steps
    hours = next(
        (each for each in _STRIDES_HOURS if span <= _JUDGED_ORIGINS * each * grid.steps_per_hour), _STRIDES_HOURS[-1]
    )
    return np.arange(start, end - steps + 1, hours * grid.steps_per_hour), steps
