"""Regression on calendar and weather, carried on by the last days: the vanilla and recency models of Tao Hong.

Hong (2010) explains the load by the hour of the day, the kind of day, the season and polynomials of temperature by
hour; Wang, Liu & Hong (2016) add the weather of the hours before. What such a regression leaves is carried on linearly
for each lead time by `forecasting.recency`. Of four variants the mean is taken: in MW and in logarithms, where growth
and season multiply instead of add; and falling back to the level of the last week or to that of the years.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from forecasting.contributions import RECENT, Parts, add, of_logarithms, of_ridge, weighted
from forecasting.design import shared_design, shared_regressors, temperature_knots
from forecasting.errors import SettingsError
from forecasting.grid import Grid
from forecasting.linear import Ridge
from forecasting.models.paths import PathForecaster, horizon_steps
from forecasting.recency import CONTEXT_DAYS, Recency, Residuals

_WEIGHTS = "weights.npz"
_FACTS = "facts.json"
_SMALL_LOAD = 0.2
_RARELY = 0.001


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the two ridge regressions."""

    daily_harmonics: int = 8
    yearly_harmonics: int = 2
    ridge: float = 7.0
    """Penalty on the standardised regressors, per day of history."""
    logarithms: int = 1
    """1: the mean of what is learned in MW and in logarithms, where the loads have any. 0: in MW alone."""
    recency_ridge: float = 0.05
    """Penalty on the standardised residuals of the last days, per origin of a history of two years."""

    def __post_init__(self) -> None:
        for name, least in {"daily_harmonics": 1, "yearly_harmonics": 0}.items():
            if not least <= getattr(self, name) <= 20:
                raise SettingsError(f"regression: {name} {getattr(self, name)} must be between {least} and 20")
        if self.logarithms not in {0, 1}:
            raise SettingsError(f"regression: logarithms {self.logarithms} must be 0 or 1")
        for name in ("ridge", "recency_ridge"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"regression: {name} {getattr(self, name)} must be above 0")


@dataclass(frozen=True)
class Part:
    """A regression in MW or logarithms, and what carries its residuals on: by the last week, and by the years."""

    logarithmic: bool
    ridge: Ridge
    anchored: Recency
    free: Recency | None


@dataclass(frozen=True)
class State:
    """What a regression has learned. Loads below `smallest` MW have no logarithm worth learning from."""

    knots: tuple[float, ...]
    yearly_harmonics: int
    parts: tuple[Part, ...]
    smallest: float
    largest: float


class Regression(PathForecaster):
    """Calendar, weather and recency, linear in all."""

    kind: ClassVar[str] = "regression"
    explains: ClassVar[bool] = True
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "numpy", "pandas", "scipy")
    context = pd.Timedelta(days=CONTEXT_DAYS + 11)

    def learn(self, grid: Grid, end: int) -> State:
        key = (self.kind, end, self.hyperparameters, self.settings.horizon)
        if key not in grid.memo:
            grid.memo[key] = self._learn(grid, end)
        state: State = grid.memo[key]
        self.features = [*state.parts[0].ridge.names, "load_of_last_day_by_hour", "load_of_week_ago_by_hour"]
        return state

    def _learn(self, grid: Grid, end: int) -> State:
        chosen = self.hyperparameters
        known = grid.load[:end][np.isfinite(grid.load[:end])]
        days = end / grid.steps_per_day
        long = grid.tells_seasons(end)
        draft = State(
            knots=temperature_knots(grid, end),
            yearly_harmonics=chosen.yearly_harmonics if long else 0,
            parts=(),
            smallest=_SMALL_LOAD * float(np.abs(known).mean()),
            largest=float(known.max()),
        )
        positive = chosen.logarithms == 1 and draft.smallest > 0 and (known <= draft.smallest).mean() <= _RARELY
        hours = -(-horizon_steps(self.settings, grid) // grid.steps_per_hour)

        def part(*, logarithmic: bool) -> tuple[Part, np.ndarray, np.ndarray]:
            key = ("part", end, replace(chosen, logarithms=1), hours, logarithmic)
            if key not in grid.memo:
                grid.memo[key] = learned(logarithmic=logarithmic)
            kept: tuple[Part, np.ndarray, np.ndarray] = grid.memo[key]
            return kept

        def learned(*, logarithmic: bool) -> tuple[Part, np.ndarray, np.ndarray]:
            target = _scaled(grid.load, draft, logarithmic=logarithmic)
            rows = np.flatnonzero(np.isfinite(target[:end]))
            design = shared_design(grid, rows, penalty=chosen.ridge / days, **self._regressors(draft))
            ridge, fitted = Ridge.fit(target, design)
            left = target - fitted

            def recency(*, by_week: bool) -> Recency:
                residuals = Residuals(grid, left, anchored=by_week)
                return Recency.fit(residuals, end=end, hours=hours, ridge=chosen.recency_ridge)

            free = recency(by_week=False) if long else None
            return Part(logarithmic, ridge, recency(by_week=True), free), fitted, left

        found = [part(logarithmic=logarithmic) for logarithmic in ((False, True) if positive else (False,))]
        state = replace(draft, parts=tuple(part for part, _, _ in found))
        grid.memo["residuals", id(state)] = (state, found)
        return state

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        targets = origins[:, None] + np.arange(steps)
        flat = np.repeat(origins, steps)
        return self.expected(state, grid, flat, targets.ravel()).reshape(targets.shape)

    def expected(self, state: State, grid: Grid, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The expected load in MW of each target as known at its origin, (n,)."""
        variants = []
        for part, explained, left in self._residuals(state, grid):
            for recency, anchored in ((part.anchored, True), (part.free, False)):
                if recency is None:
                    continue
                path = explained[targets] + recency.carried(Residuals(grid, left, anchored=anchored), origins, targets)
                variants.append(_loads(path, state) if part.logarithmic else path)
        mean: np.ndarray = np.mean(variants, axis=0)
        return mean

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        targets = np.arange(origin, origin + steps)
        origins = np.full(steps, origin)
        columns = partial(shared_regressors, **self._regressors(state))
        variants = []
        for part, explained, left in self._residuals(state, grid):
            fitted = of_ridge(part.ridge, grid, columns)
            for recency, anchored in ((part.anchored, True), (part.free, False)):
                if recency is None:
                    continue
                path = explained[targets] + recency.carried(Residuals(grid, left, anchored=anchored), origins, targets)
                parts = {group: values[targets] for group, values in fitted.items()}
                bounded = _bounded(path, state) if part.logarithmic else path
                add(parts, RECENT, bounded - explained[targets])
                variants.append(of_logarithms(parts) if part.logarithmic else parts)
        return weighted((1 / len(variants), parts) for parts in variants)

    def _residuals(self, state: State, grid: Grid) -> list[tuple[Part, np.ndarray, np.ndarray]]:
        key = ("residuals", id(state))
        if key not in grid.memo:
            columns = shared_regressors(grid, **self._regressors(state))
            explained = [part.ridge.explain(columns) for part in state.parts]
            # The state is kept with them: its identity is the key.
            grid.memo[key] = (
                state,
                [
                    (part, values, _scaled(grid.load, state, logarithmic=part.logarithmic) - values)
                    for part, values in zip(state.parts, explained, strict=True)
                ],
            )
        found: list[tuple[Part, np.ndarray, np.ndarray]] = grid.memo[key][1]
        return found

    def _regressors(self, state: State) -> dict[str, Any]:
        return {
            "daily_harmonics": self.hyperparameters.daily_harmonics,
            "yearly_harmonics": state.yearly_harmonics,
            "temperature_knots": state.knots,
        }

    def pack(self, state: State) -> dict[str, bytes]:
        arrays: dict[str, Any] = {}
        for part in state.parts:
            prefix = "log" if part.logarithmic else "mw"
            arrays |= {f"{prefix}_{name}": values for name, values in part.ridge.arrays().items()}
            for name, recency in (("anchored", part.anchored), ("free", part.free)):
                if recency is not None:
                    arrays |= {
                        f"{prefix}_{name}_coefficients": recency.coefficients,
                        f"{prefix}_{name}_scale": recency.scale,
                    }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        facts = {
            "names": state.parts[0].ridge.names,
            "knots": state.knots,
            "yearly_harmonics": state.yearly_harmonics,
            "smallest": state.smallest,
            "largest": state.largest,
        }
        return {_WEIGHTS: buffer.getvalue(), _FACTS: json.dumps(facts, sort_keys=True).encode()}

    def unpack(self, files: Mapping[str, bytes]) -> State:
        facts: dict[str, Any] = json.loads(files[_FACTS])
        with np.load(io.BytesIO(files[_WEIGHTS]), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}

        def recency(name: str) -> Recency | None:
            if f"{name}_scale" not in arrays:
                return None
            return Recency(arrays[f"{name}_coefficients"], arrays[f"{name}_scale"])

        parts = []
        for prefix, logarithmic in (("mw", False), ("log", True)):
            if f"{prefix}_mean" not in arrays:
                continue
            numbers = {name.removeprefix(f"{prefix}_"): values for name, values in arrays.items()}
            anchored = recency(f"{prefix}_anchored")
            if anchored is None:
                raise ValueError("the regression has no recency")
            parts.append(
                Part(logarithmic, Ridge.restored(facts["names"], numbers), anchored, recency(f"{prefix}_free"))
            )
        return State(
            knots=tuple(facts["knots"]),
            yearly_harmonics=facts["yearly_harmonics"],
            parts=tuple(parts),
            smallest=facts["smallest"],
            largest=facts["largest"],
        )


def _scaled(load: np.ndarray, state: State, *, logarithmic: bool) -> np.ndarray:
    if not logarithmic:
        return load
    with np.errstate(invalid="ignore"):
        return np.log(np.where(load > state.smallest, load, np.nan))


def _loads(path: np.ndarray, state: State) -> np.ndarray:
    return np.exp(_bounded(path, state))


def _bounded(logarithms: np.ndarray, state: State) -> np.ndarray:
    return np.clip(logarithms, np.log(state.smallest) - 1.0, np.log(state.largest) + 1.0)
