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
from typing import ClassVar

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.arima.estimators.hannan_rissanen import hannan_rissanen

from forecasting.conformal import LeadTimeCalibration
from forecasting.contracts import Window
from forecasting.design import regressors
from forecasting.errors import SettingsError
from forecasting.grid import Grid, tells_seasons, window_mean
from forecasting.models.base import Forecaster
from forecasting.sampling import held_out_from

_WEIGHTS = "weights.npz"
_CALIBRATION = "calibration.json"
_FACTS = "facts.json"
_CONTEXT = pd.Timedelta(days=21)
_ORIGINS_PER_DAY = 4
_LARGEST_ROOT = 0.9999


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the regression and of its errors."""

    daily_harmonics: int = 8
    yearly_harmonics: int = 2
    ridge: float = 1e-4
    """Penalty on standardised coefficients, per observation."""
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
class _Regression:
    """Coefficients on standardised regressors; `names` says which, unknown values count as the mean."""

    names: list[str]
    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def explain(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        length = len(next(iter(columns.values())))
        table = np.column_stack([columns.get(name, np.zeros(length)) for name in self.names])
        return self.intercept + np.nan_to_num((table - self.mean) / self.scale) @ self.coefficients


@dataclass(frozen=True)
class _Errors:
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


class Arima(Forecaster):
    """Harmonic regression on calendar and weather with ARMA errors."""

    kind: ClassVar[str] = "arima"
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "numpy", "pandas", "scipy", "statsmodels")

    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        temperature = grid.covariates.get("temperature", np.array([]))
        temperature = temperature[np.isfinite(temperature)]
        self._knots = (
            tuple(np.unique(np.quantile(temperature, (0.2, 0.4, 0.6, 0.8, 0.95)).round(2)).tolist())
            if temperature.size
            else ()
        )
        self._yearly = self.hyperparameters.yearly_harmonics if tells_seasons(history) else 0
        columns = self._columns(grid)
        rows = len(history)
        split = held_out_from(grid, rows)
        judged = self._estimate(grid, columns, split)
        self._calibrate(grid, columns, judged, split=split, rows=rows)
        self._regression, self._errors = self._estimate(grid, columns, rows)
        self.features = list(self._regression.names)

    def _columns(self, grid: Grid) -> dict[str, np.ndarray]:
        return regressors(
            grid,
            daily_harmonics=self.hyperparameters.daily_harmonics,
            yearly_harmonics=self._yearly,
            temperature_knots=self._knots,
        )

    def _estimate(self, grid: Grid, columns: dict[str, np.ndarray], rows: int) -> tuple[_Regression, _Errors]:
        load = grid.load[:rows]
        known = np.isfinite(load)
        regression = _regress(
            load[known], {name: values[:rows][known] for name, values in columns.items()}, self.hyperparameters.ridge
        )
        left = load - regression.explain({name: values[:rows] for name, values in columns.items()})
        around = left - _level(left, grid.steps_per_day)[:-1]
        return regression, self._estimate_errors(np.nan_to_num(around), grid.steps_per_day)

    def _estimate_errors(self, left: np.ndarray, per_day: int) -> _Errors:
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
            errors = _Errors(
                np.array(lags), np.array(estimate.ar_params, dtype=float), np.array(estimate.ma_params, dtype=float)
            )
            if _decays(errors):
                return errors
        return _Errors(np.array([1]), np.array([0.0]), np.array([]))

    def _calibrate(
        self, grid: Grid, columns: dict[str, np.ndarray], judged: tuple[_Regression, _Errors], *, split: int, rows: int
    ) -> None:
        regression, errors = judged
        steps = min(int(self.settings.horizon / pd.Timedelta(minutes=grid.minutes)), rows - split)
        # An odd number of intervals between origins lets them fall on every time of the day.
        stride = max(1, grid.steps_per_day // _ORIGINS_PER_DAY) | 1
        origins = np.arange(split, rows - steps + 1, stride)
        explained = regression.explain(columns)
        targets = origins[:, None] + np.arange(steps)
        predicted = explained[targets] + _carried_on(errors, grid.load - explained, origins, steps, grid.steps_per_day)
        flat = targets.ravel()
        self._calibration = LeadTimeCalibration.fit(
            actual=grid.load[flat],
            predicted=predicted.reshape(-1, 1),
            lead_hours=np.tile(np.arange(steps), len(origins)) * grid.minutes / 60,
            local_hour=grid.clock.minute_of_day[flat] // 60,
            day_number=grid.clock.day_number[flat],
            levels=self.settings.quantiles,
        )

    def _predict(self, window: Window) -> np.ndarray:
        recent = window.history.loc[window.origin - _CONTEXT :]
        grid = self._grid(recent, window.future)
        explained = self._regression.explain(self._columns(grid))
        steps = len(grid.load) - len(recent)
        left = (grid.load - explained)[: len(recent)]
        ahead = _carried_on(self._errors, left, np.array([len(recent)]), steps, grid.steps_per_day)[0]
        point = (explained[len(recent) :] + ahead)[-len(window.future) :]
        targets = np.arange(len(grid.load) - len(window.future), len(grid.load))
        return self._calibration.apply(
            point[:, None],
            lead_hours=(targets - len(recent)) * grid.minutes / 60,
            local_hour=grid.clock.minute_of_day[targets] // 60,
        )

    def _files(self) -> dict[str, bytes]:
        buffer = io.BytesIO()
        np.savez(
            buffer,
            mean=self._regression.mean,
            scale=self._regression.scale,
            coefficients=self._regression.coefficients,
            intercept=np.array(self._regression.intercept),
            ar_lags=self._errors.ar_lags,
            ar=self._errors.ar,
            ma=self._errors.ma,
        )
        facts = {"names": self._regression.names, "knots": self._knots, "yearly_harmonics": self._yearly}
        return {
            _WEIGHTS: buffer.getvalue(),
            _CALIBRATION: self._calibration.to_json(),
            _FACTS: json.dumps(facts, sort_keys=True).encode(),
        }

    def _restore(self, files: Mapping[str, bytes]) -> None:
        facts = json.loads(files[_FACTS])
        with np.load(io.BytesIO(files[_WEIGHTS]), allow_pickle=False) as weights:
            self._regression = _Regression(
                names=facts["names"],
                mean=weights["mean"],
                scale=weights["scale"],
                coefficients=weights["coefficients"],
                intercept=float(weights["intercept"]),
            )
            self._errors = _Errors(weights["ar_lags"], weights["ar"], weights["ma"])
        self._knots, self._yearly = tuple(facts["knots"]), facts["yearly_harmonics"]
        self._calibration = LeadTimeCalibration.from_json(files[_CALIBRATION])


def _level(left: np.ndarray, per_day: int) -> np.ndarray:
    """Mean of the week before each of the n intervals and after the last, (n + 1,); zero where little is known."""
    return np.nan_to_num(window_mean(left, np.arange(len(left) + 1), 7 * per_day))


def _carried_on(errors: _Errors, left: np.ndarray, origins: np.ndarray, steps: int, per_day: int) -> np.ndarray:
    """What the regression will leave after each origin, (origins, steps): the week's level and the errors around it."""
    level = _level(left, per_day)
    return level[origins, None] + errors.forecast(np.nan_to_num(left - level[:-1]), origins, steps)


def _regress(load: np.ndarray, columns: dict[str, np.ndarray], ridge: float) -> _Regression:
    table = np.column_stack(list(columns.values()))
    known = np.isfinite(table)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, table, 0.0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, table - mean, 0.0) ** 2).sum(axis=0) / count)
    # A column that all but stands still would turn any later change into millions of standard deviations.
    scale = np.where(scale > 1e-6, scale, 1.0)
    standard = np.nan_to_num((table - mean) / scale)
    intercept = float(load.mean())
    fitted = OLS(load - intercept, standard).fit_regularized(alpha=ridge, L1_wt=0.0)
    return _Regression(list(columns), mean, scale, np.asarray(fitted.params, dtype=float), intercept)


def _decays(errors: _Errors) -> bool:
    """Whether the expected errors die out and past shocks can be recovered: all roots inside the unit circle."""
    if not (np.isfinite(errors.ar).all() and np.isfinite(errors.ma).all()):
        return False
    polynomial = np.zeros(int(errors.ar_lags.max()) + 1)
    polynomial[0] = 1.0
    polynomial[errors.ar_lags] = -errors.ar
    ar_roots, ma_roots = np.abs(np.roots(polynomial)), np.abs(np.roots(np.concatenate([[1.0], errors.ma])))
    return bool((ar_roots < _LARGEST_ROOT).all() and (ma_roots < _LARGEST_ROOT).all())
