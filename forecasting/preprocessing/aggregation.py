"""Feeders to zones: one load from the loads of its parts, with a record of the parts that were missing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD
from forecasting.errors import DataContractError, SettingsError

WITHHOLD = "withhold"
SCALE_UP = "scale_up"
MISSING = (WITHHOLD, SCALE_UP)
"""What is done where a feeder is missing."""


@dataclass(frozen=True)
class Aggregate:
    """A zone from its feeders, on their index."""

    load: pd.Series
    """MW; NaN where it was withheld, or where no feeder is known."""
    missing: pd.DataFrame
    """One column per feeder: True where it had no value."""
    known_share: pd.Series
    """Share of the weights whose feeders are known, from 0 to 1: below 1 the load was scaled up, or withheld."""


def aggregate(feeders: pd.DataFrame, weights: Mapping[str, float], *, missing: str = WITHHOLD) -> pd.Series:
    """The weighted sum of feeders, `aggregation(…).load`.

    Args:
        feeders: one column of loads (MW) per feeder, on one index; NaN where unknown.
        weights: of each column, such as 1 for a feeder that lies wholly in the zone.
        missing: "withhold": where one feeder is missing, so is the zone; "scale_up": the others are taken for the
            whole, divided by their share of the weights.

    Raises:
        SettingsError: no weights, a weight that is no number or is zero, a negative one with "scale_up", a feeder
            without a weight or a weight without a feeder, an unknown rule.
        DataContractError: a column comes twice, or holds something else than finite numbers and NaN.
    """
    return aggregation(feeders, weights, missing=missing).load


def aggregation(feeders: pd.DataFrame, weights: Mapping[str, float], *, missing: str = WITHHOLD) -> Aggregate:
    """As `aggregate`, with what was missing."""
    if missing not in MISSING:
        raise SettingsError(f"missing {missing!r} must be one of {', '.join(MISSING)}")
    factors = _checked_weights(weights, missing=missing)
    values = {name: _column(feeders, name) for name in _named_once(feeders, factors)}
    absent = pd.DataFrame({name: np.isnan(column) for name, column in values.items()}, index=feeders.index)
    total, known, everything = np.zeros(len(feeders)), np.zeros(len(feeders)), 0.0
    # In the order of the names: floating-point sums depend on the order, and a zone should not.
    for name in sorted(values):
        total += np.where(absent[name], 0.0, factors[name] * values[name])
        known += np.where(absent[name], 0.0, abs(factors[name]))
        everything += abs(factors[name])
    whole = ~absent.to_numpy().any(axis=1)
    share = np.where(whole, 1.0, known / everything)
    load = np.where(whole, total, np.nan)
    if missing == SCALE_UP:
        load = np.divide(total, share, out=load, where=share > 0)
    return Aggregate(
        load=pd.Series(load, index=feeders.index, name=LOAD),
        missing=absent,
        known_share=pd.Series(share, index=feeders.index, name="known_share"),
    )


def _checked_weights(weights: Mapping[str, float], *, missing: str) -> dict[str, float]:
    if not isinstance(weights, Mapping) or not weights:
        raise SettingsError(f"weights {weights!r} must map each feeder to a number")
    checked = {}
    for name, weight in weights.items():
        number = isinstance(weight, Real) and not isinstance(weight, bool | np.bool_)
        if not number or not math.isfinite(weight) or weight == 0:
            raise SettingsError(f"the weight {weight!r} of feeder {name!r} must be a number other than 0")
        if missing == SCALE_UP and weight < 0:
            raise SettingsError(
                f"the weight {weight!r} of feeder {name!r} is negative: what is missing cannot be scaled up from a "
                f"difference; use {WITHHOLD!r}"
            )
        checked[name] = float(weight)
    return checked


def _named_once(feeders: pd.DataFrame, weights: Mapping[str, float]) -> list[str]:
    if not isinstance(feeders, pd.DataFrame):
        kind = type(feeders).__name__
        raise DataContractError(f"feeders are a {kind}", rule="feeders are a pandas DataFrame", value=kind)
    twice = feeders.columns[feeders.columns.duplicated()]
    if len(twice):
        raise DataContractError(
            f"feeders have the column {twice[0]!r} twice", rule="column names are unique", value=str(twice[0])
        )
    names = list(feeders.columns)
    if without := [name for name in names if name not in weights]:
        raise SettingsError(f"the feeders {without} have no weight; leave them out, or weigh them")
    if unknown := [name for name in weights if name not in names]:
        raise SettingsError(f"there are weights of {unknown}, but no such feeders; there are {names}")
    return names


def _column(feeders: pd.DataFrame, name: str) -> np.ndarray:
    column = feeders[name]
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    broken = np.flatnonzero((np.isnan(numbers) & column.notna().to_numpy()) | np.isinf(numbers))
    if broken.size:
        row = int(broken[0])
        raise DataContractError(
            f"row {row} of feeder {name!r} ({feeders.index[row]}): {column.iloc[row]!r}",
            rule="loads are finite numbers, or NaN where unknown",
            row=row,
            value=column.iloc[row],
        )
    return numbers
