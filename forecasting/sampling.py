"""Which (origin, target) pairs a direct model learns from, and which it is calibrated on.

Training pairs every interval of the history with a few earlier origins, spread evenly over the lead times, so that
one model serves every lead time and every origin of the day. The last part of the history is held out in time.
"""

import numpy as np

from forecasting.features import Grid, weekly_baseline

_HELD_OUT_SHARE = 0.2
_HELD_OUT_DAYS = 70


def first_target(grid: Grid) -> int:
    """Position of the first interval that has a full week before its origins."""
    return 7 * grid.steps_per_day


def held_out_from(grid: Grid, rows: int) -> int:
    """Position where the held-out part starts: the last fifth of the history, at most ten weeks, whole days."""
    days = min(_HELD_OUT_DAYS, int(rows / grid.steps_per_day * _HELD_OUT_SHARE))
    return rows - max(days, 2) * grid.steps_per_day


def pairs(
    grid: Grid, *, start: int, end: int, horizon_steps: int, per_target: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pair the intervals in `[start, end)` that have a load with origins at or before them.

    Each interval gets `per_target` lead times, one from each of as many equal parts of the horizon. No origin lies
    before `first_target`, so each has a week of history. Pairs without any load to lean on are left out.

    Returns:
        origins and targets, positions of shape (n,).
    """
    known = np.flatnonzero(np.isfinite(grid.load[start:end])) + start
    targets = np.repeat(known, per_target)
    part = np.tile(np.arange(per_target), len(known))
    share = (part + generator.random(len(targets))) / per_target
    origins = np.maximum(targets - np.floor(share * horizon_steps).astype(int), first_target(grid))
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

    Returns:
        origins (n,) and targets (n, leads), positions; a target may come twice where loads are missing.
    """
    possible = np.arange(start, max(start + 1, end - horizon_steps + 1))
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
