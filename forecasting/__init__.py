"""Electricity-demand forecasting: pandas in, pandas out.

No clock, no environment, no network: what a function knows, it was given. Loads are in MW, timestamps in UTC and label
the start of their interval; calendars use the series' local clock.

    from forecasting import backtest, create_model, daily_origins, load_model

    model = create_model("gradient_boosting", timezone="Australia/Melbourne", country="AU", subdivision="VIC")
    model.fit(history)
    forecast = model.predict(history, future)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecasting.backtest_report import BacktestReport
    from forecasting.backtesting import backtest, daily_origins
    from forecasting.batches import Batch, fit_many, predict_many
    from forecasting.errors import (
        ArtifactError,
        DataContractError,
        ForecastingError,
        NotFittedError,
        SettingsError,
        StudyBusyError,
        UnknownModelError,
    )
    from forecasting.models.base import Forecaster
    from forecasting.persistence import load_model
    from forecasting.registry import available_models, create_model
    from forecasting.tuning import Tuning, tune

_HOMES = {
    "ArtifactError": "errors",
    "BacktestReport": "backtest_report",
    "Batch": "batches",
    "DataContractError": "errors",
    "Forecaster": "models.base",
    "ForecastingError": "errors",
    "NotFittedError": "errors",
    "SettingsError": "errors",
    "StudyBusyError": "errors",
    "Tuning": "tuning",
    "UnknownModelError": "errors",
    "available_models": "registry",
    "backtest": "backtesting",
    "create_model": "registry",
    "daily_origins": "backtesting",
    "fit_many": "batches",
    "load_model": "persistence",
    "predict_many": "batches",
    "tune": "tuning",
}

__all__ = [
    "ArtifactError",
    "BacktestReport",
    "Batch",
    "DataContractError",
    "Forecaster",
    "ForecastingError",
    "NotFittedError",
    "SettingsError",
    "StudyBusyError",
    "Tuning",
    "UnknownModelError",
    "available_models",
    "backtest",
    "create_model",
    "daily_origins",
    "fit_many",
    "load_model",
    "predict_many",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: pandas alone takes a second, and not every import needs it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'forecasting' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"forecasting.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
