"""Exponential smoothing with a damped trend on a seasonally adjusted load (statsmodels).

The day and the week are taken out by MSTL (Bandara, Hyndman & Bergmeir, 2021), that is by STL (Cleveland et al., 1990)
for one season after the other; Holt's method with a damped trend (Gardner & McKenzie, 1985) carries on what is left,
and the last of each season is repeated. Since a level of the last hour says little about the day after tomorrow, the
forecast goes back to the mean of the last week, halfway in four days. It needs only two weeks and no weather, and is
hard to beat on short histories.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from statsmodels.tsa.holtwinters import ExponentialSmoothing as Holt
from statsmodels.tsa.seasonal import STL

from forecasting.contributions import CALENDAR, LEVEL, RECENT, Parts
from forecasting.errors import SettingsError
from forecasting.features import FILLED_FROM, filled_load
from forecasting.grid import Grid
from forecasting.models.paths import PathForecaster
from forecasting.models.settings import Settings

_STATE = "state.json"
_TRAINING_DAYS = 28
_SMOOTHING_DAYS = 14
_SEASON_DAYS = (1, 7)
_ITERATIONS = 2
_PASSES = 2
"""As Cleveland et al. advise; the library's five take twice the time and forecast no better."""


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters of the decomposition."""

    window_days: int = 120
    """History that a forecast is made from."""
    daily_window: int = 11
    """Days over which a point of the daily shape is smoothed, and weeks for the weekly one; odd."""
    weekly_window: int = 15
    reversion_days: float = 4.0
    """Half-life of the difference from the level of the last week."""

    def __post_init__(self) -> None:
        if not 21 <= self.window_days <= 730:
            raise SettingsError(f"exponential_smoothing: window_days {self.window_days} must be from 21 to 730")
        for name in ("daily_window", "weekly_window"):
            value = getattr(self, name)
            if not 3 <= value <= 365 or value % 2 == 0:
                raise SettingsError(f"exponential_smoothing: {name} {value} must be odd, from 3 to 365")
        if not self.reversion_days > 0:
            raise SettingsError(f"exponential_smoothing: reversion_days {self.reversion_days} must be above 0")


@dataclass(frozen=True)
class State:
    """Smoothing of level and trend, and the damping of the trend, per interval."""

    level: float
    trend: float
    damping: float


class ExponentialSmoothing(PathForecaster):
    """MSTL and Holt's damped trend; no covariates."""

    kind: ClassVar[str] = "exponential_smoothing"
    explains: ClassVar[bool] = True
    Parameters: ClassVar[type] = Parameters
    libraries: ClassVar[tuple[str, ...]] = ("holidays", "numpy", "pandas", "statsmodels")

    def __init__(self, settings: Settings, hyperparameters: Mapping[str, Any]) -> None:
        super().__init__(settings, hyperparameters)
        # Beyond the window, what its first gaps may be filled from.
        self.context = pd.Timedelta(days=self.hyperparameters.window_days) + FILLED_FROM

    def learn(self, grid: Grid, end: int) -> State:
        self.features = ["load"]
        load = filled_load(grid)[:end]
        adjusted, _ = self._adjusted(load[np.isfinite(load)], grid.steps_per_day)
        recent = adjusted[-_TRAINING_DAYS * grid.steps_per_day :]
        if np.ptp(recent) <= 1e-9 * max(1.0, float(np.abs(recent).max())):
            return State(1.0, 0.0, 0.8)
        scaled = (recent - recent.mean()) / recent.std()
        with warnings.catch_warnings():
            # An optimum at a bound, or one not reached to the last digit, is as good a smoothing as any.
            warnings.simplefilter("ignore")
            fitted = Holt(scaled, trend="add", damped_trend=True, initialization_method="heuristic").fit()
        found = [float(fitted.params[name]) for name in ("smoothing_level", "smoothing_trend", "damping_trend")]
        if not np.isfinite(found).all():
            return State(1.0, 0.0, 0.8)
        return State(*found)

    def paths(self, state: State, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        found = np.full((len(origins), steps), np.nan)
        for row, origin in enumerate(origins):
            terms = self._terms(state, grid, int(origin), steps)
            if terms:
                found[row] = sum(terms, np.zeros(steps))
        return found

    def contributions(self, state: State, grid: Grid, origin: int, steps: int) -> Parts:
        """The shapes of the day and the week count as calendar: they say what is usual at that time."""
        usual, carried, *seasons = self._terms(state, grid, origin, steps)
        return {LEVEL: usual, CALENDAR: sum(seasons, np.zeros(steps)), RECENT: carried}

    def _reach(self, per_day: int) -> int:
        return self.hyperparameters.window_days * per_day

    def _terms(self, state: State, grid: Grid, origin: int, steps: int) -> list[np.ndarray]:
        """What a path is the sum of: the level of the last week, the difference from it, and the seasons, (steps,).

        By the wall clock of the origin, so that the seasons move with a clock change. Nothing where no load is known.
        """
        per_day = grid.steps_per_day
        back = np.arange(-self._reach(per_day), 0)
        past = grid.at_clock_steps(back, np.full(len(back), origin))
        load = filled_load(grid)[past[past >= 0]]
        load = load[np.isfinite(load)]
        if load.size == 0:
            return []
        place = np.maximum(grid.clock_steps(origin + np.arange(steps), np.full(steps, origin)), 0)
        length = max(steps, int(place.max()) + 1)
        return [term[place] for term in self._terms_by_clock(state, load, per_day, length)]

    def _terms_by_clock(self, state: State, load: np.ndarray, per_day: int, steps: int) -> list[np.ndarray]:
        adjusted, seasons = self._adjusted(load, per_day)
        level, trend = _smoothed(adjusted[-_SMOOTHING_DAYS * per_day :], state)
        ahead = level + trend * np.cumsum(state.damping ** np.arange(1, steps + 1))
        usual = float(adjusted[-7 * per_day :].mean())
        kept = 0.5 ** (np.arange(steps) / (self.hyperparameters.reversion_days * per_day))
        # The trend of an evening must not carry the load beyond where it has been lately.
        low, high = float(adjusted[-7 * per_day :].min()), float(adjusted[-7 * per_day :].max())
        ahead = np.clip(ahead, low - (high - low), high + (high - low))
        return [np.full(steps, usual), (ahead - usual) * kept, *(np.resize(season, steps) for season in seasons)]

    def _adjusted(self, load: np.ndarray, per_day: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """The load (n,) without its seasons, and the last period of each season."""
        chosen = self.hyperparameters
        load = load[-self._reach(per_day) :]
        windows = (chosen.daily_window, chosen.weekly_window)
        periods = [
            (days * per_day, window)
            for days, window in zip(_SEASON_DAYS, windows, strict=True)
            if len(load) > (2 if days == 1 else 2.5) * days * per_day
        ]
        seasons = [np.zeros(len(load)) for _ in periods]
        left = np.array(load, dtype=float)
        for _ in range(_ITERATIONS if len(periods) > 1 else 1):
            for number, (period, window) in enumerate(periods):
                left = left + seasons[number]
                jump = max(1, period // 5)
                fitted = STL(
                    left,
                    period=period,
                    seasonal=window,
                    seasonal_deg=0,
                    seasonal_jump=max(1, window // 5),
                    trend_jump=jump,
                    low_pass_jump=jump,
                ).fit(inner_iter=_PASSES, outer_iter=0)
                seasons[number] = np.asarray(fitted.seasonal)
                left = left - seasons[number]
        return left, [season[-period:] for season, (period, _) in zip(seasons, periods, strict=True)]

    def pack(self, state: State) -> dict[str, bytes]:
        return {_STATE: json.dumps(state.__dict__, sort_keys=True).encode()}

    def unpack(self, files: Mapping[str, bytes]) -> State:
        numbers: dict[str, Any] = json.loads(files[_STATE])
        return State(**{name: float(value) for name, value in numbers.items()})


def _smoothed(values: np.ndarray, state: State) -> tuple[float, float]:
    """Level and trend after the last of the values, by Holt's recursion in error-correction form."""
    level, trend = float(values[0]), 0.0
    for value in values[1:].tolist():
        expected = level + state.damping * trend
        error = value - expected
        level = expected + state.level * error
        trend = state.damping * trend + state.level * state.trend * error
    return level, trend
