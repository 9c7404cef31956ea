"""Gradient boosting (LightGBM), direct for every lead time, on what a linear regression leaves.

Ke et al. (2017). One booster serves all lead times: the lead time is a feature, and lags are relative to the origin.
The regression of `forecasting.models.regression` carries level, growth and season, which trees cannot extrapolate; the
booster learns what is not linear.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import lightgbm
import numpy as np
import pandas as pd

from forecasting.boosting import restored_booster, train_booster
from forecasting.contributions import Parts, of_trees, weighted
from forecasting.errors import SettingsError
from forecasting.features import CONTEXT, direct_features, weekly_baseline
from forecasting.grid import Grid
from forecasting.models.paths import PathForecaster, horizon_steps
from forecasting.models.regression import Regression
from forecasting.models.regression import State as RegressionState
from forecasting.persistence import inside, taken_out
from forecasting.sampling import first_target, pairs

_BOOSTER = "booster.txt"
_FACTS = "features.json"
_REGRESSION = "regression"
_MOST_LEAVES = 131_072
_SMALLEST_SHARE = 0.01


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the booster."""

    trees: int = 200
    learning_rate: float = 0.05
    leaves: int = 8
    smallest_leaf: int = 100
    feature_share: float = 0.6
    row_share: float = 0.8
    l2: float = 5.0
    lead_times_per_target: int = 2
    """Training rows per interval of the history, each with a lead time of its own."""
    most_rows: int = 40_000
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


@dataclass(frozen=True)
class State:
    """The regression, the booster of what it leaves, and the booster's features."""

    regression: RegressionState
    booster: lightgbm.Booster
    features: list[str]


class GradientBoosting(PathForecaster):
    """LightGBM on the residuals of a regression, with features that respect the lead time."""

    kind: ClassVar[str] = "gradient_boosting"
    explains: ClassVar[bool] = True
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "lightgbm", "numpy", "pandas", "scipy")
    context = CONTEXT

    @property
    def _regression(self) -> Regression:
        return Regression(self.settings, {"logarithms": 0})

    def learn(self, grid: Grid, end: int) -> State:
        chosen = self.hyperparameters
        regression = self._regression.learn(grid, end)
        origins, targets = pairs(
            grid,
            start=first_target(grid),
            end=end,
            horizon_steps=horizon_steps(self.settings, grid),
            per_target=chosen.lead_times_per_target,
            generator=np.random.default_rng(self.settings.seed),
        )
        if len(origins) > chosen.most_rows:
            kept = np.linspace(0, len(origins) - 1, chosen.most_rows).astype(int)
            origins, targets = origins[kept], targets[kept]
        expected = self._regression.expected(regression, grid, origins, targets)
        table = self._table(grid, origins, targets, expected, seasons=grid.tells_seasons(end))
        booster = train_booster(
            table.to_numpy(),
            grid.load[targets] - expected,
            names=list(table.columns),
            seed=self.settings.seed,
            threads=self.settings.threads,
            trees=chosen.trees,
            learning_rate=chosen.learning_rate,
            num_leaves=chosen.leaves,
            min_data_in_leaf=min(chosen.smallest_leaf, max(5, len(table) // 50)),
            feature_fraction=chosen.feature_share,
            bagging_fraction=chosen.row_share,
            lambda_l2=chosen.l2,
        )
        self.features = list(table.columns)
        return State(regression, booster, list(table.columns))

    def _table(
        self, grid: Grid, origins: np.ndarray, targets: np.ndarray, expected: np.ndarray, *, seasons: bool = True
    ) -> pd.DataFrame:
        baseline = weekly_baseline(grid, origins=origins, targets=targets)
        table = direct_features(grid, origins=origins, targets=targets, baseline=baseline, seasons=seasons)
        return table.assign(regression=expected, regression_minus_baseline=expected - baseline)

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        targets = (origins[:, None] + np.arange(steps)).ravel()
        starts = np.repeat(origins, steps)
        expected, table = self._rows(state, grid, starts, targets)
        left = state.booster.predict(table, num_threads=self.settings.threads)
        return (expected + np.asarray(left)).reshape(len(origins), steps)

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        _, table = self._rows(state, grid, np.full(steps, origin), np.arange(origin, origin + steps))
        shapley = state.booster.predict(table, num_threads=self.settings.threads, pred_contrib=True)
        regression = self._regression.contributions(state.regression, grid, origin, steps)
        return weighted([(1.0, regression), (1.0, of_trees(np.asarray(shapley), state.features, grid.covariates))])

    def _rows(
        self, state: State, grid: Grid, origins: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the regression expects of n pairs, and the booster's features of them, (n, f)."""
        expected = self._regression.expected(state.regression, grid, origins, targets)
        # A column may be missing here: a holiday feature exists only where the axis has a holiday.
        table = self._table(grid, origins, targets, expected).reindex(columns=state.features, fill_value=0.0)
        return expected, table.to_numpy()

    def pack(self, state: State) -> dict[str, bytes]:
        regression = self._regression.pack(state.regression)
        return {
            _BOOSTER: state.booster.model_to_string().encode(),
            _FACTS: json.dumps(state.features).encode(),
            **inside(_REGRESSION, regression),
        }

    def unpack(self, files: Mapping[str, bytes]) -> State:
        regression = self._regression.unpack(taken_out(_REGRESSION, files))
        return State(regression, restored_booster(files[_BOOSTER]), json.loads(files[_FACTS]))
