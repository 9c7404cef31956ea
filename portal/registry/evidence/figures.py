"""The metrics of a whole backtest, beside those of the baseline and of a champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.registry.evidence.reading import number_of, part


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of a backtest: its key in the evidence, how it reads, and what of it is best."""

    key: str
    label: str
    unit: str = ""
    explanation: str
    ideal: float = 0.0
    scale: float = 1.0


METRICS = (
    Metric(key="mae", label="MAE", unit="{unit}", explanation="Mean absolute error of the median"),
    Metric(key="mape", label="MAPE", unit="%", explanation="Mean absolute percentage error"),
    Metric(key="rmse", label="RMSE", unit="{unit}", explanation="Root mean square error: large misses weigh more"),
    Metric(key="mase", label="MASE", explanation="Error against the naive error in the history; below 1 is better"),
    Metric(key="pinball", label="Pinball loss", unit="{unit}", explanation="Error of the whole distribution"),
    Metric(
        key="crps",
        label="CRPS",
        unit="{unit}",
        explanation="Error of the whole distribution, on the scale of the MAE",
    ),
    Metric(
        key="coverage_80",
        label="Coverage of the 80 % interval",
        unit="%",
        explanation="How often the truth fell inside; best is 80 %",
        ideal=0.8,
        scale=100.0,
    ),
    Metric(key="width_80", label="Width of the 80 % interval", unit="{unit}", explanation="Narrower is sharper"),
    Metric(key="bias", label="Bias", unit="{unit}", explanation="Mean of forecast minus truth; best is 0"),
    Metric(
        key="peak_mae",
        label="Error of the daily peak",
        unit="{unit}",
        explanation="Mean absolute error of the greatest load of a local day",
    ),
    Metric(
        key="peak_bias",
        label="Bias of the daily peak",
        unit="{unit}",
        explanation="Mean of forecast minus truth of the greatest load of a local day; best is 0",
    ),
    Metric(
        key="peak_time_mae_hours",
        label="Error of the peak's time",
        unit="h",
        explanation="By how many hours the time of the daily peak was missed, on average",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric of the model beside the baseline's and the champion's; None where the evidence has none."""

    metric: Metric
    unit: str
    model: float | None
    baseline: float | None
    champion: float | None

    @property
    def texts(self) -> dict[str, str]:
        """The three figures as they read on a page."""
        return {"model": shown(self.model), "baseline": shown(self.baseline), "champion": shown(self.champion)}

    @property
    def against_baseline(self) -> Comparison | None:
        return compare(self.model, self.baseline, ideal=self.metric.ideal * self.metric.scale)

    @property
    def against_champion(self) -> Comparison | None:
        return compare(self.model, self.champion, ideal=self.metric.ideal * self.metric.scale)


@dataclass(frozen=True)
class Comparison:
    """How much farther from or nearer to the ideal a figure is than another: -0.25 is a quarter less error."""

    change: float

    @property
    def verdict(self) -> str:
        if abs(self.change) < 0.005:
            return "same"
        return "better" if self.change < 0 else "worse"

    @property
    def text(self) -> str:
        if self.verdict == "same":
            return "the same"
        size = f"{abs(self.change):.0%}" if abs(self.change) < 9.995 else "far"
        return f"{size} {self.verdict}"


def compare(value: float | None, other: float | None, *, ideal: float) -> Comparison | None:
    """Compare two figures by their distance from the ideal; None where that is undefined."""
    if value is None or other is None or other == ideal:
        return None
    return Comparison(abs(value - ideal) / abs(other - ideal) - 1.0)


def figures(evidence: object, *, champion: object, unit: str) -> list[Figure]:
    """Every known metric that the evidence of the model or `champion`, the champion's metrics, hold.

    `unit` is the unit of the load.
    """
    other = champion if isinstance(champion, Mapping) else {}
    rows = [
        Figure(
            metric=metric,
            unit=metric.unit.format(unit=unit),
            model=_scaled(part(evidence, "metrics"), metric),
            baseline=_scaled(part(evidence, "baseline"), metric),
            champion=_scaled(other, metric),
        )
        for metric in METRICS
    ]
    return [row for row in rows if (row.model, row.baseline, row.champion) != (None, None, None)]


def shown(value: float | None) -> str:
    """A figure to three significant digits or to the unit, whichever is finer; a dash where there is none.

    One that no load can have is shown by its power of ten: written out it would push all else off the page.
    """
    if value is None:
        return "–"
    if abs(value) >= 1e12:
        return f"{value:.3g}".replace("-", "−")
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}".replace("-", "−")


def size(evidence: object) -> int | None:
    """How many pairs of forecast and truth the backtest compared."""
    n = part(evidence, "metrics").get("n")
    return n if isinstance(n, int) and not isinstance(n, bool) and abs(n) < 10**15 else None


def baseline_error(evidence: object) -> float | None:
    """MAE of the baseline over all lead times, in the unit of the load."""
    error = number_of(part(evidence, "baseline"), "mae")
    return error if error is not None and error >= 0 else None


def _scaled(metrics: Mapping[str, Any], metric: Metric) -> float | None:
    return number_of(metrics, metric.key, scale=metric.scale)
