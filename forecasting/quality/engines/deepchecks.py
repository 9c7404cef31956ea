"""Deepchecks: the window against its reference, as a suite with conditions and an HTML report."""

import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecasting.contracts import LOAD
from forecasting.quality.compatibility import unmaintained_libraries
from forecasting.quality.features import Comparison, TooShort, compare
from forecasting.quality.results import CheckResult, Status
from forecasting.quality.settings import CheckSettings
from forecasting.quality.window import CheckedWindow

if TYPE_CHECKING:
    from deepchecks.core import SuiteResult

REPORT = "deepchecks.html"
SEED = 42
TABLES = {"Train Dataset": "reference", "Test Dataset": "window"}  # Deepchecks' words in headers, and ours


class DeepchecksEngine:
    """A suite of Deepchecks 0.19; every condition becomes one result, all of them warnings.

    Left out of the stock suites, because they cannot run or cannot apply here: OutlierSampleDetection (calls pandas
    with an argument that pandas 2 removed), MultivariateDrift (starts worker processes and takes longer than all
    others together), and the checks of class labels. So no check is expected to be skipped: one that Deepchecks does
    not run is reported as an error, unless the rows are too few for it.
    """

    def run(self, window: CheckedWindow, *, report_directory: Path | None) -> list[CheckResult]:
        """One result per check of the suite; the report is written to `report_directory`/deepchecks.html.

        Raises:
            ImportError: Deepchecks is not installed.
        """
        try:
            comparison = compare(window)
        except TooShort as reason:
            message = f"nothing to compare: {reason}"
            return [_result("suite", status="skipped", message=message)]
        with unmaintained_libraries():
            outcome = _run_suite(comparison, settings=window.settings, displays=report_directory is not None)
            report = None if report_directory is None else _write_report(outcome, report_directory)
            return _results(outcome, basis=comparison.basis, report=report)


def _run_suite(comparison: Comparison, *, settings: CheckSettings, displays: bool) -> "SuiteResult":
    import deepchecks
    from deepchecks.tabular import Dataset, Suite, checks

    deepchecks.set_verbosity(logging.ERROR)  # below it, progress bars are drawn; importing sets it to INFO

    def dataset(table: pd.DataFrame, name: str) -> Any:
        # Deepchecks takes naive times; these are UTC.
        timed = table.assign(valid_time=pd.DatetimeIndex(table.index).tz_localize(None)).reset_index(drop=True)
        observed = timed.dropna(subset=[LOAD]).reset_index(drop=True)
        # Left to guess, Deepchecks takes a load of few values for a class, and refuses one that never changes.
        return Dataset(
            observed,
            label=LOAD,
            label_type="regression",
            cat_features=["weekday"],
            datetime_name="valid_time",
            dataset_name=name,
        )

    sampled: dict[str, Any] = {"n_samples": settings.n_samples, "random_state": SEED}
    suite = Suite(
        "Window against reference",
        checks.IsSingleValue(**sampled).add_condition_not_single_value(),
        checks.PercentOfNulls(**sampled).add_condition_percent_of_nulls_not_greater_than(
            settings.max_temperature_missing_share
        ),
        checks.MixedNulls(**sampled).add_condition_different_nulls_less_equal_to(1),
        checks.MixedDataTypes(**sampled).add_condition_rare_type_ratio_not_in_range(),
        checks.DataDuplicates(**sampled).add_condition_ratio_less_or_equal(0),
        checks.NewCategoryTrainTest(**sampled).add_condition_new_categories_less_or_equal(0),
        checks.DateTrainTestLeakageDuplicates(**sampled).add_condition_leakage_ratio_less_or_equal(0),
        checks.DateTrainTestLeakageOverlap(**sampled).add_condition_leakage_ratio_less_or_equal(0),
        checks.TrainTestSamplesMix(**sampled).add_condition_duplicates_ratio_less_or_equal(0),
        checks.FeatureLabelCorrelationChange(**sampled).add_condition_feature_pps_difference_less_than(0.3),
        checks.FeatureDrift(**sampled).add_condition_drift_score_less_than(
            max_allowed_categorical_score=settings.max_drift, max_allowed_numeric_score=settings.max_drift
        ),
        checks.LabelDrift(**sampled).add_condition_drift_score_less_than(settings.max_drift),
    )
    return suite.run(
        dataset(comparison.reference, "reference"), dataset(comparison.current, "window"), with_display=displays
    )


def _results(outcome: "SuiteResult", *, basis: str, report: Path | None) -> list[CheckResult]:
    from deepchecks.core import CheckFailure
    from deepchecks.core.errors import NotEnoughSamplesError

    results = []
    for each in outcome.results:
        name = _name(each.get_header(), check=type(each.check).__name__)
        if isinstance(each, CheckFailure):
            status: Status = "skipped" if isinstance(each.exception, NotEnoughSamplesError) else "error"
            message = f"Deepchecks did not run this check: {type(each.exception).__name__}: {each.exception}"
            results.append(_result(name, status=status, message=message, report=report))
            continue
        for condition in each.conditions_results:
            status = "passed" if condition.is_pass() else "failed"
            if condition.category.name == "ERROR":
                status = "error"
            detail = " ".join((condition.details or condition.category.value).split())
            message = f"{condition.name}: {detail} (the reference is {basis})"
            results.append(_result(name, status=status, message=message, report=report))
    return results


def _name(header: str, *, check: str) -> str:
    """`percent_of_nulls_window`: the check's class, and the table where a check looks at one table only."""
    table = next((f"_{ours}" for theirs, ours in TABLES.items() if header.endswith(theirs)), "")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", check).lower() + table


def _write_report(outcome: "SuiteResult", directory: Path) -> Path:
    """Deepchecks evades a file that exists by another name, so it writes into a fresh folder, and the file moves."""
    with tempfile.TemporaryDirectory(dir=directory) as fresh:
        written = Path(fresh) / REPORT
        outcome.save_as_html(str(written), as_widget=False, unique_id="gridcast")
        return written.replace(directory / REPORT)


def _result(name: str, *, status: Status, message: str, report: Path | None = None) -> CheckResult:
    return CheckResult(
        engine="deepchecks", name=name, status=status, severity="warning", message=message, report=report
    )
