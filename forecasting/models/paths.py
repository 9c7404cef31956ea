"""Models whose point forecasts come as paths from many origins at once, calibrated out of sample.

Such a model learns from the part of a grid before some position, and then says, for any origins, what it expects of
each interval after them. That one ability serves everything else: it is judged on origins in the held-out end of the
history, the quantiles come from those residuals, the final state is learned from the whole history, and ensembles
weigh models by the very same paths.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from forecasting.conformal import LeadTimeCalibration
from forecasting.contracts import Window
from forecasting.contributions import OTHER, Parts, add
from forecasting.grid import Grid
from forecasting.models.base import Forecaster
from forecasting.models.settings import Settings
from forecasting.sampling import held_out_from, held_out_origins

CALIBRATION = "calibration.json"


class PathForecaster(Forecaster):
    """A forecaster by paths. Subclasses give `context`, `learn`, `paths`, `pack` and `unpack`, and set `features`.

    One that `explains` gives `contributions` too.
    """

    context: pd.Timedelta
    """History before the origin that a path can depend on."""

    @abstractmethod
    def learn(self, grid: Grid, end: int) -> Any:
        """Learn from the intervals before the position `end`; the state is what `paths` takes."""

    @abstractmethod
    def paths(self, state: Any, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        """Expected loads in MW of the `steps` intervals from each of n origins on, (n, steps).

        Nothing at or after an origin enters its path, but the calendar and the covariates known ahead.
        """

    def quantile_paths(self, state: Any, grid: Grid, origins: np.ndarray, steps: int) -> np.ndarray:
        """What the calibration starts from, (n, steps, q) in MW: the model's own quantiles, or one path for all."""
        return self.paths(state, grid, origins, steps)[..., None]

    def contributions(self, state: Any, grid: Grid, origin: int, steps: int) -> Parts:
        """What the path from one origin is made of, (steps,) in MW by group; they sum to `paths`."""
        raise NotImplementedError(f"{self.kind} does not explain its forecasts")

    @abstractmethod
    def pack(self, state: Any) -> dict[str, bytes]:
        """A state as named files, byte for byte the same for the same state."""

    @abstractmethod
    def unpack(self, files: Mapping[str, bytes]) -> Any:
        """The state that `pack` wrote."""

    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        # The grid was screened for implausible loads as a whole, so its held-out end was screened with hindsight: a
        # load there may count as missing because of what came after it. A forecast has no such help; the judgement is
        # that much too kind where outliers are frequent. Backtests screen each origin's history alone.
        rows = len(history)
        split = held_out_from(grid, rows)
        origins, steps = held_out_origins(grid, start=split, end=rows, horizon_steps=horizon_steps(self.settings, grid))
        predicted = self.quantile_paths(self.learn(grid, split), grid, origins, steps)
        self._calibration = calibrated(grid, origins, predicted, levels=self.settings.quantiles)
        self._state = self.learn(grid, rows)

    def _predict(self, window: Window) -> np.ndarray:
        grid, origin = self._grid_of(window, self.context)
        return self._calibrated(self._ahead(grid, origin), grid, origin)[-len(window.future) :]

    def _explain(self, window: Window) -> Parts:
        grid, origin = self._grid_of(window, self.context)
        ahead = self._ahead(grid, origin)
        parts = self.contributions(self._state, grid, origin, len(ahead))
        # Quantiles that all lie on one side of the path are put in order, and the median with them.
        median = self._calibrated(ahead, grid, origin)[:, self.settings.quantiles.index(0.5)]
        add(parts, OTHER, median - ahead[:, 0])
        return {group: values[-len(window.future) :] for group, values in parts.items()}

    def _ahead(self, grid: Grid, origin: int) -> np.ndarray:
        """From the origin to the end of the grid, (steps, q), not calibrated."""
        ahead: np.ndarray = self.quantile_paths(self._state, grid, np.array([origin]), len(grid.load) - origin)[0]
        return ahead

    def _calibrated(self, ahead: np.ndarray, grid: Grid, origin: int) -> np.ndarray:
        targets = np.arange(origin, len(grid.load))
        return self._calibration.apply(
            ahead,
            lead_hours=(targets - origin) * grid.minutes / 60,
            local_hour=grid.clock.minute_of_day[targets] // 60,
        )

    def _files(self) -> dict[str, bytes]:
        return {**self.pack(self._state), CALIBRATION: self._calibration.to_json()}

    def _restore(self, files: Mapping[str, bytes]) -> None:
        self._state = self.unpack(files)
        self._calibration = LeadTimeCalibration.from_json(files[CALIBRATION])


def horizon_steps(settings: Settings, grid: Grid) -> int:
    """Intervals of the horizon."""
    return int(settings.horizon / pd.Timedelta(minutes=grid.minutes))


def calibrated(
    grid: Grid, origins: np.ndarray, predicted: np.ndarray, *, levels: tuple[float, ...]
) -> LeadTimeCalibration:
    """Learn the spread from `quantile_paths` of a model that has seen nothing after the first of their origins."""
    steps = predicted.shape[1]
    targets = (origins[:, None] + np.arange(steps)).ravel()
    return LeadTimeCalibration.fit(
        actual=grid.load[targets],
        predicted=predicted.reshape(len(targets), -1),
        lead_hours=np.tile(np.arange(steps), len(origins)) * grid.minutes / 60,
        local_hour=grid.clock.minute_of_day[targets] // 60,
        levels=levels,
    )
