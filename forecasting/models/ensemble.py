"""Ensembles: the weighted mean of several kinds, weighted by how they did on origins they had not seen.

`ensemble` takes all its members; `auto`, the default of the library, also leaves out what is clearly worse than the
best, and goes on without a member that fails.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from forecasting.conformal import LeadTimeCalibration
from forecasting.contributions import OTHER, RECENT, Parts, weighted
from forecasting.errors import ForecastingError, SettingsError
from forecasting.features import weekly_baseline
from forecasting.grid import Grid
from forecasting.models.arima import Arima
from forecasting.models.exponential_smoothing import ExponentialSmoothing
from forecasting.models.gradient_boosting import GradientBoosting
from forecasting.models.paths import CALIBRATION, PathForecaster, calibrated, horizon_steps
from forecasting.models.recursive_boosting import RecursiveBoosting
from forecasting.models.regression import Regression
from forecasting.models.settings import Settings
from forecasting.persistence import inside, taken_out
from forecasting.sampling import held_out_from, held_out_origins
from forecasting.weighting import Weights, combined

_FACTS = "ensemble.json"
_HOPELESS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the weighting."""

    shrinkage: float = 0.03
    """Towards equal weights, relative to the mean squared error of the members."""
    tolerance: float = 1e6
    """Members whose mean absolute error in a block of lead time is more than this many times the least are left out."""

    recursive_share: float = 0.0
    """Of the weight, what recursive boosting gets beforehand, unless its error is twice the least: it leans on the last
    hours, not on the level of the past, and so does better after the weighting than its error before it says."""

    def __post_init__(self) -> None:
        if not 0 <= self.recursive_share <= 1:
            raise SettingsError(f"recursive_share {self.recursive_share} must be between 0 and 1")
        if self.shrinkage < 0:
            raise SettingsError(f"shrinkage {self.shrinkage} must not be negative")
        if self.tolerance < 1:
            raise SettingsError(f"tolerance {self.tolerance} must be at least 1")


@dataclass(frozen=True)
class AutoParameters(Parameters):
    """Hyper-parameters of the choice."""

    tolerance: float = 1.2
    recursive_share: float = 0.25


@dataclass(frozen=True)
class State:
    """Weights in the order of `kinds`, the state of each member that counts, and what was found out of sample."""

    kinds: list[str]
    weights: Weights
    members: dict[str, Any]
    calibration: LeadTimeCalibration
    judged: dict[str, Any]


class Ensemble(PathForecaster):
    """The weighted mean of `Members`; a member that fails is left out where `forgiving`."""

    kind: ClassVar[str] = "ensemble"
    explains: ClassVar[bool] = True
    Parameters: ClassVar[type] = Parameters
    Members: ClassVar[tuple[type[PathForecaster], ...]] = (
        ExponentialSmoothing,
        Arima,
        Regression,
        GradientBoosting,
        RecursiveBoosting,
    )
    forgiving: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "lightgbm", "numpy", "pandas", "scipy", "statsmodels")

    def __init__(self, settings: Settings, hyperparameters: Mapping[str, Any]) -> None:
        super().__init__(settings, hyperparameters)
        self.context = max(member.context for member in self._members().values())

    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        self._state = self.learn(grid, len(history))
        self._calibration = self._state.calibration

    def learn(self, grid: Grid, end: int) -> State:
        chosen, members = self.hyperparameters, self._members()
        split = held_out_from(grid, end)
        wanted = horizon_steps(self.settings, grid)
        origins, steps = held_out_origins(grid, start=split, end=end, horizon_steps=wanted)
        failures: dict[str, str] = {}

        def attempt(kind: str, work: Callable[[], Any]) -> Any:
            try:
                return work()
            except Exception as error:
                # Whatever breaks in one member: with the others there still is a forecast.
                if not self.forgiving:
                    raise
                failures[kind] = f"{type(error).__name__}: {error}"
                _log.warning("%s goes on without %s: %s", self.kind, kind, failures[kind])
                return None

        def judge(member: PathForecaster) -> np.ndarray:
            return _finite(member.paths(member.learn(grid, split), grid, origins, steps))

        found = {kind: attempt(kind, partial(judge, member)) for kind, member in members.items()}
        paths = {kind: path for kind, path in found.items() if path is not None}
        weekly = _weekly(grid, origins, steps)
        stacked = np.stack(list(paths.values())) if paths else weekly[None]
        actual = grid.load[origins[:, None] + np.arange(steps)]
        weights = Weights.fit(
            stacked, actual, minutes=grid.minutes, shrinkage=chosen.shrinkage, tolerance=chosen.tolerance
        )
        errors = {kind: _mae(path, actual) for kind, path in paths.items()}
        recursive = RecursiveBoosting.kind
        if recursive in errors and errors[recursive] <= _HOPELESS * min(errors.values()):
            weights = weights.reserving(list(paths).index(recursive), chosen.recursive_share)
        mixed = combined(stacked, weights.at(_lead_hours(grid, steps)), weekly)
        counting = [kind for kind, column in zip(paths, weights.shares.T, strict=False) if column.any()]
        states = {kind: attempt(kind, partial(members[kind].learn, grid, end)) for kind in counting}
        self.features = sorted({name for kind in counting for name in members[kind].features})
        judged = {
            "held_out_from": grid.index[split].isoformat(),
            "held_out_origins": len(origins),
            "mae_mw": errors | {self.kind: _mae(mixed, actual)},
            "weights": {
                kind: dict(zip([f"{hours:g}h" for hours in weights.centres_hours], column.tolist(), strict=True))
                for kind, column in zip(paths, weights.shares.T, strict=False)
            },
            "failures": failures,
        }
        return State(
            kinds=list(paths),
            weights=weights,
            members={kind: state for kind, state in states.items() if state is not None},
            calibration=calibrated(grid, origins, mixed[..., None], levels=self.settings.quantiles),
            judged=judged,
        )

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        found = self._paths_of_members(state, grid, origins, steps)
        return combined(found, state.weights.at(_lead_hours(grid, steps)), _weekly(grid, origins, steps))

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        """The sum of the members' by their weights; what a member cannot explain is `other`."""
        found = self._paths_of_members(state, grid, np.array([origin]), steps)[:, 0]
        share = np.where(np.isfinite(found), state.weights.at(_lead_hours(grid, steps)), 0.0)
        total = share.sum(axis=0)
        members = self._members()
        several: list[tuple[np.ndarray, Parts]] = []
        for kind, path, weight in zip(state.kinds, found, share / np.where(total > 0, total, 1.0), strict=False):
            if weight.any():
                member = members[kind]
                inner = member.contributions(state.members[kind], grid, origin, steps) if member.explains else None
                several.append((weight, {OTHER: path} if inner is None else inner))
        several.append(((total <= 0).astype(float), {RECENT: _weekly(grid, np.array([origin]), steps)[0]}))
        return weighted(several)

    def _paths_of_members(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        """(m, origins, steps) in MW; NaN where a member has failed."""
        missing = np.full((len(origins), steps), np.nan)
        members = self._members()
        found = []
        for kind in state.kinds or ["seasonal_naive"]:
            path = missing
            if kind in state.members:
                try:
                    path = members[kind].paths(state.members[kind], grid, origins, steps)
                except Exception as error:
                    if not self.forgiving:
                        raise
                    _log.warning("%s goes on without %s: %s", self.kind, kind, error)
            found.append(path)
        return np.stack(found)

    def _members(self) -> dict[str, PathForecaster]:
        return {member.kind: member(self.settings, {}) for member in self.Members}

    @property
    def evidence(self) -> dict[str, Any]:
        return dict(self._state.judged)

    def pack(self, state: State) -> dict[str, bytes]:
        members = self._members()
        files: dict[str, bytes] = {}
        for kind, inner in state.members.items():
            files |= inside(kind, members[kind].pack(inner))
        facts = {
            "kinds": state.kinds,
            "members": list(state.members),
            "centres_hours": state.weights.centres_hours.tolist(),
            "weights": state.weights.shares.tolist(),
            "judged": state.judged,
        }
        return {**files, _FACTS: json.dumps(facts, sort_keys=True).encode()}

    def unpack(self, files: Mapping[str, bytes]) -> State:
        facts, members = json.loads(files[_FACTS]), self._members()
        return State(
            kinds=facts["kinds"],
            weights=Weights(np.array(facts["centres_hours"]), np.array(facts["weights"])),
            members={kind: members[kind].unpack(taken_out(kind, files)) for kind in facts["members"]},
            calibration=LeadTimeCalibration.from_json(files[CALIBRATION]),
            judged=facts["judged"],
        )


class Auto(Ensemble):
    """The default: leaves out candidates that are clearly worse than the best, and those that fail."""

    kind: ClassVar[str] = "auto"
    Parameters: ClassVar[type] = AutoParameters
    Members: ClassVar[tuple[type[PathForecaster], ...]] = (
        ExponentialSmoothing,
        Regression,
        GradientBoosting,
        RecursiveBoosting,
    )
    forgiving: ClassVar[bool] = True


def _finite(paths: np.ndarray) -> np.ndarray:
    if not np.isfinite(paths).all():
        raise ForecastingError("a forecast is not finite")
    return paths


def _weekly(grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
    targets = origins[:, None] + np.arange(steps)
    flat = weekly_baseline(grid, origins=np.repeat(origins, steps), targets=targets.ravel())
    return flat.reshape(targets.shape)


def _lead_hours(grid: Grid, steps: int) -> np.ndarray:
    hours: np.ndarray = np.arange(steps) * grid.minutes / 60
    return hours


def _mae(paths: np.ndarray, actual: np.ndarray) -> float:
    # The held-out part has half a day of loads at least, but perhaps none behind these origins.
    error = np.abs(paths - actual)
    return float(error[np.isfinite(error)].mean()) if np.isfinite(error).any() else 0.0
