"""What a backtest found: measures, their breakdowns, comparisons, and the record of what was known when."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from forecasting.metrics import skill

Metrics = dict[str, float | int | None]


@dataclass(frozen=True)
class BacktestReport:
    """What a backtest found.

    `metrics`, `baseline` and `champion` have the keys of `forecasting.metrics.METRICS` and of
    `forecasting.peaks.PEAK_METRICS`. Each row of a breakdown has those of `METRICS`, `skill` and
    `skill_against_champion`.
    """

    kind: str
    parameters: dict[str, Any]
    metrics: Metrics
    baseline: Metrics
    """The weekly seasonal naive on the same origins and rows."""
    champion: Metrics | None
    """A champion trained on the same history, on the same origins and rows; None where none was given."""
    champion_model: dict[str, Any] | None
    """Its `kind` and `parameters` as it was trained here."""
    significance: dict[str, dict[str, Any] | None]
    """Against `baseline` and `champion`: a paired test of the errors; see `forecasting.significance`."""
    calibration: list[dict[str, Any]]
    """Per level the share of loads at or below its forecast; see `forecasting.metrics.calibration`."""
    by_lead_time: list[dict[str, Any]]
    by_hour: list[dict[str, Any]]
    """By `hour` of the local day."""
    by_day_type: list[dict[str, Any]]
    """By `day_type`, one of `forecasting.breakdowns.DAY_TYPES`."""
    by_holiday: list[dict[str, Any]]
    """By the `date` and name (`holiday`) of each public holiday."""
    predictions: pd.DataFrame = field(repr=False)
    """Columns `origin`, `valid_time` (UTC), `lead_time_hours`, `load`, `baseline` and, if there is one, `champion`
    (MW), and the quantile levels."""
    known_at_origin: list[dict[str, Any]] = field(repr=False)
    """Per origin, in UTC; a time is that of the start of an interval, but `…_until` and `origin` end their period.

    `trained_from`, `trained_until`, `last_load` (the last one that was known), `forecast_from`, `forecast_until`, and
    per covariate in `covariates`: `last_observed`, its last value before the origin; `after_origin`, in the words of
    `forecasting.known_at_origin`; `last_used`, the last value that the model was given at all; and, of one that is
    known ahead, `forecast_share` and `observed_share`, of the intervals ahead (the rest was unknown).
    """
    covariates: dict[str, str]
    """Per covariate, what was assumed of it after the origins, in the words of `forecasting.known_at_origin`."""
    refit: bool

    @property
    def skill(self) -> float | None:
        """1 − MAE / MAE of the baseline: above zero is better than last week's load; None where undefined."""
        return skill(self.metrics["mae"], self.baseline["mae"])

    @property
    def skill_against_champion(self) -> float | None:
        """1 − MAE / MAE of the champion; None without a champion or where undefined."""
        return None if self.champion is None else skill(self.metrics["mae"], self.champion["mae"])

    def to_dict(self) -> dict[str, Any]:
        """The report without the single predictions, JSON-able: numbers are finite or None."""
        return {
            "kind": self.kind,
            "parameters": self.parameters,
            "refit": self.refit,
            "covariates": self.covariates,
            "n_origins": len(self.known_at_origin),
            "metrics": self.metrics,
            "baseline": self.baseline,
            "skill": self.skill,
            "champion": self.champion,
            "champion_model": self.champion_model,
            "skill_against_champion": self.skill_against_champion,
            "significance": self.significance,
            "calibration": self.calibration,
            "by_lead_time": self.by_lead_time,
            "by_hour": self.by_hour,
            "by_day_type": self.by_day_type,
            "by_holiday": self.by_holiday,
            "known_at_origin": self.known_at_origin,
        }

    def write_figures(self, directory: str | Path) -> list[Path]:
        """Draw the report as PNG files; see `forecasting.figures`.

        Args:
            directory: made where it does not exist; figures of the same name in it are replaced.

        Returns:
            The files, in the order in which they are best read.

        Raises:
            OSError: the directory or a file cannot be written.
        """
        from forecasting.figures import write_figures

        return write_figures(self, Path(directory))
