"""Measures of a forecast against what happened. Loads in MW, percentages in percent, coverage as a share."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD
from forecasting.errors import DataContractError

METRICS = ("n", "mae", "rmse", "mape", "smape", "mase", "bias", "pinball", "crps", "coverage_80", "width_80")


def score(
    actual: pd.Series, forecast: pd.DataFrame, *, seasonal_scale: float | None = None
) -> dict[str, float | int | None]:
    """Score one frame of quantile forecasts.

    Args:
        actual: loads in MW, shape (n,); rows without a value are left out.
        forecast: shape (n, q), the index of `actual`, columns are quantile levels as floats, 0.5 among them.
        seasonal_scale: mean absolute weekly change of the training history in MW (`seasonal_scale`); without it MASE
            is None.

    Returns:
        `METRICS`; a metric that is undefined is None: everything but `n` without rows, the percentages where a load is
        zero, coverage and width without the quantiles 0.1 and 0.9, and whatever is too large for a float. Pinball is
        the mean over all levels, `width_80` the sharpness: the mean width of the 80 % interval.

    Raises:
        DataContractError: the indexes differ, or the median is missing.

    Sources: MASE and sMAPE as in Hyndman & Koehler (2006), with the weekly naive as the scale; pinball loss as in
    Koenker & Bassett (1978).
    """
    if not actual.index.equals(forecast.index):
        raise DataContractError("actual and forecast have different rows", rule="they share one index")
    levels = np.array([float(level) for level in forecast.columns])
    if 0.5 not in levels:
        raise DataContractError(
            f"forecast has the quantiles {levels.tolist()}",
            rule="the median, 0.5, is among them",
            value=levels.tolist(),
        )
    truth, values = _usable(actual, forecast)
    if truth.size == 0:
        return dict.fromkeys(METRICS, None) | {"n": 0}

    point = values[:, np.flatnonzero(levels == 0.5)[0]]
    with np.errstate(over="ignore", invalid="ignore"):
        error = point - truth
        absolute = np.abs(error)
        outcome: dict[str, float | int | None] = {
            "n": int(truth.size),
            "mae": _defined(absolute.mean()),
            "rmse": _defined(np.sqrt(np.mean(error**2))),
            "mape": _percentage(absolute, np.abs(truth)),
            "smape": _percentage(2 * absolute, np.abs(truth) + np.abs(point)),
            "mase": _defined(absolute.mean() / seasonal_scale) if seasonal_scale else None,
            "bias": _defined(error.mean()),
            "pinball": _defined(pinball_loss(truth, values, levels).mean()),
            "crps": _defined(crps(truth, values, levels).mean()),
            "coverage_80": None,
            "width_80": None,
        }
        if {0.1, 0.9} <= set(levels.tolist()):
            low, high = (values[:, np.flatnonzero(levels == level)[0]] for level in (0.1, 0.9))
            outcome["coverage_80"] = float(((truth >= low) & (truth <= high)).mean())
            outcome["width_80"] = _defined((high - low).mean())
    return outcome


def pinball_loss(truth: np.ndarray, values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Pinball loss of each row and level in MW; `truth` (n,), `values` (n, q), `levels` (q,), result (n, q)."""
    shortfall = truth[:, None] - values
    return np.maximum(levels * shortfall, (levels - 1) * shortfall)


def crps(truth: np.ndarray, values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each row in MW, from its quantiles; shapes as in `pinball_loss`, (n,) out.

    The CRPS is twice the integral of the pinball loss over all levels from 0 to 1 (Laio & Tamea, 2007, "Verification
    tools for probabilistic forecasts of continuous hydrological variables"; Gneiting & Ranjan, 2011). Between the given
    levels the integral is taken by the trapezoidal rule; beyond the outermost, that quantile stands for all the rest.
    So a forecast without spread scores its absolute error, whatever the levels, and the median alone does too.

    A few levels measure coarsely: of a normal distribution, 0.1, 0.5 and 0.9 find a mean CRPS a tenth too low.
    Only scores from the same levels compare.
    """
    order = np.argsort(levels)
    levels, values = levels[order], values[:, order]
    losses = pinball_loss(truth, values, levels)
    between = (np.diff(levels) * (losses[:, 1:] + losses[:, :-1]) / 2).sum(axis=1)
    lowest, highest = levels[0], levels[-1]
    under, over = truth - values[:, 0], truth - values[:, -1]
    below = np.where(under >= 0, under * lowest**2 / 2, -under * (lowest - lowest**2 / 2))
    above = np.where(over >= 0, over * (1 - highest**2) / 2, -over * (1 - highest) ** 2 / 2)
    return np.asarray(2 * (below + between + above))


def skill(error: float | None, reference: float | None) -> float | None:
    """1 − error / reference: above zero is better than the reference; None where either is unknown or that is zero."""
    return None if error is None or not reference else _defined(1 - error / reference)


def seasonal_scale(history: pd.DataFrame) -> float | None:
    """Mean absolute change of the load over a week in MW, the scale of MASE; None where it is zero or unknown."""
    load = history[LOAD]
    change = (load - load.shift(freq=pd.Timedelta(days=7)).reindex(load.index)).abs().mean()
    return float(change) if np.isfinite(change) and change > 0 else None


def calibration(actual: pd.Series, forecast: pd.DataFrame) -> list[dict[str, float | int | None]]:
    """How often the load was at or below each quantile; a forecast that keeps its word gives the level itself.

    Args:
        actual: loads in MW, shape (n,).
        forecast: shape (n, q), the rows of `actual` in their order, columns are quantile levels as floats.

    Returns:
        Per level, in the order of the columns: `quantile`, `observed` (a share; None without rows) and `n`, the rows
        that `score` counts: those with a load and with every quantile.
    """
    truth, values = _usable(actual, forecast)
    below = (truth[:, None] <= values).sum(axis=0)
    return [
        {"quantile": float(level), "observed": int(count) / truth.size if truth.size else None, "n": int(truth.size)}
        for level, count in zip(forecast.columns, below, strict=True)
    ]


def by_lead_time(
    predictions: pd.DataFrame, *, block_hours: float, scorer: Callable[[pd.DataFrame], dict[str, float | int | None]]
) -> list[dict[str, float | int | None]]:
    """Score predictions in blocks of lead time.

    Args:
        predictions: with a column `lead_time_hours`, the hours from the origin to the start of the interval.
        block_hours: length of a block; the last may be shorter.
        scorer: gives the metrics of a part of the rows.

    Returns:
        One dict per block: `lead_time_from`, `lead_time_to` in hours (half-open) and the metrics.
    """
    block = (predictions["lead_time_hours"] // block_hours).astype(int)
    return [
        {
            "lead_time_from": float(number * block_hours),
            "lead_time_to": float((number + 1) * block_hours),
            **scorer(part),
        }
        for number, part in predictions.groupby(block, sort=True)
    ]


def _usable(actual: pd.Series, forecast: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Loads, shape (m,), and quantiles, shape (m, q), of the rows of which everything is known."""
    truth, values = actual.to_numpy(dtype=float), forecast.to_numpy(dtype=float)
    known = np.isfinite(truth) & np.isfinite(values).all(axis=1)
    return truth[known], values[known]


def _percentage(numerator: np.ndarray, denominator: np.ndarray) -> float | None:
    if (denominator == 0).any():
        return None
    return _defined(100 * np.mean(numerator / denominator))


def _defined(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
