"""Whether a difference between two forecasts could be chance."""

import math
from typing import Any

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD

NAME = "Diebold-Mariano, corrected by Harvey, Leybourne and Newbold"


def error_differences(predictions: pd.DataFrame, *, point: str | float, reference: str | float) -> pd.Series:
    """Mean over each origin's rows of |`point` − load| − |`reference` − load| in MW; below zero, `point` is nearer.

    Rows without a load or one of the forecasts are left out, and so are origins without any other.
    """
    errors = [(predictions[column] - predictions[LOAD]).abs() for column in (point, reference)]
    return (errors[0] - errors[1]).groupby(predictions["origin"], sort=True).mean().dropna()


def compare_errors(differences: pd.Series, *, horizon: pd.Timedelta) -> dict[str, Any]:
    """Test whether two forecasts are equally good, given the difference of their errors at each origin.

    The intervals of one forecast go wrong together, so an origin counts as one observation; and forecasts whose
    horizons overlap share what went wrong, so the variance takes in the autocovariances up to the overlap. The test is
    that of Diebold & Mariano (1995) with the small-sample correction and the t distribution of Harvey, Leybourne &
    Newbold (1997), two-sided. Where the estimated variance comes out negative, which few origins can make it, that
    without autocovariances stands in, as in the function `dm.test` of the R package `forecast`.

    Args:
        differences: (n,) by origin, evenly spaced, in MW (`error_differences`).
        horizon: how far each origin forecasts.

    Returns:
        JSON-able: `test`, its name; `n_origins`; `overlapping`, how many origins in a row forecast a common time;
        `mean_difference_mw`; `statistic` and `p_value`, None where they are undefined: fewer than two origins, as many
        overlapping as there are, or no variation at all.
    """
    values = differences.to_numpy(dtype=float)
    number = len(values)
    overlapping = _overlapping(pd.DatetimeIndex(differences.index), horizon)
    statistic = _statistic(values, overlapping)
    return {
        "test": NAME,
        "n_origins": number,
        "overlapping": overlapping,
        "mean_difference_mw": float(values.mean()) if number else None,
        "statistic": statistic,
        "p_value": None if statistic is None else _two_sided(statistic, degrees_of_freedom=number - 1),
    }


def _overlapping(origins: pd.DatetimeIndex, horizon: pd.Timedelta) -> int:
    if len(origins) < 2:
        return 1
    # The usual step: one day of 23 hours among the origins does not make them overlap once more.
    step = pd.Series(origins).diff().median()
    return max(1, math.ceil(horizon / step))


def _statistic(values: np.ndarray, overlapping: int) -> float | None:
    number = len(values)
    correction = (number + 1 - 2 * overlapping + overlapping * (overlapping - 1) / number) / number if number else 0.0
    if number < 2 or overlapping >= number or correction <= 0:
        return None
    centred = values - values.mean()
    autocovariances = [float(centred[lag:] @ centred[: number - lag]) / number for lag in range(overlapping)]
    # Differences that agree but for rounding have no variation.
    if autocovariances[0] <= (1e-12 * np.abs(values).max()) ** 2:
        return None
    variance = autocovariances[0] + 2 * sum(autocovariances[1:])
    if variance <= 0:
        return _statistic(values, 1)
    return float(values.mean() / math.sqrt(variance / number) * math.sqrt(correction))


def _two_sided(statistic: float, *, degrees_of_freedom: int) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(degrees_of_freedom, -abs(statistic)))
