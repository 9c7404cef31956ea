"""Many series in one call: each result is the one of a call of its own, and what the series share is worked out once.

Series on the same time axis share the calendar, the checks of their index, the regressors and the factorised design of
the linear models, the latter where they have the same gaps and the same covariates known ahead. A bad series stops no
other.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD
from forecasting.errors import ForecastingError
from forecasting.models.base import Forecaster
from forecasting.registry import create_model
from forecasting.sharing import shared_axes

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Batch(Mapping[str, Result], Generic[Result]):
    """Results by the name of the series, in the order that was asked for, and why the others have none."""

    results: Mapping[str, Result]
    failures: Mapping[str, ForecastingError]

    def __getitem__(self, name: str) -> Result:
        return self.results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)


def fit_many(kind: str, histories: Mapping[str, pd.DataFrame], **settings: Any) -> Batch[Forecaster]:
    """Train a model of its own on each series, exactly as `create_model(kind, **settings).fit(history)` does.

    Args:
        kind: one of `available_models()`.
        histories: by the name of the series, each as in `Forecaster.fit`.
        settings: as in `create_model`, the same for all.

    Returns:
        The models, a mapping; `failures` has the error of each series without one. An error that the library did not
        raise itself stands there as a `ForecastingError` too, with the original as its cause.

    Raises:
        UnknownModelError: no such kind.
        SettingsError: a setting or hyper-parameter is unknown or out of range.
    """
    create_model(kind, **settings)
    return _each(histories, histories, lambda name: create_model(kind, **settings).fit(histories[name]))


def predict_many(
    models: Mapping[str, Forecaster], histories: Mapping[str, pd.DataFrame], futures: Mapping[str, pd.DataFrame]
) -> Batch[pd.DataFrame]:
    """Forecast each series that has a model, exactly as `model.predict(history, future)` does.

    Args:
        models: by the name of the series, fitted; what `fit_many` gives, or any mapping.
        histories: of at least these series, each as in `Forecaster.predict`.
        futures: of at least these series, each as in `Forecaster.predict`.

    Returns:
        The forecasts in MW, a mapping; `failures` as in `fit_many`.
    """

    def forecast(name: str) -> pd.DataFrame:
        for what, frames in (("history", histories), ("future", futures)):
            if name not in frames:
                raise ForecastingError(f"series {name!r} has a model, but no {what}")
        return models[name].predict(histories[name], futures[name])

    return _each(models, histories, forecast)


def _each(
    names: Mapping[str, object], histories: Mapping[str, pd.DataFrame], work: Callable[[str], Result]
) -> Batch[Result]:
    results: dict[str, Result] = {}
    failures: dict[str, ForecastingError] = {}
    with shared_axes():
        # Series that have much in common come one after the other: only the latest of what is shared is kept.
        for name in sorted(names, key=lambda name: _likeness(histories.get(name))):
            try:
                results[name] = work(name)
            except ForecastingError as error:
                failures[name] = error
            except Exception as error:  # noqa: BLE001 - told in `failures`
                # Whatever breaks in one series, the others go on.
                failures[name] = ForecastingError(f"{type(error).__name__}: {error}")
                failures[name].__cause__ = error
            if name in failures:
                _log.warning("series %s: %s", name, failures[name])
    return Batch(
        results={name: results[name] for name in names if name in results},
        failures={name: failures[name] for name in names if name in failures},
    )


def _likeness(history: object) -> tuple[str, ...]:
    """Equal for series with the same axis, covariates and gaps; near in order for those with the same axis."""
    if not isinstance(history, pd.DataFrame) or history.empty:
        return ()
    gaps = history.isna().to_numpy()
    covariates = history.drop(columns=LOAD, errors="ignore").to_numpy()
    digests = [hashlib.sha256(np.ascontiguousarray(each).tobytes()).hexdigest() for each in (covariates, gaps)]
    return (str(history.index[0]), str(history.index[-1]), str(len(history)), *digests)
