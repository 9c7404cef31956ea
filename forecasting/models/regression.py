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
from forecasting.design import Terms, shared_design, shared_regressors
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
class _Laid:
    """A part on a grid: what its regression explains (n,), and what that leaves, anchored and free."""

    part: Part
    explained: np.ndarray
    left: list[Residuals]

    def paths(self, origins: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """What each variant expects of n pairs, in the units of the part."""
        return [
            self.explained[targets] + recency.carried(residuals, origins, targets)
            for recency, residuals in zip((self.part.anchored, self.part.free), self.left, strict=True)
            if recency is not None
        ]


@dataclass(frozen=True)
class State:
    """What a regression has learned. Loads below `smallest` MW have no logarithm worth learning from."""

    terms: Terms
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
        chosen = self.hyperparameters
        known = grid.load[:end][np.isfinite(grid.load[:end])]
        days = end / grid.steps_per_day
        hours = -(-horizon_steps(self.settings, grid) // grid.steps_per_hour)
        draft = State(
            terms=Terms.learned(
                grid, end, daily_harmonics=chosen.daily_harmonics, yearly_harmonics=chosen.yearly_harmonics
            ),
            parts=(),
            smallest=_SMALL_LOAD * float(np.abs(known).mean()),
            largest=float(known.max()),
        )
        positive = chosen.logarithms == 1 and draft.smallest > 0 and (known <= draft.smallest).mean() <= _RARELY

        def part(*, logarithmic: bool) -> _Laid:
            # Boosting learns what the same regression in MW leaves: on one grid it is learned once for both.
            key = ("part", end, replace(chosen, logarithms=1), hours, logarithmic)
            if key not in grid.memo:
                grid.memo[key] = learned(logarithmic=logarithmic)
            kept: _Laid = grid.memo[key]
            return kept

        def learned(*, logarithmic: bool) -> _Laid:
            target = _scaled(grid.load, draft, logarithmic=logarithmic)
            rows = np.flatnonzero(np.isfinite(target[:end]))
            ridge, fitted = Ridge.fit(target, shared_design(grid, rows, draft.terms, penalty=chosen.ridge / days))
            left = [Residuals(grid, target - fitted, anchored=anchored) for anchored in (True, False)]
            fit = partial(Recency.fit, end=end, hours=hours, ridge=chosen.recency_ridge)
            free = fit(left[1]) if grid.tells_seasons(end) else None
            return _Laid(Part(logarithmic, ridge, fit(left[0]), free), fitted, left)

        found = [part(logarithmic=logarithmic) for logarithmic in ((False, True) if positive else (False,))]
        state = replace(draft, parts=tuple(each.part for each in found))
        grid.memo["laid", id(state)] = (state, found)
        self.features = [*state.parts[0].ridge.names, "load_of_last_day_by_hour", "load_of_week_ago_by_hour"]
        return state

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        targets = origins[:, None] + np.arange(steps)
        flat = np.repeat(origins, steps)
        return self.expected(state, grid, flat, targets.ravel()).reshape(targets.shape)

    def expected(self, state: State, grid: Grid, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The expected load in MW of each target as known at its origin, (n,)."""
        variants = [
            _loads(path, state) if laid.part.logarithmic else path
            for laid in self._laid(state, grid)
            for path in laid.paths(origins, targets)
        ]
        mean: np.ndarray = np.mean(variants, axis=0)
        return mean

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        targets = np.arange(origin, origin + steps)
        variants = []
        for laid in self._laid(state, grid):
            fitted = of_ridge(laid.part.ridge, grid, partial(shared_regressors, terms=state.terms))
            for path in laid.paths(np.full(steps, origin), targets):
                parts = {group: values[targets] for group, values in fitted.items()}
                bounded = _bounded(path, state) if laid.part.logarithmic else path
                add(parts, RECENT, bounded - laid.explained[targets])
                variants.append(of_logarithms(parts) if laid.part.logarithmic else parts)
        return weighted((1 / len(variants), parts) for parts in variants)

    def _laid(self, state: State, grid: Grid) -> list["_Laid"]:
        key = ("laid", id(state))
        if key not in grid.memo:
            columns = shared_regressors(grid, state.terms)
            found = []
            for part in state.parts:
                explained = part.ridge.explain(columns)
                left = _scaled(grid.load, state, logarithmic=part.logarithmic) - explained
                found.append(_Laid(part, explained, [Residuals(grid, left, anchored=each) for each in (True, False)]))
            # The state is kept with them: its identity is the key.
            grid.memo[key] = (state, found)
        laid: list[_Laid] = grid.memo[key][1]
        return laid

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
            **state.terms.facts(),
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
            terms=Terms.restored(facts, daily_harmonics=self.hyperparameters.daily_harmonics),
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
