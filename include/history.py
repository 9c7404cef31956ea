"""Histories as the library takes them, built from what was observed and known at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from include.errors import NothingKnown
from include.portal import Portal
from include.times import resolution_of
from include.weather import Weather


def load_history(portal: Portal, series: Mapping[str, Any], *, as_of: datetime, days: int) -> pd.DataFrame:
    """The last `days` days of a load as known at `as_of`, with its covariates as they were observed.

    Returns:
        Regular UTC index from the first to the last known row, column `load` (MW, NaN = gap), one column per covariate
        (several series of one name are averaged by weight; NaN where none of them is known).

    Raises:
        NothingKnown: no load was known.
    """
    load = known_load(portal, series, as_of=as_of, days=days)
    grid = pd.DatetimeIndex(load.index)
    columns = {"load": load, **covariates(portal, series, grid, as_of=as_of)}
    return pd.DataFrame(columns, index=grid, dtype="float64")


def known_load(portal: Portal, series: Mapping[str, Any], *, as_of: datetime, days: int) -> pd.Series:
    """The last `days` days of a load as known at `as_of`, on a regular grid up to the last known one; NaN = gap.

    Raises:
        NothingKnown: no load was known.
    """
    start = as_of - timedelta(days=days)
    known = portal.observations(series["slug"], start=start, end=as_of, as_of=as_of)["value"]
    if not known.notna().any():
        raise NothingKnown(f"Of {series['slug']} no load of the {days} days before {as_of.isoformat()} was known then")
    last = known.index[known.notna()][-1]
    resolution = resolution_of(series)  # type: ignore[arg-type]
    return known.reindex(pd.date_range(known.index[0], last, freq=resolution, name="valid_time"))


def covariates(
    portal: Portal, series: Mapping[str, Any], grid: pd.DatetimeIndex, *, as_of: datetime
) -> dict[str, pd.Series]:
    """The series' covariates on a grid, by name, as observed and known at `as_of`; NaN where nothing was."""
    return Weather(portal, series).observed(grid, as_of=as_of)


def fingerprint(history: pd.DataFrame) -> str:
    """The SHA-256 of a history: its times, its columns and their values."""
    digest = hashlib.sha256(pd.DatetimeIndex(history.index).as_unit("ns").asi8.tobytes())
    for name in history.columns:
        values = history[name].to_numpy(dtype="float64")
        digest.update(f"{name}\n".encode() + np.where(np.isnan(values), np.nan, values).tobytes())
    return digest.hexdigest()
