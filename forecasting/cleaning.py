"""Loads that no model should learn from, nor lean on: gross outliers and frozen meters.

They count as missing inside the models, where gaps have their rules. What is reported and scored stays as it is.
"""

import numpy as np

_AROUND = 3
_GROSS = 6.0
_USUAL = 0.95
_SMALLEST = 0.05
_REACH = 1.5
_LOWEST_SHARE = 0.5
_LOST = 0.02
_UNIT_DAYS = 28
_UNIT_FACTOR = 300.0
_NEVER_BELOW = 0.25
_FROZEN_HOURS = 12
_RARELY = 0.05


def implausible(load: np.ndarray, *, steps_per_day: int) -> np.ndarray:
    """Which of n loads in MW are gross outliers or come from a frozen meter, (n,) of bool; NaN is neither.

    A gross outlier is two things at once. It lies further from the median of the same time in the weeks around it
    than six times what 95 % of the loads do (and than 30 % of that median). And the series never goes there: it lies
    above nine tenths of the loads by one and a half times their range, or below half of all but the lowest hundredth.
    A wrong unit or a lost digit does; a heat wave, a holiday or a day of a building that is off on other days does
    not. Next to no load is an outlier too, in a series that hardly ever falls below a quarter of its usual.

    The last three weeks are compared with the weeks before them alone; a history of less than three weeks is compared
    day by day. A change of level is marked at first and accepted once it stands for two to three weeks.

    Loads of 300 times what the last four weeks hold are in another unit, even if they go on for months.

    A meter counts as frozen where the very same load stands for 12 hours or more, in a series where that is rare; the
    first of the equal loads is kept.
    """
    if not np.isfinite(load).any():
        return np.zeros(len(load), dtype=bool)
    with np.errstate(invalid="ignore"):
        gross = _unlike_its_weeks(load, steps_per_day) & _where_it_never_goes(load)
        return gross | _in_another_unit(load, steps_per_day) | _lost(load) | _frozen(load, steps_per_day)


def _unlike_its_weeks(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    period = (7 if len(load) >= 21 * steps_per_day else 1) * steps_per_day
    ends = np.full(_AROUND * period, np.nan)
    padded = np.concatenate([ends, load, ends])
    around = np.stack([padded[shift * period : shift * period + len(load)] for shift in range(2 * _AROUND + 1)])
    around.sort(axis=0)
    known = np.isfinite(around).sum(axis=0)
    # NaN sorts last; the mean of the two in the middle of the known ones.
    lower, upper = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, np.maximum(known - 1, 0))
    column = np.arange(len(load))
    middle = (around[lower, column] + around[upper, column]) / 2
    away = np.abs(load - middle)
    usual = away[np.isfinite(away) & (known >= 3)]
    if usual.size == 0:
        return np.zeros(len(load), dtype=bool)
    size = np.maximum(np.abs(middle), np.median(np.abs(load[np.isfinite(load)])))
    unlike: np.ndarray = (away > _GROSS * np.maximum(np.quantile(usual, _USUAL), _SMALLEST * size)) & (known >= 3)
    return unlike


def _where_it_never_goes(load: np.ndarray) -> np.ndarray:
    lowest, low, high = np.quantile(load[np.isfinite(load)], (0.01, 0.05, 0.95))
    reach = _REACH * (high - low)
    never: np.ndarray = (load > high + reach) | (load < (_LOWEST_SHARE * lowest if lowest > 0 else lowest - reach))
    return never


def _in_another_unit(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    recent = np.abs(load[-_UNIT_DAYS * steps_per_day :])
    recent = recent[np.isfinite(recent)]
    if recent.size < 7 * steps_per_day:
        return np.zeros(len(load), dtype=bool)
    usual = np.quantile(recent, 0.99)
    other: np.ndarray = (np.abs(load) > _UNIT_FACTOR * usual) & (usual > 0)
    return other


def _lost(load: np.ndarray) -> np.ndarray:
    size = np.abs(load)
    known = size[np.isfinite(size)]
    usual = np.median(known)
    never: np.ndarray = (size < _LOST * usual) & (np.quantile(known, 0.01) >= _NEVER_BELOW * usual)
    return never


def _frozen(load: np.ndarray, steps_per_day: int) -> np.ndarray:
    same = np.concatenate([[False], load[1:] == load[:-1]])
    starts = np.flatnonzero(~same)
    lengths = np.diff(np.concatenate([starts, [len(load)]]))
    long = lengths >= _FROZEN_HOURS * steps_per_day // 24
    frozen = same & np.repeat(long, lengths)
    return frozen if 0 < frozen.sum() <= _RARELY * len(load) else np.zeros(len(load), dtype=bool)
