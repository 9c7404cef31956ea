"""How the evidence of a model reads on a page, however it came."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting import backtest, create_model, daily_origins
from portal.registry.challenge import challenge
from portal.registry.charts import Line, lead_time_chart, line_chart
from portal.registry.evidence import (
    HOUR,
    LEAD_TIME,
    SEGMENTS,
    baseline_error,
    calibration_points,
    compare,
    error_points,
    errors_by_lead_time,
    figures,
    part,
    shown,
    significance,
    size,
    study,
    table,
)
from portal.registry.models import ModelVersion
from portal.series.models import Series
from tests.portal.registry.rich_evidence import rich_evidence

EVIDENCE = {
    "metrics": {"n": 960, "mae": 180.0, "mape": 3.9, "coverage_80": 0.82, "bias": -6.0, "mase": None},
    "baseline": {"n": 960, "mae": 400.0, "mape": 8.7, "coverage_80": 0.7, "bias": 3.0, "mase": 1.2},
    "by_lead_time": [
        {"lead_time_from": 12.0, "lead_time_to": 24.0, "mae": 200.0},
        {"lead_time_from": 0.0, "lead_time_to": 12.0, "mae": 160.0},
        {"lead_time_from": 24.0, "lead_time_to": 36.0, "mae": None},
    ],
}


def test_figures_stand_beside_the_baseline_and_the_champion() -> None:
    rows = {row.metric.key: row for row in figures(EVIDENCE, champion={"mae": 150.0}, unit="MW")}
    assert list(rows) == ["mae", "mape", "mase", "coverage_80", "bias"]
    mae = rows["mae"]
    assert (mae.unit, mae.model, mae.baseline, mae.champion) == ("MW", 180.0, 400.0, 150.0)
    assert mae.against_baseline is not None
    assert mae.against_champion is not None
    assert (mae.against_baseline.text, mae.against_champion.text) == ("55% better", "20% worse")
    assert rows["mape"].champion is None
    assert rows["mase"].against_baseline is None


def test_coverage_is_judged_by_its_distance_from_eighty_percent() -> None:
    rows = {row.metric.key: row for row in figures(EVIDENCE, champion=None, unit="MW")}
    assert rows["coverage_80"].model == pytest.approx(82.0)
    assert rows["coverage_80"].against_baseline.text == "80% better"  # type: ignore[union-attr]


def test_bias_is_judged_by_its_size_and_not_by_its_sign() -> None:
    rows = {row.metric.key: row for row in figures(EVIDENCE, champion=None, unit="MW")}
    assert rows["bias"].against_baseline.text == "100% worse"  # type: ignore[union-attr]


def test_the_distribution_and_the_daily_peak_have_figures_in_their_units() -> None:
    metrics = {"crps": 120.0, "peak_mae": 210.0, "peak_bias": -90.0, "peak_time_mae_hours": 1.5}
    naive = {"crps": 150.0, "peak_mae": 200.0, "peak_bias": 45.0, "peak_time_mae_hours": 3.0}
    rows = {row.metric.key: row for row in figures({"metrics": metrics, "baseline": naive}, champion=None, unit="MW")}
    assert {key: (row.unit, row.against_baseline.text) for key, row in rows.items()} == {  # type: ignore[union-attr]
        "crps": ("MW", "20% better"),
        "peak_mae": ("MW", "5% worse"),
        "peak_bias": ("MW", "100% worse"),
        "peak_time_mae_hours": ("h", "50% better"),
    }


@pytest.mark.parametrize(
    ("value", "other", "text"),
    [(100.0, 100.2, "the same"), (5000.0, 1.0, "far worse"), (0.0, 3.0, "100% better")],
)
def test_comparisons_read_as_words(value: float, other: float, text: str) -> None:
    comparison = compare(value, other, ideal=0.0)
    assert comparison is not None
    assert comparison.text == text


def test_nothing_is_compared_with_perfection() -> None:
    assert compare(1.0, 0.0, ideal=0.0) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (12345.6, "12,346"), (-31.24, "−31.2"), (0.876, "0.88"), (99.96, "100.0"), (-2e300, "−2e+300")],
)
def test_figures_are_shown_to_the_digits_that_matter(value: float | None, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "broken",
    [
        {},
        None,
        [],
        "text",
        {"metrics": [], "baseline": None, "by_lead_time": {}},
        {"metrics": {"mae": "many", "n": "x"}, "baseline": {"mae": True}, "by_lead_time": [None, 3, {"mae": 1.0}]},
        {"by_lead_time": [{"lead_time_from": "0", "lead_time_to": 6, "mae": 1}, {"lead_time_from": -4, "mae": -1}]},
        {"metrics": {"mae": float("nan")}, "baseline": {"mae": float("inf")}},
    ],
)
def test_broken_evidence_reads_as_no_evidence(broken: object) -> None:
    assert figures(broken, champion=broken, unit="MW") == []
    assert errors_by_lead_time(broken) == []
    assert baseline_error(broken) is None
    assert size(broken) is None


def test_the_error_of_a_block_stands_at_its_middle_in_order_of_lead_time() -> None:
    assert errors_by_lead_time(EVIDENCE) == [(6.0, 160.0), (18.0, 200.0)]


def test_the_chart_draws_every_line_inside_its_frame() -> None:
    lines = [Line("model", [(3.0, 120.0), (45.0, 391.0)]), Line("champion", [(3.0, 80.0)]), Line("nothing", [])]
    svg = lead_time_chart(lines, title="Error", unit="MW")
    assert svg.count("<polyline") == 2
    assert "nothing" not in svg
    points = [
        tuple(map(float, pair.split(","))) for line in re.findall(r'points="([^"]+)"', svg) for pair in line.split()
    ]
    assert len(points) == 3
    assert all(0 < x < 760 and 0 < y < 280 for x, y in points)
    assert points[0][0] < points[1][0]
    assert points[0][1] > points[1][1], "a larger error is higher up"


def test_the_chart_names_what_it_shows_without_running_it() -> None:
    svg = lead_time_chart([Line("<b>v2</b>", [(3.0, 120.0)])], title="<script>", unit="<i>MW</i>")
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert "&lt;b&gt;v2" in svg


@pytest.mark.parametrize("error", [0.0, 1e-9, 0.02, 7.0, 1e7])
def test_the_chart_takes_errors_of_any_size(error: float) -> None:
    assert "<svg" in lead_time_chart([Line("model", [(0.25, error), (400.0, error)])], title="Error", unit="MW")


def test_there_is_no_chart_without_points() -> None:
    assert lead_time_chart([Line("model", [])], title="Error", unit="MW") == ""


def test_the_backtest_report_of_the_library_reads_as_evidence() -> None:
    """The two sides share no code, only this shape."""
    index = pd.date_range("2014-01-01", periods=48 * 35, freq="30min", tz="UTC", name="valid_time")
    history = pd.DataFrame({"load": 5000 + 800 * np.sin(np.arange(len(index)) * 2 * np.pi / 47)}, index=index)
    model = create_model("seasonal_naive", timezone="Australia/Melbourne", horizon="24h")
    origins = daily_origins(history, timezone="Australia/Melbourne", horizon="24h", count=3)
    evidence = json.loads(json.dumps(backtest(model, history, origins=origins).to_dict()))
    rows = {row.metric.key: row for row in figures(evidence, champion=evidence["metrics"], unit="MW")}
    assert rows["mae"].model == rows["mae"].champion == pytest.approx(evidence["metrics"]["mae"])
    assert rows["mae"].baseline is not None
    assert {"crps", "peak_mae", "peak_bias", "peak_time_mae_hours"} <= set(rows), "the names of the library"
    points = errors_by_lead_time(evidence)
    assert len(points) == len(evidence["by_lead_time"]) > 1
    assert baseline_error(evidence) is not None
    assert size(evidence) == evidence["metrics"]["n"]


def test_an_integer_that_no_float_holds_reads_as_missing() -> None:
    assert figures({"metrics": {"mae": 10**400, "coverage_80": 1e308}}, champion={"mae": -(10**400)}, unit="MW") == []


def test_segments_stand_beside_the_champion_on_the_same_forecasts() -> None:
    evidence = {
        "by_day_type": [{"day_type": "day_before_holiday", "n": 24, "mae": 90.0, "skill_against_champion": 0.1}]
    }
    (row,) = table(evidence, SEGMENTS[1]).rows
    assert (row.name, row.n, row.model, row.baseline) == ("day before holiday", 24, 90.0, None)
    assert row.champion == pytest.approx(100.0)
    assert row.against_champion.text == "10% better"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("difference", "p_value", "verdict", "text"),
    [
        (-14.8, 0.021, "better", "14.8 MW less error than version 2 on average over 14 origins. That is hardly chance"),
        (
            14.8,
            0.0001,
            "worse",
            "more error than version 2 on average over 14 origins. That is hardly chance (p < 0.001)",
        ),
        (-14.8, 0.4, "same", "That can be chance (p = 0.400)"),
        (-14.8, None, "same", "Whether that is chance cannot be said"),
    ],
)
def test_significance_reads_as_a_sentence(difference: float, p_value: float | None, verdict: str, text: str) -> None:
    evidence = {"significance": {"champion": {"mean_difference_mw": difference, "p_value": p_value, "n_origins": 14}}}
    found = significance(evidence, against="champion", called="version 2", unit="MW")
    assert found is not None
    assert found.verdict == verdict
    assert text in found.text


def test_a_study_shows_its_trials_and_the_best_so_far() -> None:
    trials = [{"number": n, "state": "complete", "value": v} for n, v in ((1, 4.0), (0, 5.0), (2, 4.5), (3, None))]
    found = study({"tuning": {"objective": "pinball", "best": {"number": 1}, "trials": trials}})
    assert found.best_so_far == [(0.0, 5.0), (1.0, 4.0), (2.0, 4.0)]
    assert [trial.number for trial in found.shown] == [1, 2, 0, 3]
    assert [trial.best for trial in found.shown] == [True, False, False, False]
    assert study({"tuning": {"skipped": "too young"}}).skipped == "too young"


def test_calibration_is_in_percent_and_by_quantile() -> None:
    rows = [{"quantile": 0.9, "observed": 0.88}, {"quantile": 0.1, "observed": 0.12}, {"quantile": 2, "observed": 0.1}]
    assert calibration_points({"calibration": rows}) == [(10.0, 12.0), (90.0, 88.0)]


WORDS = (
    "tuning",
    "trials",
    "number",
    "value",
    "metrics",
    "champion",
    "champion_version",
    "id",
    "mae",
    "by_hour",
    "hour",
)
ODD = (None, True, -1, 0, 10**400, 1e308, -1e308, float("nan"), float("inf"), "", "x" * 5000, "<script>", [], {}, [[]])


def _mutations(part: Any, random: Random) -> Any:
    """The part with some of what is in it replaced by what nobody expects there."""
    if random.random() < 0.08:
        return random.choice((*ODD, {random.choice(WORDS): random.choice(ODD)}, [random.choice(ODD)] * 3))
    if isinstance(part, dict):
        return {key: _mutations(value, random) for key, value in part.items() if random.random() > 0.03}
    if isinstance(part, list):
        return [_mutations(value, random) for value in part]
    return part


@pytest.mark.parametrize("seed", range(150))
def test_no_evidence_whatever_its_shape_breaks_a_reading(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # not for secrets
    sound = rich_evidence(champion={"id": 1, "version": 1, "kind": "arima"}, check_run=1)
    model = ModelVersion(pk=2, version=2, evidence=_mutations(sound, random), library_versions=random.choice(ODD))
    model.series = Series(slug="victoria", unit="MW")
    champion = ModelVersion(pk=1, version=1, evidence=_mutations(sound, random), series=model.series)
    told = model.evidence
    read = study(told)
    for segment in SEGMENTS:
        for row in table(told, segment).rows:
            assert row.texts
            assert all(each.text for each in (row.against_baseline, row.against_champion) if each)
    for row in figures(told, champion=part(champion.evidence, "metrics"), unit="MW"):
        assert row.texts
        assert all(each.text for each in (row.against_baseline, row.against_champion) if each)
    for against in ("champion", "baseline"):
        significance(told, against=against, called="it", unit="MW")
    drawn = [
        lead_time_chart([Line("a", error_points(told, LEAD_TIME, of=of))], title="t", unit="MW")
        for of in ("model", "baseline", "champion")
    ]
    drawn += [
        line_chart([Line("a", points)], title="t", x_label="x", y_label="y", from_zero=from_zero)
        for points in (error_points(told, HOUR, of="model"), calibration_points(told), read.values, read.best_so_far)
        for from_zero in (True, False)
    ]
    assert not any(re.search("nan|inf", svg) for svg in drawn)
    assert len(read.shown) <= 100
    assert challenge(model, champion, margin=0.0).text
    assert size(told) is None or size(told) >= -(10**15)  # type: ignore[operator]
