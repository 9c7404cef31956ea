"""Loads that no model should learn from, nor lean on: gross outliers and frozen meters.

They count as missing inside the models, where gaps have their rules. What is reported and scored stays as it is.
"""

import numpy as np

_WEEKS = 3
_GROSS = 6.0
_USUAL = 0.95
_SMALLEST = 0.02
_FROZEN_HOURS = 12
_RARELY = 0.05


def implausible(load: np.ndarray, *, steps_per_day: int) -> np.ndarray:
    """Which of n loads in MW are gross outliers or come from a frozen meter, (n,) of bool; NaN is neither.

    A gross outlier lies further from the median of the same time in the weeks around it than six times what 95 % of
    the loads do (and a fiftieth of their mean size): a holiday or a heat wave does not, a wrong unit or a lost digit
    does. A meter counts as frozen where the very same load stands for 12 hours or more, in a series where that is
    rare; the first of the equal loads is kept. The last three weeks are compared with the weeks before them alone.
    """
    return _outliers(load, steps_per_day) | _frozen(load, steps_per_day)


def _outliers(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    week = 7 * steps_per_day
    if len(load) < 3 * week:
        return _far_out(load)
    padded = np.concatenate([np.full(_WEEKS * week, np.nan), load, np.full(_WEEKS * week, np.nan)])
    around = np.stack([padded[shift * week : shift * week + len(load)] for shift in range(2 * _WEEKS + 1)])
    around.sort(axis=0)
    known = np.isfinite(around).sum(axis=0)
    # NaN sorts last; the mean of the two in the middle of the known ones.
    lower, upper = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, np.maximum(known - 1, 0))
    column = np.arange(len(load))
    away = np.abs(load - (around[lower, column] + around[upper, column]) / 2)
    usual = away[np.isfinite(away) & (known >= 3)]
    if usual.size == 0:
        return np.zeros(len(load), dtype=bool)
    size = float(np.median(np.abs(load[np.isfinite(load)])))
    limit = _GROSS * max(float(np.quantile(usual, _USUAL)), _SMALLEST * size)
    with np.errstate(invalid="ignore"):
        return (away > limit) & (known >= 3)


def _far_out(load: np.ndarray) -> np.ndarray:
    """Too little history to compare weeks: far outside where 98 % of the loads lie."""
    known = load[np.isfinite(load)]
    if known.size == 0:
        return np.zeros(len(load), dtype=bool)
    low, high = np.quantile(known, (0.01, 0.99))
    reach = _GROSS * max(float(high - low), _SMALLEST * float(np.median(np.abs(known))))
    with np.errstate(invalid="ignore"):
        return (load < low - reach) | (load > high + reach)


def _frozen(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    same = np.concatenate([[False], load[1:] == load[:-1]])
    starts = np.flatnonzero(~same)
    lengths = np.diff(np.concatenate([starts, [len(load)]]))
    long = lengths >= _FROZEN_HOURS * steps_per_day // 24
    frozen = same & np.repeat(long, lengths)
    return frozen if 0 < frozen.sum() <= _RARELY * len(load) else np.zeros(len(load), dtype=bool)
