"""Errors of the daily peak: how large it is and when it comes. What a control room schedules for, whatever the mean."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from forecasting.calendar import local_clock
from forecasting.contracts import LOAD

PEAK_METRICS = ("peak_days", "peak_mae", "peak_bias", "peak_time_mae_hours")


def peak_errors(
    predictions: pd.DataFrame, *, resolution: pd.Timedelta, timezone: str, point: Hashable = 0.5
) -> pd.DataFrame:
    """Compare the greatest load of each local day with the greatest that was forecast for it.

    A day counts once per origin that forecasts it whole: all of its intervals on the local clock (23, 24 or 25 hours of
    them), each with a load and a forecast. Where the greatest load comes more than once, its first time counts.

    Args:
        predictions: columns `origin` and `valid_time` (UTC, on a grid of `resolution`), `load` in MW, and `point`.
        resolution: length of an interval.
        timezone: IANA name of the local clock.
        point: column of the forecast in MW, such as the level of the median. The greatest median of a day lies below
            the median of the day's greatest load when errors are large, so a small negative bias is normal.

    Returns:
        One row per origin and day, in their order: `origin`, `day_number` (local day, counted from 1970-01-01),
        `peak_error` in MW (forecast minus truth) and `peak_time_error_hours` (forecast minus truth, of elapsed time).
    """
    usable = predictions[np.isfinite(predictions[LOAD]) & np.isfinite(predictions[point].astype(float))]
    moments = pd.DatetimeIndex(usable["valid_time"])
    rows = pd.DataFrame(
        {
            "origin": usable["origin"].to_numpy(),
            "day_number": local_clock(moments, timezone=timezone).day_number,
            "moment": moments.as_unit("ns").asi8,
            "truth": usable[LOAD].to_numpy(dtype=float),
            "forecast": usable[point].to_numpy(dtype=float),
        }
    ).sort_values(["origin", "moment"], ignore_index=True)
    days = rows.groupby(["origin", "day_number"], sort=True)
    length = days.size()
    whole = length.index[length.to_numpy() == _intervals(length, moments, resolution=resolution, timezone=timezone)]
    truth = rows.loc[days["truth"].idxmax().loc[whole]].reset_index(drop=True)
    forecast = rows.loc[days["forecast"].idxmax().loc[whole]].reset_index(drop=True)
    return pd.DataFrame(
        {
            "origin": whole.get_level_values("origin"),
            "day_number": whole.get_level_values("day_number"),
            "peak_error": forecast["forecast"] - truth["truth"],
            "peak_time_error_hours": (forecast["moment"] - truth["moment"]) / pd.Timedelta(hours=1).value,
        }
    )


def peak_score(errors: pd.DataFrame) -> dict[str, float | int | None]:
    """`PEAK_METRICS` of the rows of `peak_errors`; None, but for the number of days, where no day was forecast whole.

    `peak_mae` and `peak_bias` are the mean absolute and mean signed error of the peak load in MW, forecast minus truth;
    `peak_time_mae_hours` is the mean absolute error of its time.
    """
    if errors.empty:
        return dict.fromkeys(PEAK_METRICS, None) | {"peak_days": 0}
    return {
        "peak_days": len(errors),
        "peak_mae": float(errors["peak_error"].abs().mean()),
        "peak_bias": float(errors["peak_error"].mean()),
        "peak_time_mae_hours": float(errors["peak_time_error_hours"].abs().mean()),
    }


def _intervals(length: pd.Series, moments: pd.DatetimeIndex, *, resolution: pd.Timedelta, timezone: str) -> np.ndarray:
    """How many intervals of the grid start in each local day of `length`, whose own rows may not be all of them."""
    if length.empty:
        return np.zeros(0, dtype=int)
    day = pd.Timedelta(days=1)
    grid = pd.date_range(moments.min() - day.ceil(resolution), moments.max() + day.ceil(resolution), freq=resolution)
    numbers, counts = np.unique(local_clock(grid, timezone=timezone).day_number, return_counts=True)
    return np.asarray(counts[np.searchsorted(numbers, length.index.get_level_values("day_number"))])
