"""Deepchecks and whylogs, really running: results, reports, quietness, and what happens without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.quality import compatibility

ROOT = Path(__file__).parents[3]
BOTH = ("deepchecks", "whylogs")
SCRIPT = """
import sys
import pandas as pd
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # as if it were not installed
from forecasting.quality import run_checks
heavy = {"deepchecks", "whylogs", "sklearn", "plotly"} & {name for name, module in sys.modules.items() if module}
assert not heavy, heavy
frame = pd.read_csv("data/victoria_2014.csv.gz", index_col="timestamp", parse_dates=True, nrows=2688)
frame = frame.rename(columns={"load_mw": "load", "temperature_c": "temperature"})
for each in run_checks(frame, timezone="Australia/Melbourne", resolution="30min",
                       as_of=frame.index[-1] + pd.Timedelta("1h")):
    print(each.engine, each.name, each.status, each.severity, each.message, sep="|")
"""


def of(results, engine: str):
    return {name: each for (by, name), each in results.items() if by == engine}


@pytest.fixture(scope="module")
def good(check, victoria_2014, tmp_path_factory):
    directory = tmp_path_factory.mktemp("reports") / "new"
    return check(victoria_2014, engines=BOTH, report_directory=directory), directory


@pytest.mark.parametrize("engine", BOTH)
def test_every_check_of_the_engine_runs_and_passes_on_a_good_year(good, engine):
    results = of(good[0], engine)
    assert len(results) >= 6
    assert {(each.status, each.severity) for each in results.values()} == {("passed", "warning")}


def test_the_deepchecks_report_is_a_page_with_every_check_on_it(good):
    results, directory = good
    reports = {each.report for each in of(results, "deepchecks").values()}
    assert reports == {directory / "deepchecks.html"}
    text = (directory / "deepchecks.html").read_text(encoding="utf-8")

    class Tags(HTMLParser):
        seen: set[str] = set()  # noqa: RUF012 - one parser, one page

        def handle_starttag(self, tag, attrs):
            self.seen.add(tag)

    page = Tags()
    page.feed(text)
    assert {"html", "body", "table", "script"} <= page.seen
    for title in ("Feature Drift", "Label Drift", "Data Duplicates", "Train Test Samples Mix"):
        assert title in text
    assert len(text) > 1_000_000  # it carries its plotting library, so that it opens without a network


def test_the_whylogs_profile_opens_and_holds_the_window(good, victoria_2014):
    results, directory = good
    assert {each.report for each in of(results, "whylogs").values()} == {directory / "whylogs.bin"}
    with compatibility.unmaintained_libraries():
        from whylogs.core.view.dataset_profile_view import DatasetProfileView

        view = DatasetProfileView.deserialize((directory / "whylogs.bin").read_bytes())
        table = view.to_pandas()
    current = victoria_2014["load"].iloc[48:].iloc[len(victoria_2014.iloc[48:]) // 2 :]
    assert table.loc["load", "counts/n"] == len(current)
    assert table.loc["load", "distribution/mean"] == pytest.approx(current.mean())


def test_only_reports_are_left_in_the_directory_and_a_second_run_replaces_them(check, good, victoria_2014):
    results, directory = good
    again = check(victoria_2014, engines=BOTH, report_directory=directory)
    assert sorted(path.name for path in directory.iterdir()) == ["deepchecks.html", "whylogs.bin"]
    assert again == results


def test_results_are_plain_json_values(good):
    for each in good[0].values():
        assert json.loads(json.dumps(each.to_dict(), allow_nan=False))["name"] == each.name


def test_no_report_is_written_unless_asked_for(check, victoria):
    assert {each.report for each in check(victoria, engines=BOTH).values()} == {None}


def test_a_window_unlike_its_reference_is_warned_of_by_both(check, victoria):
    reference = victoria.iloc[:8_000]
    window = victoria.iloc[8_000:].assign(load=lambda f: f["load"] * 1.8, temperature=lambda f: f["temperature"] + 25)
    results = check(window, reference=reference, engines=BOTH)
    failed = {name for name, each in results.items() if each.status == "failed"}
    assert {("deepchecks", "label_drift"), ("deepchecks", "feature_drift")} <= failed
    assert {("whylogs", "load_mean"), ("whylogs", "load_median"), ("whylogs", "temperature_mean")} <= failed
    assert all(each.severity == "warning" for each in results.values())


def test_missing_temperatures_and_loads_are_warned_of(check, victoria):
    victoria.iloc[12_000:, 1] = np.nan
    victoria.iloc[15_000:16_000, 0] = np.nan
    results = check(victoria, engines=BOTH)
    assert results["deepchecks", "percent_of_nulls_window"].status == "failed"
    assert results["whylogs", "temperature_null_share"].status == "failed"
    assert results["whylogs", "load_null_share"].status == "failed"


def test_a_reference_that_overlaps_the_window_is_a_leak(check, victoria):
    results = check(victoria.iloc[4_000:], reference=victoria.iloc[:8_000], engines=("deepchecks",))
    assert results["deepchecks", "date_train_test_leakage_overlap"].status == "failed"
    assert results["deepchecks", "train_test_samples_mix"].status == "failed"


def test_a_series_without_temperature_is_checked_too(check, england_wales):
    results = check(england_wales, timezone="Europe/London", engines=BOTH)
    assert {each.status for each in results.values()} == {"passed"}


def test_a_short_window_is_skipped_with_the_reason(check, victoria):
    results = check(victoria.iloc[:400], engines=BOTH)
    assert [each.status for each in results.values()] == ["skipped", "skipped"]
    assert all("336 (7 days) are needed" in each.message for each in results.values())


def test_a_crash_of_an_engine_is_reported_and_the_gates_still_speak(check, victoria, tmp_path):
    (tmp_path / "deepchecks.html").mkdir()  # the report cannot take this name
    results = check(victoria, engines=("builtin", *BOTH), report_directory=tmp_path)
    crashed = of(results, "deepchecks")["engine_runs"]
    assert (crashed.status, crashed.severity) == ("error", "warning")
    assert "crashed" in crashed.message
    assert {each.status for each in of(results, "builtin").values()} == {"passed"}
    assert "engine_runs" not in of(results, "whylogs")


def test_numpy_and_the_warning_filters_are_left_as_they_were(check, victoria):
    check(victoria.iloc[:4_000], engines=BOTH)
    assert not [name for name in compatibility.REMOVED_FROM_NUMPY if name in vars(np)]


@pytest.mark.parametrize("blocked", ["deepchecks", "whylogs"])
def test_a_missing_engine_is_one_result_and_everything_else_runs_quietly(blocked):
    environment = {key: value for key, value in os.environ.items() if key not in compatibility.NO_TELEMETRY}
    outcome = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, blocked],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("|") for line in outcome.stdout.splitlines()]
    of_blocked = [row for row in rows if row[0] == blocked]
    assert [row[1:4] for row in of_blocked] == [["engine_runs", "error", "warning"]]
    assert "cannot be imported" in of_blocked[0][4]
    assert {"builtin", "deepchecks", "whylogs"} == {row[0] for row in rows}
    assert not [row for row in rows if row[0] != blocked and row[2] == "error"]
    assert outcome.stderr == ""


def test_a_year_of_half_hours_takes_seconds(check, victoria, tmp_path):
    start = time.process_time()
    check(victoria, engines=BOTH, report_directory=tmp_path)
    assert time.process_time() - start < 10
    assert pd.Timedelta(victoria.index[-1] - victoria.index[0]) > pd.Timedelta(days=364)


def test_a_temperature_that_is_wholly_missing_has_no_mean(check, victoria):
    reference, window = victoria.iloc[:8_000], victoria.iloc[8_000:].assign(temperature=np.nan)
    results = check(window, reference=reference, engines=("whylogs",))
    assert results["whylogs", "temperature_null_share"].status == "failed"
    mean = results["whylogs", "temperature_mean"]
    assert (mean.status, mean.value, mean.message) == ("skipped", None, "there is no temperature to take the mean of")


def test_a_load_that_never_changed_is_judged_by_deepchecks_too(check, victoria):
    frozen = victoria.assign(load=5_000.0)
    results = check(frozen.iloc[8_000:], reference=frozen.iloc[:8_000], engines=("deepchecks",))
    assert "error" not in {each.status for each in results.values()}
    assert results["deepchecks", "is_single_value_window"].status == "failed"
