"""whylogs: a profile of the window, and constraints on it that come from the reference."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecasting.contracts import LOAD, TEMPERATURE
from forecasting.quality.compatibility import unmaintained_libraries
from forecasting.quality.features import Comparison, TooShort, compare
from forecasting.quality.results import CheckResult
from forecasting.quality.settings import CheckSettings
from forecasting.quality.window import CheckedWindow

if TYPE_CHECKING:
    from whylogs.core.view.dataset_profile_view import DatasetProfileView

REPORT = "whylogs.bin"
EXACT_ROWS = 32_768  # up to here quantiles are exact; beyond, the sketch drops values at random


@dataclass(frozen=True)
class _Rule:
    """One constraint: the metric that it reads, its bounds, and the unit of both."""

    name: str
    column: str
    metric: str
    low: float
    high: float
    unit: str


class WhylogsEngine:
    """A profile by whylogs 1.6 and its constraints; every constraint becomes one result, all of them warnings."""

    def run(self, window: CheckedWindow, *, report_directory: Path | None) -> list[CheckResult]:
        """One result per constraint; the profile is written to `report_directory`/whylogs.bin.

        Raises:
            ImportError: whylogs is not installed.
        """
        try:
            comparison = compare(window)
        except TooShort as reason:
            message = f"nothing to compare: {reason}"
            return [
                CheckResult(engine="whylogs", name="profile", status="skipped", severity="warning", message=message)
            ]
        rules = _rules(comparison, settings=window.settings)
        with unmaintained_libraries():
            view = _profile(comparison.current, at=window.as_of)
            report = None if report_directory is None else _write_profile(view, report_directory)
            return _validate(rules, view, basis=comparison.basis, report=report)


def _rules(comparison: Comparison, *, settings: CheckSettings) -> list[_Rule]:
    load = comparison.reference[LOAD]
    rules = [_Rule("load_null_share", LOAD, "null_share", 0.0, settings.max_missing_share, "")]
    for metric, centre in (("mean", float(load.mean())), ("median", float(load.median()))):
        reach = settings.max_mean_change * abs(centre)
        rules.append(_Rule(f"load_{metric}", LOAD, metric, centre - reach, centre + reach, " MW"))
    spread = float(load.std())
    rules.append(
        _Rule(
            "load_stddev", LOAD, "stddev", spread / settings.max_level_ratio, spread * settings.max_level_ratio, " MW"
        )
    )
    if TEMPERATURE in comparison.current.columns:
        limit = settings.max_temperature_missing_share
        rules.append(_Rule("temperature_null_share", TEMPERATURE, "null_share", 0.0, limit, ""))
        mean, reach = float(comparison.reference[TEMPERATURE].mean()), settings.max_temperature_change_c
        rules.append(_Rule("temperature_mean", TEMPERATURE, "mean", mean - reach, mean + reach, " °C"))
    return rules


def _profile(table: pd.DataFrame, *, at: pd.Timestamp) -> "DatasetProfileView":
    """The profile is dated by `at`, not by the clock, and its sketches are exact for a year of half-hours."""
    from whylogs.core import DatasetProfile, DatasetSchema
    from whylogs.core.metrics import MetricConfig

    schema = DatasetSchema(default_configs=MetricConfig(kll_k_large=EXACT_ROWS))
    moment = at.to_pydatetime(warn=False)
    profile = DatasetProfile(schema, dataset_timestamp=moment, creation_timestamp=moment)
    profile.track(table.reset_index(drop=True))
    return profile.view()


def _validate(rules: list[_Rule], view: "DatasetProfileView", *, basis: str, report: Path | None) -> list[CheckResult]:
    from whylogs.core.constraints import ConstraintsBuilder

    builder = ConstraintsBuilder(view)
    for rule in rules:
        builder.add_constraint(_constraint(rule))
    outcomes = {outcome.name: outcome for outcome in builder.build().generate_constraints_report()}
    results = []
    for rule in rules:
        value = _measured(rule, view)
        if value is None:
            message = f"there is no {rule.column} to take the {rule.metric} of"
            results.append(
                CheckResult(
                    engine="whylogs",
                    name=rule.name,
                    status="skipped",
                    severity="warning",
                    message=message,
                    report=report,
                )
            )
            continue
        results.append(
            CheckResult(
                engine="whylogs",
                name=rule.name,
                status="passed" if outcomes[rule.name].passed else "failed",
                severity="warning",
                value=value,
                threshold=round(rule.high if value >= rule.low else rule.low, 6),
                message=f"{rule.metric} of {rule.column} is {value}{rule.unit}; {rule.low:.6g} to "
                f"{rule.high:.6g}{rule.unit} is allowed, against {basis}",
                report=report,
            )
        )
    return results


def _constraint(rule: _Rule) -> Any:
    from whylogs.core.constraints import factories

    if rule.metric == "null_share":
        constraint = factories.null_percentage_below_number(rule.column, rule.high)
    elif rule.metric == "median":
        constraint = factories.quantile_between_range(rule.column, 0.5, rule.low, rule.high, skip_missing=False)
    elif rule.metric == "mean":
        constraint = factories.mean_between_range(rule.column, rule.low, rule.high, skip_missing=False)
    else:
        constraint = factories.stddev_between_range(rule.column, rule.low, rule.high, skip_missing=False)
    constraint.name = rule.name
    return constraint


def _measured(rule: _Rule, view: "DatasetProfileView") -> float | None:
    from whylogs.core.configs import SummaryConfig

    column = view.get_column(rule.column)
    kind = "counts" if rule.metric == "null_share" else "distribution"
    summary = column.get_metric(kind).to_summary_dict(SummaryConfig())
    if rule.metric == "null_share":
        return round(float(summary["null"] / summary["n"]), 6)
    # whylogs gives a mean of zero where it has seen no value.
    value = summary.get(rule.metric) if summary.get("n") else None
    return None if value is None else round(float(value), 6)


def _write_profile(view: "DatasetProfileView", directory: Path) -> Path:
    """Written under another name first, so that a reader never sees half a profile."""
    with tempfile.TemporaryDirectory(dir=directory) as fresh:
        written = Path(fresh) / REPORT
        written.write_bytes(view.serialize())
        return written.replace(directory / REPORT)
