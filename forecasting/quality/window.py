"""The window under check, seen twice: as it came, and laid on its regular grid."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecasting.contracts import LOAD, TEMPERATURE
from forecasting.quality.settings import CheckSettings


@dataclass(frozen=True, kw_only=True)
class CheckedWindow:
    """A history as it came (UTC index, perhaps irregular), and what it is checked against.

    `reference` is an earlier window of the same series on a regular grid, or None.
    """

    history: pd.DataFrame
    timezone: str
    resolution: pd.Timedelta
    as_of: pd.Timestamp
    reference: pd.DataFrame | None
    settings: CheckSettings

    @cached_property
    def regular(self) -> pd.DataFrame:
        """Float columns on the full grid from the first to the last stamp: first of duplicates, NaN in gaps.

        Rows off the grid are left out; `timestamps_on_grid` reports them.
        """
        frame = self.history.apply(pd.to_numeric, errors="coerce").astype("float64")
        frame = frame.mask(np.isinf(frame)).sort_index(kind="stable")
        frame = frame[~frame.index.duplicated()]
        on_grid = frame.index.floor(self.resolution) == frame.index
        frame = frame[on_grid]
        if frame.empty:
            return frame
        return frame.reindex(pd.date_range(frame.index[0], frame.index[-1], freq=self.resolution))

    @property
    def load(self) -> pd.Series:
        """Load in MW on the regular grid."""
        return self.regular[LOAD]

    @property
    def temperature(self) -> pd.Series | None:
        """Temperature in °C on the regular grid, if there is one."""
        return self.regular[TEMPERATURE] if TEMPERATURE in self.regular.columns else None

    @property
    def hours_per_step(self) -> float:
        return float(self.resolution / pd.Timedelta(hours=1))

    def local(self, time: pd.Timestamp) -> str:
        """A time as people of the series' place read it, with the UTC offset."""
        return str(time.tz_convert(self.timezone).strftime("%Y-%m-%d %H:%M%z"))


def longest_run(mask: pd.Series) -> tuple[int, pd.Timestamp | None]:
    """Length in steps and first stamp of the longest run of True; (0, None) when there is none."""
    if not mask.any():
        return 0, None
    values = mask.to_numpy(dtype=bool)
    edges = np.diff(np.concatenate(([0], values.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    longest = int(np.argmax(ends - starts))
    return int(ends[longest] - starts[longest]), mask.index[starts[longest]]
