"""Regression with ARMA errors (statsmodels): calendar and weather explain the load, ARMA carries on what they leave.

Estimated in two steps, as in Hyndman & Athanasopoulos (2021, ch. 10) but in closed form so that a year of half-hours
takes seconds: a ridge regression on the regressors of `forecasting.design`, then Hannan & Rissanen's (1982) estimator
for an ARMA model of its residuals around their mean of the last week, with lags of an interval, a day and a week. That
mean lets a forecast follow a level that the training has not seen.
"""

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from statsmodels.tsa.arima.estimators.hannan_rissanen import hannan_rissanen

from forecasting.contributions import RECENT, Parts, add, of_ridge
from forecasting.design import Terms, shared_design, shared_regressors
from forecasting.errors import SettingsError
from forecasting.grid import Grid, window_mean
from forecasting.linear import Ridge
from forecasting.models.paths import PathForecaster

_WEIGHTS = "weights.npz"
_FACTS = "facts.json"
_LARGEST_ROOT = 0.9999


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the regression and of its errors."""

    daily_harmonics: int = 8
    yearly_harmonics: int = 2
    ridge: float = 0.05
    """Penalty on standardised coefficients, per day of history."""
    autoregression: int = 2
    """Consecutive lags of the errors, beside those of a day and a week."""
    moving_average: int = 1

    def __post_init__(self) -> None:
        for name, least in {
            "daily_harmonics": 1,
            "yearly_harmonics": 0,
            "autoregression": 1,
            "moving_average": 0,
        }.items():
            if not least <= getattr(self, name) <= 20:
                raise SettingsError(f"arima: {name} {getattr(self, name)} must be between {least} and 20")
        if self.ridge < 0:
            raise SettingsError(f"arima: ridge {self.ridge} must not be negative")


@dataclass(frozen=True)
class Errors:
    """An ARMA model of the regression's errors: e_t = Σ ar·e + u_t + Σ ma·u."""

    ar_lags: np.ndarray
    ar: np.ndarray
    ma: np.ndarray

    def innovations(self, errors: np.ndarray) -> np.ndarray:
        """One-step errors u_t, errors before the start and unknown ones counting as zero."""
        from scipy.signal import lfilter

        denominator = np.concatenate([[1.0], self.ma])
        numerator = np.zeros(int(self.ar_lags.max()) + 1)
        numerator[0] = 1.0
        numerator[self.ar_lags] -= self.ar
        return lfilter(numerator, denominator, errors)

    def forecast(self, errors: np.ndarray, origins: np.ndarray, steps: int) -> np.ndarray:
        """Expected errors after each origin: (origins, steps), from `errors` (n,) with unknown ones as zero."""
        memory = int(self.ar_lags.max())
        innovations = self.innovations(errors)
        padded = np.concatenate([np.zeros(memory), errors])
        path = np.zeros((len(origins), memory + steps))
        path[:, :memory] = padded[origins[:, None] + np.arange(memory)]
        shock = np.concatenate([np.zeros(len(self.ma)), innovations])
        for step in range(steps):
            ahead = path[:, memory + step - self.ar_lags] @ self.ar
            for lag in range(step + 1, len(self.ma) + 1):
                ahead = ahead + self.ma[lag - 1] * shock[origins + step - lag + len(self.ma)]
            path[:, memory + step] = ahead
        return path[:, memory:]


@dataclass(frozen=True)
class State:
    """The regression, and the ARMA model of its errors."""

    terms: Terms
    regression: Ridge
    errors: Errors


class Arima(PathForecaster):
    """Harmonic regression on calendar and weather with ARMA errors."""

    kind: ClassVar[str] = "arima"
    explains: ClassVar[bool] = True
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "numpy", "pandas", "scipy", "statsmodels")
    context = pd.Timedelta(days=21)

    def learn(self, grid: Grid, end: int) -> State:
        chosen = self.hyperparameters
        terms = Terms.learned(
            grid, end, daily_harmonics=chosen.daily_harmonics, yearly_harmonics=chosen.yearly_harmonics
        )
        rows = np.flatnonzero(np.isfinite(grid.load[:end]))
        design = shared_design(grid, rows, terms, penalty=chosen.ridge * grid.steps_per_day / end)
        regression, fitted = Ridge.fit(grid.load, design)
        left = (grid.load - fitted)[:end]
        around = left - _level(left, grid.steps_per_day)[:-1]
        self.features = list(regression.names)
        return State(terms, regression, self._estimate_errors(np.nan_to_num(around), grid.steps_per_day))

    def _estimate_errors(self, left: np.ndarray, per_day: int) -> Errors:
        near = range(1, self.hyperparameters.autoregression + 1)
        for lags, averages in (
            (sorted({*near, per_day - 1, per_day, per_day + 1, 7 * per_day}), self.hyperparameters.moving_average),
            ([*near], 0),
        ):
            if left.std() < 1e-9 * max(1.0, float(np.abs(left).max())) or 4 * lags[-1] > len(left):
                continue
            with warnings.catch_warnings():
                # Hannan-Rissanen says by a warning when its estimate is not stationary; `_decays` looks for itself.
                warnings.simplefilter("ignore")
                estimate, _ = hannan_rissanen(left, ar_order=lags, ma_order=averages, demean=False)
            errors = Errors(
                np.array(lags), np.array(estimate.ar_params, dtype=float), np.array(estimate.ma_params, dtype=float)
            )
            if _decays(errors):
                return errors
        return Errors(np.array([1]), np.array([0.0]), np.array([]))

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        explained = state.regression.explain(shared_regressors(grid, state.terms))
        ahead = _carried_on(state.errors, grid.load - explained, origins, steps, grid.steps_per_day)
        paths: np.ndarray = explained[origins[:, None] + np.arange(steps)] + ahead
        return paths

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        fitted = of_ridge(state.regression, grid, partial(shared_regressors, terms=state.terms))
        explained = state.regression.explain(shared_regressors(grid, state.terms))
        ahead = _carried_on(state.errors, grid.load - explained, np.array([origin]), steps, grid.steps_per_day)
        parts = {group: values[origin : origin + steps] for group, values in fitted.items()}
        add(parts, RECENT, ahead[0])
        return parts

    def pack(self, state: State) -> dict[str, bytes]:
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {
            **state.regression.arrays(),
            "ar_lags": state.errors.ar_lags,
            "ar": state.errors.ar,
            "ma": state.errors.ma,
        }
        np.savez(buffer, **arrays)
        facts = {"names": state.regression.names, **state.terms.facts()}
        return {_WEIGHTS: buffer.getvalue(), _FACTS: json.dumps(facts, sort_keys=True).encode()}

    def unpack(self, files: Mapping[str, bytes]) -> State:
        facts = json.loads(files[_FACTS])
        with np.load(io.BytesIO(files[_WEIGHTS]), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return State(
            terms=Terms.restored(facts, daily_harmonics=self.hyperparameters.daily_harmonics),
            regression=Ridge.restored(facts["names"], arrays),
            errors=Errors(arrays["ar_lags"], arrays["ar"], arrays["ma"]),
        )


def _level(left: np.ndarray, per_day: int) -> np.ndarray:
    """Mean of the week before each of the n intervals and after the last, (n + 1,); zero where little is known."""
    return np.nan_to_num(window_mean(left, np.arange(len(left) + 1), 7 * per_day))


def _carried_on(errors: Errors, left: np.ndarray, origins: np.ndarray, steps: int, per_day: int) -> np.ndarray:
    """What the regression will leave after each origin, (origins, steps): the week's level and the errors around it."""
    level = _level(left, per_day)
    return level[origins, None] + errors.forecast(np.nan_to_num(left - level[:-1]), origins, steps)


def _decays(errors: Errors) -> bool:
    """Whether the expected errors die out and past shocks can be recovered: all roots inside the unit circle."""
    if not (np.isfinite(errors.ar).all() and np.isfinite(errors.ma).all()):
        return False
    polynomial = np.zeros(int(errors.ar_lags.max()) + 1)
    polynomial[0] = 1.0
    polynomial[errors.ar_lags] = -errors.ar
    ar_roots, ma_roots = np.abs(np.roots(polynomial)), np.abs(np.roots(np.concatenate([[1.0], errors.ma])))
    return bool((ar_roots < _LARGEST_ROOT).all() and (ma_roots < _LARGEST_ROOT).all())
