"""Pictures of a backtest: where the errors are, whether the quantiles keep their word, and what a week looked like.

Figures are objects (`matplotlib.figure.Figure`) that touch no state of matplotlib's, so that any thread may draw.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecasting.calendar import local_clock
from forecasting.contracts import LOAD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from forecasting.backtest_report import BacktestReport

_COLOURS = {"model": "#1f5fa8", "baseline": "#8a8a8a", "champion": "#c8641e", "load": "#111111"}
_DAYS_SHOWN = 7


def write_figures(report: "BacktestReport", directory: Path) -> list[Path]:
    """Write each figure of `FIGURES` into a directory as `<name>.png`; see `BacktestReport.write_figures`."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in FIGURES.items():
        file = directory / f"{name}.png"
        draw(report).savefig(file, dpi=110)
        files.append(file)
    return files


def error_by_lead_time(report: "BacktestReport") -> "Figure":
    """Mean absolute error in each hour of lead time, of the model, the naive and the champion."""
    from matplotlib.ticker import MaxNLocator

    hours = np.floor(report.predictions["lead_time_hours"])
    figure, axes = _figure("Error by lead time", x="lead time, hours", y="mean absolute error, MW")
    _error_lines(axes, report, hours)
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 3, 6, 10], integer=True))
    axes.set_xlim(left=0)
    return figure


def error_by_hour(report: "BacktestReport") -> "Figure":
    """Mean absolute error in each hour of the local day, of the model, the naive and the champion."""
    hours = _clock(report).minute_of_day // 60
    timezone = report.parameters["timezone"]
    figure, axes = _figure("Error by local hour", x=f"hour of the day, {timezone}", y="mean absolute error, MW")
    _error_lines(axes, report, pd.Series(hours, index=report.predictions.index))
    axes.set_xticks(range(0, 24, 3))
    return figure


def calibration(report: "BacktestReport") -> "Figure":
    """How often the load was at or below each quantile, beside how often it should have been."""
    levels, shares = ([point[name] for point in report.calibration] for name in ("quantile", "observed"))
    figure, axes = _figure("Calibration", x="level of the quantile", y="share of loads at or below it", width=4.4)
    axes.plot([0, 1], [0, 1], color=_COLOURS["baseline"], linewidth=1, label="ideal")
    axes.plot(levels, shares, color=_COLOURS["model"], marker="o", label=report.kind)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.legend(frameon=False)
    return figure


def sample_week(report: "BacktestReport") -> "Figure":
    """The quantiles of the last seven days beside the load, each interval as it was forecast last."""
    rows = _newest(report.predictions)
    rows = rows[rows.index > rows.index[-1] - pd.Timedelta(days=_DAYS_SHOWN)]
    levels = report.parameters["quantiles"]
    figure, axes = _figure("The last seven days, each as forecast last", x="", y="load, MW")
    moments = _dates(axes, pd.DatetimeIndex(rows.index), report)
    for depth, (low, high) in enumerate(_intervals(levels)):
        shade = _mixed_with_white(_COLOURS["model"], 0.15 + 0.7 * depth / len(levels))
        label = f"{100 * (high - low):.3g} % interval"
        axes.fill_between(moments, rows[low].to_numpy(), rows[high].to_numpy(), color=shade, linewidth=0, label=label)
    axes.plot(moments, rows[0.5].to_numpy(), color=_COLOURS["model"], linewidth=1.4, label=f"{report.kind}, median")
    axes.plot(moments, rows["baseline"].to_numpy(), color=_COLOURS["baseline"], linewidth=0.9, label="seasonal naive")
    axes.plot(moments, rows[LOAD].to_numpy(), color=_COLOURS["load"], linewidth=1.1, label="load")
    axes.legend(frameon=False, ncols=2, fontsize="small")
    return figure


def residuals(report: "BacktestReport") -> "Figure":
    """Forecast minus load of every value over time, and its mean per local day."""
    rows = report.predictions
    error = (rows[0.5] - rows[LOAD]).to_numpy()
    day = pd.Series(_clock(report).day_number, index=rows.index)
    figure, axes = _figure("Residuals over time", x="", y="median minus load, MW")
    moments = _dates(axes, pd.DatetimeIndex(rows["valid_time"]), report)
    axes.axhline(0, color=_COLOURS["baseline"], linewidth=1)
    axes.plot(moments, error, ".", color=_COLOURS["model"], markersize=2, alpha=0.5, label="each value")
    daily = pd.DataFrame({"moment": moments, "error": error}, index=rows.index).groupby(day).mean()
    axes.plot(daily["moment"], daily["error"], color=_COLOURS["champion"], marker="o", label="mean of the local day")
    axes.legend(frameon=False)
    return figure


FIGURES: dict[str, Callable[["BacktestReport"], "Figure"]] = {
    "error_by_lead_time": error_by_lead_time,
    "error_by_hour": error_by_hour,
    "calibration": calibration,
    "sample_week": sample_week,
    "residuals": residuals,
}


def _figure(title: str, *, x: str, y: str, width: float = 8.0) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _error_lines(axes: "Axes", report: "BacktestReport", by: pd.Series) -> None:
    rows = report.predictions
    lines: dict[str, tuple[str | float, str]] = {
        "baseline": ("baseline", "seasonal naive"),
        "model": (0.5, report.kind),
    }
    if report.champion_model is not None:
        lines["champion"] = ("champion", f"champion, {report.champion_model['kind']}")
    for name, (column, label) in lines.items():
        error = (rows[column] - rows[LOAD]).abs().groupby(by).mean()
        axes.plot(error.index, error.to_numpy(), color=_COLOURS[name], marker=".", label=label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _intervals(levels: list[float]) -> list[tuple[float, float]]:
    """Pairs of levels as far below the median as above, widest first."""
    pairs = [(low, high) for low in levels for high in levels if low < 0.5 and abs(low + high - 1) < 1e-9]
    return sorted(pairs)


def _mixed_with_white(colour: str, share: float) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def _newest(predictions: pd.DataFrame) -> pd.DataFrame:
    """Each valid time as the latest origin forecast it, on a regular index: what no origin forecast is NaN."""
    rows = predictions.sort_values("origin").drop_duplicates("valid_time", keep="last").set_index("valid_time")
    rows = rows.drop(columns="origin").sort_index()
    step = pd.Series(rows.index).diff().min()
    return rows if pd.isna(step) else rows.asfreq(step)


def _clock(report: "BacktestReport") -> Any:
    return local_clock(pd.DatetimeIndex(report.predictions["valid_time"]), timezone=report.parameters["timezone"])


def _dates(axes: "Axes", moments: pd.DatetimeIndex, report: "BacktestReport") -> np.ndarray:
    """Mark the local days on the axis; returns the moments as the axis counts them."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    zone = ZoneInfo(report.parameters["timezone"])
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone, show_offset=False))
    first, last = (moment.tz_convert(zone).date() for moment in (moments.min(), moments.max()))
    axes.set_xlabel(f"{first} to {last}, {report.parameters['timezone']}")
    return np.asarray(date2num(moments.tz_convert(None).to_numpy()))
