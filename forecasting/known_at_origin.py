"""What a backtest gives a model of the covariates after an origin, and the record of what was known at it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD, resolution_of
from forecasting.errors import DataContractError

WITHHELD = "unknown from the origin on"
PERFECT = "observed values, as if perfectly forecast"
FORECAST = "as forecast at the origin"
PARTLY_FORECAST = "as forecast at the origin; observed values where no forecast was known"

CovariatesAt = Callable[[pd.Timestamp, pd.DatetimeIndex], pd.DataFrame]
"""Gives, for an origin and the index ahead of it (both UTC), what was forecast of the covariates then."""


@dataclass(frozen=True)
class Ahead:
    """The covariates after an origin as the model is given them."""

    future: pd.DataFrame
    assumed: dict[str, str]
    """Per covariate: `WITHHELD`, `PERFECT`, `FORECAST` or `PARTLY_FORECAST`."""
    shares: dict[str, dict[str, float]]
    """Per covariate that is known ahead: `forecast_share` and `observed_share` of the intervals; the rest is NaN."""


def covariates_ahead(
    observed: pd.DataFrame, *, origin: pd.Timestamp, given: Sequence[str], covariates_at: CovariatesAt | None
) -> Ahead:
    """The covariates of the intervals from an origin on: as forecast then, else as observed; others withheld.

    Args:
        observed: the history's covariates ahead.
        given: those that the model is made for knowing ahead.
        covariates_at: None: nothing was forecast. What it gives beside the `given` ones is left alone.

    Raises:
        DataContractError: the answer of `covariates_at` is no frame by UTC times with numbers.
    """
    index = pd.DatetimeIndex(observed.index)
    forecast = None if covariates_at is None else _checked(covariates_at(origin, index), origin)
    future, assumed, shares = observed.copy(), {}, {}
    for name in observed.columns:
        if name not in given:
            future[name] = np.nan
            assumed[name] = WITHHELD
            continue
        then = np.full(len(index), np.nan)
        if forecast is not None and name in forecast:
            then = forecast[name].reindex(index).to_numpy(dtype="float64")
        known = ~np.isnan(then)
        now = observed[name].to_numpy()
        future[name] = np.where(known, then, now)
        shares[name] = {
            "forecast_share": float(np.mean(known)),
            "observed_share": float(np.mean(~known & ~np.isnan(now))),
        }
        assumed[name] = what_was_assumed([shares[name]])
    return Ahead(future, assumed, shares)


def what_was_assumed(shares: Sequence[Mapping[str, float]]) -> str:
    """In words, of a covariate that is known ahead, over one origin or several."""
    if not any(each["forecast_share"] > 0 for each in shares):
        return PERFECT
    return PARTLY_FORECAST if any(each["observed_share"] > 0 for each in shares) else FORECAST


def availability(
    past: pd.DataFrame, ahead: Ahead, *, origin: pd.Timestamp, trained_until: pd.Timestamp
) -> dict[str, Any]:
    """What was known at an origin, and how far: read off the very frames that the model was given."""
    covariates = {}
    for name, how in ahead.assumed.items():
        observed = _last_known(past[name])
        covariates[name] = {
            "last_observed": observed,
            "after_origin": how,
            "last_used": _last_known(ahead.future[name]) or observed,
            **ahead.shares.get(name, {}),
        }
    return {
        "origin": origin.isoformat(),
        "trained_from": past.index[0].isoformat(),
        "trained_until": trained_until.isoformat(),
        "last_load": _last_known(past[LOAD]),
        "forecast_from": ahead.future.index[0].isoformat(),
        "forecast_until": (ahead.future.index[-1] + resolution_of(past.index)).isoformat(),
        "covariates": covariates,
    }


def _checked(forecast: Any, origin: pd.Timestamp) -> pd.DataFrame:
    what = f"covariates_at({origin})"
    if not isinstance(forecast, pd.DataFrame):
        kind = type(forecast).__name__
        raise DataContractError(f"{what} gave a {kind}", rule="covariates_at gives a pandas DataFrame", value=kind)
    index = forecast.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None or not index.is_unique:
        raise DataContractError(
            f"{what} gave the index {index.dtype}", rule="its index is the valid times in UTC, each once"
        )
    twice = forecast.columns[forecast.columns.duplicated()]
    if len(twice):
        raise DataContractError(f"{what} gave the column {twice[0]!r} twice", rule="column names are unique")
    for name, column in forecast.items():
        if not pd.api.types.is_any_real_numeric_dtype(column):
            raise DataContractError(
                f"{what} gave column {name!r} of dtype {column.dtype}", rule="columns are numeric", value=column.dtype
            )
    return forecast


def _last_known(values: pd.Series) -> str | None:
    known = values.index[values.notna()]
    return known[-1].isoformat() if len(known) else None
