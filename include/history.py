"""Histories as the library takes them, built from what the portal knew at a time."""

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


def load_history(portal: Portal, series: Mapping[str, Any], *, as_of: datetime, days: int) -> pd.DataFrame:
    """The last `days` days of a load as known at `as_of`, with its covariates, as `Forecaster.fit` takes it.

    Returns:
        Regular UTC index from the first to the last known row, column `load` (MW, NaN = gap), one column per covariate
        (several series of one name are averaged by weight; NaN where none of them is known).

    Raises:
        NothingKnown: no load was known.
    """
    start = as_of - timedelta(days=days)
    known = portal.observations(series["slug"], start=start, end=as_of, as_of=as_of)["value"]
    if not known.notna().any():
        raise NothingKnown(f"Of {series['slug']} no load of the {days} days before {as_of.isoformat()} was known then")
    resolution = resolution_of(series)  # type: ignore[arg-type]
    last = known.index[known.notna()][-1]
    grid = pd.date_range(known.index[0], last, freq=resolution, name="valid_time")
    columns = {"load": known.reindex(grid), **covariates(portal, series, grid, as_of=as_of)}
    return pd.DataFrame(columns, index=grid, dtype="float64")


def covariates(
    portal: Portal, series: Mapping[str, Any], grid: pd.DatetimeIndex, *, as_of: datetime
) -> dict[str, pd.Series]:
    """The series' covariates on a grid, by name, as known at `as_of`; NaN where nothing was."""
    step = pd.Timedelta(grid.freq or resolution_of(series))  # type: ignore[arg-type]
    members: dict[str, list[tuple[pd.Series, float]]] = {}
    for each in series["covariates"]:
        other = portal.series(each["series"])
        # A coarser value holds for its whole interval, which may have begun before the grid.
        start = grid[0] - resolution_of(other)
        known = portal.observations(other["slug"], start=start, end=grid[-1] + step, as_of=as_of)["value"]
        on_grid = _on_grid(known, grid, step=step, resolution=resolution_of(other))
        members.setdefault(each["name"], []).append((on_grid, float(each["weight"])))
    return {name: _weighted_mean(parts) for name, parts in members.items()}


def fingerprint(history: pd.DataFrame) -> str:
    """The SHA-256 of a history: its times, its columns and their values."""
    digest = hashlib.sha256(pd.DatetimeIndex(history.index).as_unit("ns").asi8.tobytes())
    for name in history.columns:
        values = history[name].to_numpy(dtype="float64")
        digest.update(f"{name}\n".encode() + np.where(np.isnan(values), np.nan, values).tobytes())
    return digest.hexdigest()


def _on_grid(known: pd.Series, grid: pd.DatetimeIndex, *, step: pd.Timedelta, resolution: pd.Timedelta) -> pd.Series:
    if resolution < step:
        known = known.resample(step).mean()
    if resolution <= step:
        return known.reindex(grid)
    return known.reindex(grid, method="ffill", tolerance=resolution - step)


def _weighted_mean(parts: list[tuple[pd.Series, float]]) -> pd.Series:
    if len(parts) == 1:
        return parts[0][0]
    values = pd.concat([values for values, _ in parts], axis=1, keys=range(len(parts)))
    weights = values.notna() * np.array([weight for _, weight in parts])
    return (values * weights).sum(axis=1, min_count=1) / weights.sum(axis=1)
