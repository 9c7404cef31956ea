"""Gradient boosting (LightGBM), direct for every lead time, on the change against the same hour of last week.

Ke et al. (2017). One booster serves all lead times: the lead time is a feature, and lags are relative to the origin.
Learning the change against last week lets trees, which cannot extrapolate, follow growth and season. Quantiles come
from residuals on the held-out end of the history; the final booster is then trained on all of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import lightgbm
import numpy as np
import pandas as pd

from forecasting.conformal import LeadTimeCalibration
from forecasting.contracts import Window
from forecasting.errors import SettingsError
from forecasting.features import CONTEXT, direct_features, weekly_baseline
from forecasting.grid import Grid, tells_seasons
from forecasting.models.base import Forecaster
from forecasting.sampling import first_target, held_out_from, pairs

_BOOSTER = "booster.txt"
_CALIBRATION = "calibration.json"
_MOST_LEAVES = 131_072
_SMALLEST_SHARE = 0.01
_FEWEST_HELD_OUT = 60


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the booster."""

    trees: int = 300
    learning_rate: float = 0.05
    leaves: int = 15
    smallest_leaf: int = 100
    feature_share: float = 0.6
    row_share: float = 0.8
    l2: float = 5.0
    lead_times_per_target: int = 2
    """Training rows per interval of the history, each with a lead time of its own."""
    most_rows: int = 60_000
    """Training rows beyond this many are thinned evenly, which bounds the cost of long and fine histories."""

    def __post_init__(self) -> None:
        whole = {"trees": 1, "leaves": 2, "smallest_leaf": 1, "lead_times_per_target": 1, "most_rows": 100}
        for name, least in whole.items():
            if getattr(self, name) < least:
                raise SettingsError(f"gradient_boosting: {name} {getattr(self, name)} must be at least {least}")
        if self.leaves > _MOST_LEAVES:
            raise SettingsError(f"gradient_boosting: leaves {self.leaves} must be at most {_MOST_LEAVES}")
        if not 0 < self.learning_rate <= 1:
            raise SettingsError(f"gradient_boosting: learning_rate {self.learning_rate} must be above 0 and at most 1")
        for name in ("feature_share", "row_share"):
            if not _SMALLEST_SHARE <= getattr(self, name) <= 1:
                value = getattr(self, name)
                raise SettingsError(f"gradient_boosting: {name} {value} must be between {_SMALLEST_SHARE} and 1")
        if self.l2 < 0:
            raise SettingsError(f"gradient_boosting: l2 {self.l2} must not be negative")


class GradientBoosting(Forecaster):
    """LightGBM on the weekly change, with features that respect the lead time."""

    kind: ClassVar[str] = "gradient_boosting"
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "lightgbm", "numpy", "pandas")

    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        rows = len(history)
        split = held_out_from(grid, rows)
        generator = np.random.default_rng(self.settings.seed)
        horizon_steps = int(self.settings.horizon / pd.Timedelta(minutes=grid.minutes))
        per_target = self.hyperparameters.lead_times_per_target

        def draw(start: int) -> tuple[np.ndarray, np.ndarray]:
            return pairs(
                grid, start=start, end=rows, horizon_steps=horizon_steps, per_target=per_target, generator=generator
            )

        origins, targets = draw(first_target(grid))
        if len(origins) > self.hyperparameters.most_rows:
            chosen = np.linspace(0, len(origins) - 1, self.hyperparameters.most_rows).astype(int)
            origins, targets = origins[chosen], targets[chosen]
        if (origins >= split).sum() < _FEWEST_HELD_OUT:
            # A horizon that is long against the history: most origins of the held-out part lie before it.
            kept, (late_origins, late_targets) = targets < split, draw(split)
            origins = np.concatenate([origins[kept], late_origins])
            targets = np.concatenate([targets[kept], late_targets])
        baseline = weekly_baseline(grid, origins=origins, targets=targets)
        table = direct_features(
            grid, origins=origins, targets=targets, baseline=baseline, seasons=tells_seasons(history)
        )
        self.features = list(table.columns)
        change = grid.load[targets] - baseline
        values = table.to_numpy()
        # Held-out pairs start after the split altogether, so that not even their origins saw a training load's future.
        early, late = targets < split, origins >= split
        judged = self._train(values[early], change[early])
        lead_hours = (targets[late] - origins[late]) * grid.minutes / 60
        self._calibration = LeadTimeCalibration.fit(
            actual=change[late],
            predicted=np.asarray(judged.predict(values[late])).reshape(-1, 1),
            lead_hours=lead_hours,
            local_hour=grid.clock.minute_of_day[targets[late]] // 60,
            day_number=grid.clock.day_number[targets[late]],
            levels=self.settings.quantiles,
        )
        self._booster = self._train(values, change)

    def _train(self, values: np.ndarray, change: np.ndarray) -> lightgbm.Booster:
        chosen = self.hyperparameters
        settings: dict[str, Any] = {
            "objective": "regression",
            "learning_rate": chosen.learning_rate,
            "num_leaves": chosen.leaves,
            "min_data_in_leaf": min(chosen.smallest_leaf, max(5, len(values) // 50)),
            "feature_fraction": chosen.feature_share,
            "bagging_fraction": chosen.row_share,
            "bagging_freq": 1,
            "lambda_l2": chosen.l2,
            "num_threads": self.settings.threads,
            "seed": self.settings.seed,
            "deterministic": True,
            "force_row_wise": True,
            "max_bin": 127,
            "verbosity": -1,
        }
        # LightGBM takes no punctuation in names; the manifest has them all, in the same order.
        plain = all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in self.features)
        data = lightgbm.Dataset(
            values, label=change, feature_name=self.features if plain else "auto", free_raw_data=True
        )
        return lightgbm.train(settings, data, num_boost_round=chosen.trees)

    def _predict(self, window: Window) -> np.ndarray:
        recent = window.history.loc[window.origin - CONTEXT :]
        grid = self._grid(recent, window.future)
        targets = np.arange(len(grid.load) - len(window.future), len(grid.load))
        origins = np.full(len(targets), len(recent))
        baseline = weekly_baseline(grid, origins=origins, targets=targets)
        table = direct_features(grid, origins=origins, targets=targets, baseline=baseline)
        # A column may be missing here: a holiday feature exists only where the axis has a holiday.
        values = table.reindex(columns=self.features, fill_value=0.0).to_numpy()
        point = baseline + self._booster.predict(values, num_threads=self.settings.threads)
        return self._calibration.apply(
            point[:, None],
            lead_hours=(targets - origins) * grid.minutes / 60,
            local_hour=grid.clock.minute_of_day[targets] // 60,
        )

    def _files(self) -> dict[str, bytes]:
        return {_BOOSTER: self._booster.model_to_string().encode(), _CALIBRATION: self._calibration.to_json()}

    def _restore(self, files: Mapping[str, bytes]) -> None:
        try:
            self._booster = lightgbm.Booster(model_str=files[_BOOSTER].decode())
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        self._calibration = LeadTimeCalibration.from_json(files[_CALIBRATION])
