"""The covariates of a series, such as the weather: as observed, and as forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from include.portal import Portal
from include.times import resolution_of

FORECAST_QUANTITIES = {"temperature", "weather"}
"""Of other series nobody stores weather forecasts."""
_Read = Callable[[str, datetime, datetime], pd.DataFrame]


@dataclass(frozen=True)
class Told:
    """Covariates on a grid, by name: as forecast where a forecast was known, else as observed."""

    values: pd.DataFrame
    forecast: pd.DataFrame
    """As `values`: True where it was forecast."""

    def evidence(self) -> dict[str, dict[str, Any]]:
        """Per covariate how much was `forecast` and how much `observed`, JSON-able.

        Each `{share, first, last}` in shares of the intervals and UTC; None where nothing was. The rest is unknown.
        """
        return {
            str(name): {
                "forecast": _extent(self.forecast[name]),
                "observed": _extent(self.values[name].notna() & ~self.forecast[name]),
            }
            for name in self.values.columns
        }


class Weather:
    """The covariates of one series. Several series of one name, such as cities, are averaged by weight."""

    def __init__(self, portal: Portal, series: Mapping[str, Any]) -> None:
        self._portal = portal
        self._series = series

    def observed(self, grid: pd.DatetimeIndex, *, as_of: datetime) -> dict[str, pd.Series]:
        """By name, what was known at `as_of` of the observations; NaN where nothing was."""
        return self.observed_and_counted(grid, as_of=as_of)[0]

    def observed_and_counted(self, grid: pd.DatetimeIndex, *, as_of: datetime) -> tuple[dict[str, pd.Series], int]:
        """As `observed`, and how many values of their own intervals that reach into the grid were known."""
        counts: dict[str, int] = {}

        def read(slug: str, start: datetime, end: datetime) -> pd.DataFrame:
            known = self._portal.observations(slug, start=start, end=end, as_of=as_of)
            counts[slug] = int(known.loc[known.index > start, "value"].notna().sum())
            return known

        return self._averaged(grid, read, quantities=None), sum(counts.values())

    def forecast(
        self, grid: pd.DatetimeIndex, *, as_of: datetime, lead_time: timedelta = timedelta(0)
    ) -> dict[str, pd.Series]:
        """By name, the newest forecasts known at `as_of` and `lead_time` before each interval; NaN where none was.

        Covariates that are no weather are left out.
        """

        def read(slug: str, start: datetime, end: datetime) -> pd.DataFrame:
            return self._portal.weather_forecasts(slug, start=start, end=end, as_of=as_of, lead_time=lead_time)

        return self._averaged(grid, read, quantities=FORECAST_QUANTITIES)

    def told(self, grid: pd.DatetimeIndex, *, as_of: datetime, lead_time: timedelta | None) -> Told:
        """As forecast where a forecast was known, else as observed. `lead_time` None: forecasts are left aside."""
        observed = self.observed(grid, as_of=as_of)
        forecast = {} if lead_time is None else self.forecast(grid, as_of=as_of, lead_time=lead_time)
        nothing = pd.Series(np.nan, index=grid)
        then = pd.DataFrame({name: forecast.get(name, nothing) for name in observed}, index=grid, dtype="float64")
        now = pd.DataFrame(observed, index=grid, dtype="float64")
        return Told(values=then.where(then.notna(), now), forecast=then.notna())

    def _averaged(self, grid: pd.DatetimeIndex, read: _Read, *, quantities: set[str] | None) -> dict[str, pd.Series]:
        step = pd.Timedelta(grid.freq or resolution_of(self._series))  # type: ignore[arg-type]
        members: dict[str, list[tuple[pd.Series, float]]] = {}
        for name, other, weight in self._members:
            if quantities is not None and other["quantity"] not in quantities:
                continue
            # A coarser value holds for its whole interval, which may have begun before the grid.
            start = grid[0] - resolution_of(other)
            known = read(other["slug"], start, grid[-1] + step)["value"]
            on_grid = _on_grid(known, grid, step=step, resolution=resolution_of(other))
            members.setdefault(name, []).append((on_grid, weight))
        return {name: _weighted_mean(parts) for name, parts in members.items()}

    @cached_property
    def _members(self) -> list[tuple[str, dict[str, Any], float]]:
        return [
            (each["name"], self._portal.series(each["series"]), float(each["weight"]))
            for each in self._series["covariates"]
        ]


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


def _extent(there: pd.Series) -> dict[str, Any] | None:
    times = there.index[there.to_numpy()]
    if not len(times):
        return None
    share = round(len(times) / len(there), 6)
    return {"share": share, "first": times[0].isoformat(), "last": times[-1].isoformat()}
