"""What a model may see of a series at a time: the same for its training and for every forecast that it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.history import known_load
from include.portal import Portal
from include.times import resolution_of
from include.weather import Told, Weather

if TYPE_CHECKING:
    from forecasting.preprocessing import Preprocessed, Profile

Prepare = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Recipe:
    """How the inputs of a model are made. A model keeps that of its training for as long as it lives.

    `weather_lead`: covariates of the past are taken as they were forecast so long ahead, where that is stored; None:
    always as observed. `profile`: what is done to the history then.
    """

    weather_lead: timedelta | None
    profile: Profile

    @classmethod
    def of_series(cls, series: Mapping[str, Any], *, weather_lead: timedelta) -> Recipe:
        """That of a training from now on."""
        from forecasting.preprocessing import profile_named

        return cls(weather_lead=weather_lead, profile=profile_named(series["preprocessing"]))

    @classmethod
    def of_evidence(cls, evidence: Mapping[str, Any]) -> Recipe:
        """That of a registered model; one that says nothing was trained on observed weather and raw histories."""
        from forecasting.preprocessing import profile_named, profile_of_evidence

        weather, preprocessing = evidence.get("weather"), evidence.get("preprocessing")
        return cls(
            weather_lead=None if weather is None else timedelta(hours=weather["lead_time_hours"]),
            profile=profile_named("raw") if preprocessing is None else profile_of_evidence(preprocessing),
        )

    def prepared(self, history: pd.DataFrame, series: Mapping[str, Any]) -> Preprocessed:
        """The history after the profile, with what was changed."""
        from forecasting.preprocessing import preprocess

        return preprocess(
            history,
            self.profile,
            timezone=series["timezone"],
            country=series["country"] or None,
            subdivision=series["subdivision"] or None,
        )

    def preparation(self, series: Mapping[str, Any]) -> Prepare | None:
        """The profile as a backtest applies it at each origin; None where it changes nothing."""
        return (lambda history: self.prepared(history, series).values) if self.profile.steps else None


@dataclass(frozen=True)
class Inputs:
    """A history as it was known, before its profile, and of which kind its covariates are."""

    history: pd.DataFrame
    told: Told


def load_inputs(portal: Portal, series: Mapping[str, Any], *, as_of: datetime, days: int, recipe: Recipe) -> Inputs:
    """The last `days` days of a load as known at `as_of`, with its covariates.

    Raises:
        NothingKnown: no load was known.
    """
    load = known_load(portal, series, as_of=as_of, days=days)
    grid = pd.DatetimeIndex(load.index)
    told = Weather(portal, series).told(grid, as_of=as_of, lead_time=recipe.weather_lead)
    columns = {"load": load, **{name: told.values[name] for name in told.values.columns}}
    return Inputs(history=pd.DataFrame(columns, index=grid, dtype="float64"), told=told)


def load_future(
    portal: Portal,
    series: Mapping[str, Any],
    index: pd.DatetimeIndex,
    *,
    as_of: datetime,
    recipe: Recipe,
    observed_as_of: datetime | None = None,
) -> pd.DataFrame:
    """The covariates of a period ahead: the newest forecasts known at `as_of`, else what was known of them then.

    With `observed_as_of`, a time after the period, first of all what was observed of them by then: what a forecast
    would have been told had the weather been known.
    """
    lead_time = None if recipe.weather_lead is None else timedelta(0)
    weather = Weather(portal, series)
    told = weather.told(index, as_of=as_of, lead_time=lead_time).values
    if observed_as_of is None:
        return told
    observed = pd.DataFrame(weather.observed(index, as_of=observed_as_of), index=index, dtype="float64")
    return observed.where(observed.notna(), told)


def horizon_index(series: Mapping[str, Any], *, start: datetime, horizon: str) -> pd.DatetimeIndex:
    """The intervals that a forecast issued at `start` is for."""
    step = resolution_of(series)  # type: ignore[arg-type]
    first = pd.Timestamp(start).ceil(step)
    return pd.date_range(first, first + pd.Timedelta(horizon), freq=step, inclusive="left", name="valid_time")


class WeatherAhead:
    """The weather of the horizon as it was forecast at a time; each is asked for once."""

    def __init__(self, portal: Portal, series: Mapping[str, Any]) -> None:
        self._weather = Weather(portal, series)
        self._given: dict[tuple[pd.Timestamp, pd.Timestamp, int], pd.DataFrame] = {}

    def __call__(self, origin: pd.Timestamp, index: pd.DatetimeIndex) -> pd.DataFrame:
        """The newest forecasts known at `origin`, by covariate; NaN where none was: `covariates_at` of a backtest."""
        key = (origin, index[0], len(index))
        if key not in self._given:
            known = self._weather.forecast(index, as_of=origin.to_pydatetime())
            self._given[key] = pd.DataFrame(known, index=index, dtype="float64")
        return self._given[key]
