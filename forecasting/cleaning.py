"""Loads that no model should learn from, nor lean on: gross outliers and frozen meters.

They count as missing inside the models, where gaps have their rules. What is reported and scored stays as it is.
"""

import numpy as np

_AROUND = 3
_GROSS = 6.0
_USUAL = 0.95
_SMALLEST = 0.02
_LOST_SHARE = 0.01
_NEVER_BELOW = 0.25
_FROZEN_HOURS = 12
_RARELY = 0.05


def implausible(load: np.ndarray, *, steps_per_day: int) -> np.ndarray:
    """Which of n loads in MW are gross outliers or come from a frozen meter, (n,) of bool; NaN is neither.

    A gross outlier lies further from the median of the same time in the weeks around it than six times what 95 % of
    the loads do (and a fiftieth of their mean size): a holiday or a heat wave does not, a wrong unit or a lost digit
    does. The last three weeks are compared with the weeks before them alone; a history of less than three weeks is
    compared day by day. A change of level is marked at first and accepted once it stands for two to three weeks.
    Next to no load is an outlier too, in a series that hardly ever falls below a quarter of its usual.
    A meter counts as frozen where the very same load stands for 12 hours or more, in a series where that is rare; the
    first of the equal loads is kept.
    """
    return _outliers(load, steps_per_day) | _lost(load) | _frozen(load, steps_per_day)


def _outliers(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    period = (7 if len(load) >= 21 * steps_per_day else 1) * steps_per_day
    ends = np.full(_AROUND * period, np.nan)
    padded = np.concatenate([ends, load, ends])
    around = np.stack([padded[shift * period : shift * period + len(load)] for shift in range(2 * _AROUND + 1)])
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


def _lost(load: np.ndarray) -> np.ndarray:
    size = np.abs(load)
    known = size[np.isfinite(size)]
    if known.size == 0 or np.quantile(known, _LOST_SHARE) < _NEVER_BELOW * np.median(known):
        return np.zeros(len(load), dtype=bool)
    with np.errstate(invalid="ignore"):
        return size < _SMALLEST * float(np.median(known))


def _frozen(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    same = np.concatenate([[False], load[1:] == load[:-1]])
    starts = np.flatnonzero(~same)
    lengths = np.diff(np.concatenate([starts, [len(load)]]))
    long = lengths >= _FROZEN_HOURS * steps_per_day // 24
    frozen = same & np.repeat(long, lengths)
    return frozen if 0 < frozen.sum() <= _RARELY * len(load) else np.zeros(len(load), dtype=bool)
