"""Gradient boosting (LightGBM), recursive: interval by interval, each forecast a lag of the next.

The classical way of boosting a time series (Ke et al., 2017; Taieb & Hyndman, 2014, on what recursion gives and costs).
It learns from every interval of the history how the last ones go on, which no direct model learns for so many lead
times at once. Four boosters see the same lags and predict the load itself, or its change on the interval, the day or
the week before; their errors differ, and the mean of their paths is better than each.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import lightgbm
import numpy as np
import pandas as pd

from forecasting.boosting import restored_booster, train_booster
from forecasting.contracts import TEMPERATURE
from forecasting.contributions import LEVEL, OTHER, RECENT, Parts, add, of_trees, weighted
from forecasting.errors import SettingsError
from forecasting.features import filled_load
from forecasting.grid import Grid, Running, window_mean
from forecasting.models.paths import PathForecaster

_FACTS = "features.json"
_BASES = ("none", "interval", "day", "week")
_LONGEST_DAYS = 14


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of each booster."""

    trees: int = 300
    learning_rate: float = 0.06
    leaves: int = 31
    smallest_leaf: int = 20
    most_rows: int = 40_000
    """Training rows beyond this many are thinned evenly, which bounds the cost of long and fine histories."""

    def __post_init__(self) -> None:
        for name, least in {"trees": 1, "leaves": 2, "smallest_leaf": 1, "most_rows": 100}.items():
            if getattr(self, name) < least:
                raise SettingsError(f"recursive_boosting: {name} {getattr(self, name)} must be at least {least}")
        if not 0 < self.learning_rate <= 1:
            raise SettingsError(f"recursive_boosting: learning_rate {self.learning_rate} must be above 0, at most 1")


@dataclass(frozen=True)
class State:
    """A booster per base, and the features they share; `low` to `high` MW is where the training and half of it went."""

    boosters: tuple[lightgbm.Booster, ...]
    features: list[str]
    low: float
    high: float


class RecursiveBoosting(PathForecaster):
    """Four LightGBM boosters, each feeding on its own forecasts; covariates count where they are known ahead."""

    kind: ClassVar[str] = "recursive_boosting"
    explains: ClassVar[bool] = True
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "lightgbm", "numpy", "pandas")
    context = pd.Timedelta(days=2 * _LONGEST_DAYS + 1)

    def learn(self, grid: Grid, end: int) -> State:
        chosen = self.hyperparameters
        load = filled_load(grid)
        first = min(_LONGEST_DAYS, max(7, end // grid.steps_per_day // 2)) * grid.steps_per_day + 2
        rows = np.arange(first, end)
        rows = rows[np.isfinite(grid.load[first:end])]
        if len(rows) > chosen.most_rows:
            rows = rows[np.linspace(0, len(rows) - 1, chosen.most_rows).astype(int)]
        running = Running.of(load)

        def at(lag: int) -> np.ndarray:
            # Days and weeks go by the wall clock, as in `paths`.
            source = rows - lag if lag < grid.steps_per_day - 1 else grid.at_clock_steps(np.full(len(rows), -lag), rows)
            return np.where(source >= 0, load[np.maximum(source, 0)], np.nan)

        lags = _lags(grid, at, lambda lag, length: running.mean(rows - lag + 1, length))
        known = {**lags, **_known_ahead(grid, rows)}
        if not grid.tells_seasons(end):
            # Learned from one year alone, the day of the year recalls single weeks of it.
            del known["day_of_year"]
        self.features = list(known)
        table = np.column_stack(list(known.values()))
        boosters = []
        for number, base in enumerate(_BASES):
            taken = _base(lags, base)
            boosters.append(
                train_booster(
                    _relative(table, taken, len(lags)),
                    load[rows] - taken,
                    names=self.features,
                    seed=self.settings.seed + number,
                    threads=self.settings.threads,
                    trees=chosen.trees,
                    learning_rate=chosen.learning_rate,
                    num_leaves=chosen.leaves,
                    min_data_in_leaf=min(chosen.smallest_leaf, max(2, len(rows) // 50)),
                    feature_fraction=0.8,
                    bagging_fraction=0.9,
                )
            )
        low, high = float(load[rows].min()), float(load[rows].max())
        reach = (high - low) / 2
        return State(tuple(boosters), self.features, low - reach, high + reach)

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        place, past, ahead = _laid_by_clock(grid, origins, steps)
        path = np.mean(
            [
                self._recursion(booster, base, state, grid, past=past, ahead=ahead)
                for booster, base in zip(state.boosters, _BASES, strict=True)
            ],
            axis=0,
        )
        found: np.ndarray = np.take_along_axis(path, place, axis=1)
        return found

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        """Lags count as recent load, also those that are forecasts themselves.

        The level is the mean of the booster of the load itself; bases of the others count as what they are above it.
        """
        place, past, ahead = _laid_by_clock(grid, np.array([origin]), steps)
        explained: list[Parts] = []
        level = np.zeros(len(next(iter(ahead.values()))[0]))
        for booster, base in zip(state.boosters, _BASES, strict=True):
            seen: list[tuple[np.ndarray, np.ndarray]] = []
            path = self._recursion(booster, base, state, grid, past=past, ahead=ahead, seen=seen)[0]
            tables, bases = (np.concatenate(each) for each in zip(*seen, strict=True))
            shapley = np.asarray(booster.predict(tables, num_threads=self.settings.threads, pred_contrib=True))
            parts = of_trees(shapley, state.features, grid.known_future)
            add(parts, OTHER, path - bases - shapley.sum(axis=1))
            if base == "none":
                level = parts[LEVEL]
            else:
                add(parts, LEVEL, level)
                add(parts, RECENT, bases - level)
            explained.append(parts)
        mean = weighted((1 / len(explained), parts) for parts in explained)
        return {group: values[place[0]] for group, values in mean.items()}

    def _recursion(
        self,
        booster: lightgbm.Booster,
        base: str,
        state: State,
        grid: Grid,
        *,
        past: np.ndarray,
        ahead: dict[str, np.ndarray],
        seen: list[tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> np.ndarray:
        """A booster's paths, (n, length); what it was asked at each step, and its base, are added to `seen`."""
        back, steps = past.shape[1], len(next(iter(ahead.values()))[0])
        path = np.concatenate([past, np.zeros((len(past), steps))], axis=1)
        zero = np.zeros(len(past))
        # What feeds on itself may run away: a path stays near the last two weeks as well.
        lowest, highest = past.min(axis=1), past.max(axis=1)
        low, high = np.maximum(state.low, 2 * lowest - highest), np.minimum(state.high, 2 * highest - lowest)
        # A level that the training has not seen is followed all the same.
        low, high = np.minimum(low, lowest), np.maximum(high, highest)
        for step in range(steps):
            now = back + step
            lags = _lags(grid, partial(_lag, path, now), partial(_mean, path, now))
            known = {**lags, **{name: values[:, step] for name, values in ahead.items()}}
            # A column may be missing here: a holiday feature exists only where the axis has a holiday.
            table = np.column_stack([known.get(name, zero) for name in state.features])
            taken = _base(lags, base)
            asked = _relative(table, taken, len(lags))
            change = booster.predict(asked, num_threads=self.settings.threads)
            if seen is not None:
                seen.append((asked, taken))
            path[:, now] = np.clip(taken + np.asarray(change), low, high)
        return path[:, back:]

    def pack(self, state: State) -> dict[str, bytes]:
        facts = {"features": state.features, "low": state.low, "high": state.high}
        boosters = {
            f"booster_{base}.txt": booster.model_to_string().encode()
            for base, booster in zip(_BASES, state.boosters, strict=True)
        }
        return {**boosters, _FACTS: json.dumps(facts).encode()}

    def unpack(self, files: Mapping[str, bytes]) -> State:
        boosters = tuple(restored_booster(files[f"booster_{base}.txt"]) for base in _BASES)
        return State(boosters, **json.loads(files[_FACTS]))


def _recent(grid: Grid, origins: np.ndarray) -> np.ndarray:
    """Loads in MW of the two weeks before each origin by its wall clock, oldest first, (n, back).

    What lies before the first known load is that of a week or some days later; NaN where nothing is known at all.
    """
    day = grid.steps_per_day
    back = _LONGEST_DAYS * day + grid.steps_per_hour + 2
    source = grid.at_clock_steps(np.arange(-back, 0)[None], origins[:, None])
    loads = np.where(source >= 0, filled_load(grid)[np.maximum(source, 0)], np.nan)
    for days in (7, 14, *range(1, _LONGEST_DAYS)):
        later = np.concatenate([loads[:, days * day :], np.full((len(loads), days * day), np.nan)], axis=1)
        loads = np.where(np.isnan(loads), later, loads)
    known = np.isfinite(loads)
    first = np.take_along_axis(loads, known.argmax(axis=1)[:, None], axis=1)
    return np.where(known, loads, first)


def _first_at(place: np.ndarray, targets: np.ndarray, length: int) -> np.ndarray:
    """The first of the targets (n, s) at each of `length` places, (n, length); in a skipped hour, the one before."""
    found = np.zeros((len(place), length), dtype=int)
    row = np.repeat(np.arange(len(place)), place.shape[1])
    # Of targets that share a place, the first is written last.
    found[row[::-1], place.ravel()[::-1]] = targets.ravel()[::-1]
    filled: np.ndarray = np.maximum.accumulate(found, axis=1)
    return np.maximum(filled, targets[:, :1])


def _lags(grid: Grid, at: Callable[[int], np.ndarray], mean: Callable[[int, int], np.ndarray]) -> dict[str, np.ndarray]:
    """Lagged loads and means in MW; `mean(lag, length)` is over the `length` intervals up to and with that lag."""
    day, week = grid.steps_per_day, 7 * grid.steps_per_day
    named = {
        "interval_ago": 1,
        "two_intervals_ago": 2,
        "three_intervals_ago": 3,
        "day_ago": day,
        "day_ago_next": day - 1,
        "day_ago_before": day + 1,
        "two_days_ago": 2 * day,
        "week_ago": week,
        "week_ago_next": week - 1,
        "week_ago_before": week + 1,
        "two_weeks_ago": 2 * week,
    }
    columns = {name: at(lag) for name, lag in named.items()}
    columns |= {
        "mean_last_day": mean(1, day),
        "mean_last_week": mean(1, week),
        "mean_3_hours_day_ago": mean(day, 3 * grid.steps_per_hour),
        "mean_3_hours_week_ago": mean(week, 3 * grid.steps_per_hour),
    }
    return columns


def _lag(path: np.ndarray, now: int, lag: int) -> np.ndarray:
    value: np.ndarray = path[:, now - lag]
    return value


def _mean(path: np.ndarray, now: int, lag: int, length: int) -> np.ndarray:
    end = now - lag + 1
    mean: np.ndarray = path[:, max(0, end - length) : end].mean(axis=1)
    return mean


def _base(lags: dict[str, np.ndarray], base: str) -> np.ndarray:
    if base == "none":
        return np.zeros(len(lags["interval_ago"]))
    return lags[f"{base}_ago"]


def _relative(table: np.ndarray, base: np.ndarray, lags: int) -> np.ndarray:
    """The table with its first `lags` columns, which are loads, relative to the base."""
    return np.concatenate([table[:, :lags] - base[:, None], table[:, lags:]], axis=1)


def _laid_by_clock(grid: Grid, origins: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The paths' own axis: by the wall clock of each origin, so that lags of days move with a clock change.

    Returns:
        The place of each of the steps on it (n, steps), the loads before it (n, back), and what is known ahead on it,
        (n, length) each.
    """
    targets = origins[:, None] + np.arange(steps)
    place = np.maximum(grid.clock_steps(targets, origins[:, None]), 0)
    length = max(steps, int(place.max()) + 1)
    known = _known_ahead(grid, _first_at(place, targets, length).ravel())
    ahead = {name: values.reshape(len(origins), length) for name, values in known.items()}
    return place, _recent(grid, origins), ahead


def _known_ahead(grid: Grid, positions: np.ndarray) -> dict[str, np.ndarray]:
    clock, day = grid.clock, grid.steps_per_day
    columns = {
        "minute_of_day": clock.minute_of_day[positions].astype(float),
        "weekday": clock.weekday[positions].astype(float),
        "day_of_year": clock.day_of_year[positions].astype(float),
    }
    for name in ("holiday", "holiday_before", "holiday_after", "bridge", "school_holiday"):
        values = getattr(grid, name)
        if values.any():
            columns[f"calendar_{name}"] = values[positions]
    for name in grid.known_future:
        values = grid.covariates[name]
        columns[f"covariate_{name}"] = values[positions]
        if name == TEMPERATURE:
            for hours in (3, 24, 72):
                columns[f"temperature_mean_{hours}_hours"] = window_mean(values, positions + 1, hours * day // 24)
            for days in (1, 7):
                columns[f"temperature_{days}_days_ago"] = values[np.maximum(positions - days * day, 0)]
    return columns
