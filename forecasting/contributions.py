"""What a forecast is made of: contributions in MW that sum to it, gathered into groups with the field's own names.

`level`: the mean load of the training, or of the last week for exponential smoothing. `calendar`: time of day, kind of
day, season. `holiday`: holidays, the days around them, bridge days, school holidays. `weather`: temperature and what
is derived from it. `recent_load`: lags, and what the last days left over and is carried on. Any other covariate stands
under its own name; one that is called like a group counts there. `other`: what belongs to no single group.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting.contracts import TEMPERATURE
from forecasting.daylight import SUN
from forecasting.grid import Grid
from forecasting.linear import Ridge
from forecasting.sharing import Shared

LEVEL, CALENDAR, HOLIDAY, WEATHER, RECENT, OTHER = "level", "calendar", "holiday", "weather", "recent_load", "other"
Parts = dict[str, np.ndarray]
"""Contributions in MW by group, each of the same shape."""

_CALENDAR = {"minute_of_day", "weekday", "day_of_year"}
_OF_NO_GROUP = {"lead_time_hours", "origin_minute_of_day", "regression", "regression_minus_baseline"}
_HOLIDAY = ("holiday", "bridge_day", "school_holiday", "calendar_holiday", "calendar_bridge", "calendar_school_holiday")
_LAGGED = ("_ago", "_change_week", "_minus_baseline", "_minus_level")


def groups(covariates: Iterable[str]) -> list[str]:
    """The groups that a model with these covariates tells apart, in the order of their columns."""
    names = list(covariates)
    weather = [WEATHER] if TEMPERATURE in names else []
    ordered = [LEVEL, CALENDAR, HOLIDAY, *weather, RECENT, *(group_of_covariate(name) for name in names), OTHER]
    return list(dict.fromkeys(ordered))


def group_of_covariate(name: str) -> str:
    """The group that a covariate counts in; where the sun stands is a matter of the calendar."""
    return {TEMPERATURE: WEATHER, SUN: CALENDAR}.get(name, name)


def group_of_feature(feature: str, covariates: Iterable[str]) -> str:
    """The group of a booster's feature, by its name.

    The lead time, the hour of the origin and the forecast of the regression below are of no single group.
    """
    for name in sorted(covariates, key=len, reverse=True):
        if feature in {f"covariate_{name}", f"change_week_{name}"}:
            return group_of_covariate(name)
    if feature in _CALENDAR:
        return CALENDAR
    if feature in _OF_NO_GROUP:
        return OTHER
    for group, starts in ((HOLIDAY, _HOLIDAY), (WEATHER, (TEMPERATURE,)), (RECENT, ("mean_",))):
        if feature.startswith(starts):
            return group
    return RECENT if feature.endswith((*_LAGGED, *(f"_ago_{which}" for which in ("next", "before")))) else OTHER


def add(parts: Parts, group: str, values: np.ndarray) -> None:
    """Add to a group's contribution, in place of the group's array."""
    parts[group] = parts[group] + values if group in parts else values


def of_trees(values: np.ndarray, features: list[str], covariates: Iterable[str]) -> Parts:
    """SHAP values of n rows, (n, f + 1) as LightGBM gives them, by group; the last is the booster's mean, a level.

    Lundberg & Lee (2017), for trees exact by Lundberg et al. (2020): with the mean they sum to the prediction.
    """
    names = list(covariates)
    parts: Parts = {LEVEL: values[:, -1]}
    for feature, column in zip(features, values.T, strict=False):
        add(parts, group_of_feature(feature, names), column)
    return parts


def of_ridge(ridge: Ridge, grid: Grid, columns: Callable[[Grid], Mapping[str, np.ndarray]]) -> Parts:
    """Contributions to a regression at every interval of a grid, (n,) each, in the units of its target.

    A covariate contributes what it changes against its mean of the training all day long, and holidays what they change
    against the ordinary day of that weekday. No regressor depends on two of them, so that they sum to the fitted value.

    Args:
        ridge: the regression.
        grid: the time axis.
        columns: the regressors on such an axis.
    """
    regressor = {name: name if name == TEMPERATURE else f"covariate_{name}" for name in grid.known_future}
    usual = {
        name: float(ridge.mean[ridge.names.index(column)])
        for name, column in regressor.items()
        if column in ridge.names
    }

    def fitted(*, holidays: bool, actual: str | None) -> np.ndarray:
        fixed = {name: value for name, value in usual.items() if name != actual}
        return ridge.explain(columns(_as_if(grid, holidays=holidays, fixed=fixed)))

    plain = fitted(holidays=False, actual=None)
    parts: Parts = {LEVEL: np.full(len(plain), ridge.intercept), CALENDAR: plain - ridge.intercept}
    add(parts, HOLIDAY, fitted(holidays=True, actual=None) - plain)
    for name in usual:
        add(parts, group_of_covariate(name), fitted(holidays=False, actual=name) - plain)
    return parts


def of_logarithms(logarithms: Parts) -> Parts:
    """Split a load in MW whose logarithm is a sum; `level` becomes its exponential, the rest share what is above it.

    The logarithmic mean Divisia index (Ang, 2004): each share is proportional to its logarithm, and nothing is left.
    """
    level = np.exp(logarithms[LEVEL])
    total = np.sum([values for group, values in logarithms.items() if group != LEVEL], axis=0)
    safe = np.where(total == 0.0, 1.0, total)
    mean = level * np.where(total == 0.0, 1.0, np.expm1(safe) / safe)
    return {group: level if group == LEVEL else mean * values for group, values in logarithms.items()}


def weighted(several: Iterable[tuple[np.ndarray | float, Parts]]) -> Parts:
    """The sum of contributions, each times its weight; where that is zero, nothing counts."""
    parts: Parts = {}
    for weight, each in several:
        for group, values in each.items():
            add(parts, group, np.where(np.asarray(weight) == 0.0, 0.0, values * weight))
    return parts


def table(parts: Parts, *, covariates: Iterable[str], index: pd.DatetimeIndex) -> pd.DataFrame:
    """Contributions as a frame with a column for each of `groups(covariates)`."""
    columns = {group: parts.get(group, np.zeros(len(index))) for group in groups(covariates)}
    return pd.DataFrame(columns, index=index, dtype="float64")


def _as_if(grid: Grid, *, holidays: bool, fixed: Mapping[str, float]) -> Grid:
    """The grid with some covariates standing still, and perhaps without any holiday."""
    still = {name: np.full(len(grid.index), value) for name, value in fixed.items()}
    # What is derived from the grid is kept on it: the other grid needs places of its own.
    other = replace(grid, covariates={**grid.covariates, **still}, memo={}, shared=Shared())
    if holidays:
        return other
    none = np.zeros(len(grid.index))
    return replace(other, holiday=none, holiday_before=none, holiday_after=none, bridge=none, school_holiday=none)
