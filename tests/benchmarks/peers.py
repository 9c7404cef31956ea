"""Other libraries as plug-ins (see `adapters`) of our own protocol, each set up after its public documentation.

- statsforecast: https://nixtlaverse.nixtla.io/statsforecast/docs/tutorials/electricityloadforecasting.html
- mlforecast: https://nixtlaverse.nixtla.io/mlforecast/docs/tutorials/electricity_load_forecasting.html
- LightGBM: https://lightgbm.readthedocs.io/en/stable/Parameters.html

They are installed in `.venv-bench` only, so every import of theirs stands in `__init__`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

_TREES = {
    "n_estimators": 300,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "feature_fraction": 0.8,
    "seed": 0,
    "n_jobs": 1,
    "verbose": -1,
}


def _answer(future: pd.DataFrame, low: Any, middle: Any, high: Any) -> pd.DataFrame:
    values = {"q0.1": np.asarray(low), "q0.5": np.asarray(middle), "q0.9": np.asarray(high)}
    return pd.DataFrame({"timestamp": future["timestamp"].to_numpy(), **values})


def _clock(local: pd.Series) -> pd.DataFrame:
    """Time of day and of the week; no day of the year, which trees do not extrapolate beyond a first year."""
    minutes = local.dt.hour * 60 + local.dt.minute
    return pd.DataFrame({"minute": minutes, "weekday": local.dt.weekday}, dtype=float)


class MstlEts:
    """statsforecast: seasons of a day and a week by MSTL, the remaining trend by AutoETS, on half a year."""

    refit_each_origin = True
    packages = ("statsforecast",)
    _days = 180

    def __init__(self, ctx: Any) -> None:
        from statsforecast.models import MSTL, AutoETS

        day = ctx.steps_per_day
        self._rows = self._days * day
        self._model = MSTL(season_length=[day, 7 * day], trend_forecaster=AutoETS(model="ZZN"))
        # Numba compiles at the first fit, once per process: no part of what a fit costs.
        warm = np.random.default_rng(0).normal(size=4 * 7 * day) + np.tile(np.arange(day), 4 * 7)
        self._model.new().fit(warm)

    def fit(self, history: pd.DataFrame, columns: list[str]) -> None:
        self._fitted = self._model.new().fit(history["y"].to_numpy(dtype=float)[-self._rows :])

    def predict(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        found = self._fitted.predict(h=len(future), level=[80])
        return _answer(future, found["lo-80"], found["mean"], found["hi-80"])


class MlforecastLightgbm:
    """mlforecast: one recursive LightGBM on lags and rolling means, with conformal intervals."""

    refit_each_origin = False
    packages = ("mlforecast", "lightgbm")

    def __init__(self, ctx: Any) -> None:
        from lightgbm import LGBMRegressor
        from mlforecast import MLForecast
        from mlforecast.lag_transforms import RollingMean
        from mlforecast.target_transforms import Differences
        from mlforecast.utils import PredictionIntervals

        day = ctx.steps_per_day
        self._day, self._horizon, self._intervals = day, ctx.horizon, PredictionIntervals
        self._forecast = MLForecast(
            models={"trees": LGBMRegressor(**_TREES)},
            freq=ctx.freq,
            target_transforms=[Differences([7 * day])],
            lags=[1, 2, day, 2 * day, 7 * day, 14 * day],
            lag_transforms={1: [RollingMean(window_size=day)], day: [RollingMean(window_size=7 * day)]},
        )

    def fit(self, history: pd.DataFrame, columns: list[str]) -> None:
        self._columns = list(columns)
        # Conformal windows come out of the training period; three weeks of it stay for the lags.
        windows = max(2, min(8, (len(history) - 21 * self._day) // (2 * self._horizon)))
        intervals = self._intervals(n_windows=windows, h=self._horizon)
        self._forecast.fit(self._long(history), static_features=[], prediction_intervals=intervals)
        self._seen = history["timestamp"].iloc[-1]

    def fit_many(self, histories: Mapping[str, pd.DataFrame]) -> None:
        """One model of all series, without covariates."""
        self._columns = []
        frames = [self._long(history).assign(unique_id=name) for name, history in histories.items()]
        intervals = self._intervals(n_windows=8, h=self._horizon)
        self._forecast.fit(pd.concat(frames), static_features=[], prediction_intervals=intervals)

    def predict(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        later = history[history["timestamp"] > self._seen]
        if len(later):
            self._forecast.update(self._long(later))
            self._seen = history["timestamp"].iloc[-1]
        found = self._forecast.predict(h=len(future), X_df=self._long(future), level=[80])
        return _answer(future, found["trees-lo-80"], found["trees"], found["trees-hi-80"])

    def _long(self, rows: pd.DataFrame) -> pd.DataFrame:
        frame = _clock(rows["local"]).assign(unique_id="load", ds=rows["timestamp"])
        frame[self._columns] = rows[self._columns]
        return frame.assign(y=rows["y"]) if "y" in rows else frame


class DirectLightgbm:
    """LightGBM alone: a quantile regression per level on lags that are known at every lead time."""

    refit_each_origin = False
    packages = ("lightgbm",)

    def __init__(self, ctx: Any) -> None:
        from lightgbm import LGBMRegressor

        self._day = ctx.steps_per_day
        self._regressors = {
            level: LGBMRegressor(objective="quantile", alpha=level, **_TREES) for level in (0.1, 0.5, 0.9)
        }

    def fit(self, history: pd.DataFrame, columns: list[str]) -> None:
        self._columns = list(columns)
        features = self._features(history)
        taught = features["lag_14"].notna() & history["y"].notna()
        for regressor in self._regressors.values():
            regressor.fit(features[taught], history["y"][taught])

    def predict(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        recent = history.iloc[-22 * self._day :]
        features = self._features(pd.concat([recent, future], ignore_index=True)).iloc[-len(future) :]
        levels = np.sort([regressor.predict(features) for regressor in self._regressors.values()], axis=0)
        return _answer(future, *levels)

    def _features(self, rows: pd.DataFrame) -> pd.DataFrame:
        features = _clock(rows["local"])
        for days in (2, 3, 7, 14):
            features[f"lag_{days}"] = rows["y"].shift(days * self._day)
        features["mean_of_week"] = rows["y"].shift(2 * self._day).rolling(7 * self._day).mean()
        for column in self._columns:
            features[column] = rows[column]
            features[f"{column}_of_day"] = rows[column].rolling(self._day, min_periods=1).mean()
        return features
