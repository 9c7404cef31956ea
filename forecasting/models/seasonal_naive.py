"""The weekly seasonal naive: the load at the same local time in the last known week.

The yardstick of every other model, and the last rung of the fallback ladder: it needs nothing but a week of history.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from forecasting.conformal import LeadTimeCalibration
from forecasting.contracts import Window
from forecasting.contributions import OTHER, RECENT, Parts
from forecasting.features import CONTEXT, weekly_baseline
from forecasting.grid import Grid
from forecasting.models.base import Forecaster

_CALIBRATION_DAYS = 84
_CALIBRATION = "calibration.json"


class SeasonalNaive(Forecaster):
    """Load of the last known week; the spread is that of its errors over the last twelve weeks, by local hour."""

    kind: ClassVar[str] = "seasonal_naive"
    holds_out: ClassVar[bool] = False
    explains: ClassVar[bool] = True

    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        rows = len(history)
        targets = np.arange(max(7 * grid.steps_per_day, rows - _CALIBRATION_DAYS * grid.steps_per_day), rows)
        # Within a week the error of a weekly naive does not depend on the lead time: one block holds all.
        last_week = weekly_baseline(grid, origins=targets, targets=targets)
        self._calibration = LeadTimeCalibration.fit(
            actual=grid.load[targets],
            predicted=last_week[:, None],
            lead_hours=np.zeros(len(targets)),
            local_hour=grid.clock.minute_of_day[targets] // 60,
            levels=self.settings.quantiles,
        )
        self.features = ["load_week_ago"]

    def _predict(self, window: Window) -> np.ndarray:
        return self._forecast(window)[1]

    def _explain(self, window: Window) -> Parts:
        baseline, quantiles = self._forecast(window)
        return {RECENT: baseline, OTHER: quantiles[:, self.settings.quantiles.index(0.5)] - baseline}

    def _forecast(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """The load of the last known week, and the quantiles around it."""
        grid, origin = self._grid_of(window, CONTEXT)
        targets = np.arange(len(grid.load) - len(window.future), len(grid.load))
        baseline = weekly_baseline(grid, origins=np.full(len(targets), origin), targets=targets)
        return baseline, self._calibration.apply(
            baseline[:, None],
            lead_hours=(targets - origin) * grid.minutes / 60,
            local_hour=grid.clock.minute_of_day[targets] // 60,
        )

    def _files(self) -> dict[str, bytes]:
        return {_CALIBRATION: self._calibration.to_json()}

    def _restore(self, files: Mapping[str, bytes]) -> None:
        self._calibration = LeadTimeCalibration.from_json(files[_CALIBRATION])
