"""The kinds of models, by name. A model's libraries are imported when it is created, not before."""

import importlib
from typing import Any

import pandas as pd

from forecasting.errors import UnknownModelError
from forecasting.models.base import Forecaster
from forecasting.models.settings import Settings

_CLASSES = {
    "seasonal_naive": "forecasting.models.seasonal_naive:SeasonalNaive",
    "exponential_smoothing": "forecasting.models.exponential_smoothing:ExponentialSmoothing",
    "arima": "forecasting.models.arima:Arima",
    "regression": "forecasting.models.regression:Regression",
    "gradient_boosting": "forecasting.models.gradient_boosting:GradientBoosting",
    "recursive_boosting": "forecasting.models.recursive_boosting:RecursiveBoosting",
    "lstm": "forecasting.models.lstm:Lstm",
    "ensemble": "forecasting.models.ensemble:Ensemble",
    "auto": "forecasting.models.ensemble:Auto",
}


def available_models() -> tuple[str, ...]:
    """The kinds that `create_model` knows."""
    return tuple(_CLASSES)


def create_model(
    kind: str = "auto",
    *,
    timezone: str,
    country: str | None = None,
    subdivision: str | None = None,
    quantiles: tuple[float, ...] | list[float] = (0.1, 0.5, 0.9),
    horizon: str | pd.Timedelta = "48h",
    known_future: tuple[str, ...] | list[str] | None = None,
    seed: int = 0,
    threads: int = 1,
    latitude: float | None = None,
    longitude: float | None = None,
    **hyperparameters: Any,
) -> Forecaster:
    """Make an untrained model.

    Args:
        kind: one of `available_models()`; "auto", the default, weighs several by how they did out of sample.
        timezone: IANA name of the series' local clock, on which people live.
        country: ISO 3166 code whose public holidays apply, and `subdivision` its state or region.
        quantiles: levels to forecast, increasing, with 0.5 among them.
        horizon: longest lead time to be calibrated for, such as "48h"; at most 14 days.
        known_future: covariates whose values for the forecast period will be given; None, the default: all of the
            history's. The others count as unknown from the origin on, in training as in forecasting: the model learns
            what their last known day is worth.
        seed: of everything random. The same seed, history and versions give the same model.
        threads: CPU threads that the training may use.
        latitude: degrees north, and `longitude` east, of a place whose daylight counts; None: it plays no part.
        hyperparameters: of that kind; see the `Parameters` of its module.

    Raises:
        UnknownModelError: no such kind.
        SettingsError: a setting or hyper-parameter is unknown or out of range.
    """
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise UnknownModelError(f"no model is called {kind!r}; there are {', '.join(_CLASSES)}")
    settings = Settings.checked(
        timezone=timezone,
        country=country,
        subdivision=subdivision,
        quantiles=quantiles,
        horizon=horizon,
        known_future=known_future,
        seed=seed,
        threads=threads,
        latitude=latitude,
        longitude=longitude,
    )
    module, name = _CLASSES[kind].split(":")
    chosen: type[Forecaster] = getattr(importlib.import_module(module), name)
    return chosen(settings, hyperparameters)
