"""The document of a run: what it must not hide."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import picture, report, results
from tests.benchmarks.results import Key, Result
from tests.benchmarks.test_verdicts import row

ROWS = [
    row("a", "auto", 90.0, version="lightgbm 4.7.0"),
    row("a", "seasonal_naive", 130.0, cpu_fit=0.0, cpu_predict=0.0),
    row("a", "mlf_lgbm", 80.0, cpu_fit=3.0),
    row("a", "skf_lgbm", 0.0, error="ValueError: a | b"),
]
RECORDED = {
    "dataset": "a",
    "series": "x",
    "regime": "uni",
    "version": "prophet 1;cmdstan 2",
    "mae": "50",
    "pinball_mean": "20",
    "cover80": "",
    "cpu_fit_s": "70",
}


def document(rows: list[Result], **facts: object) -> str:
    run = report.Run(
        results=rows,
        importing=0.01,
        source="shipped data",
        date="2026-01-02",
        command="make bench",
        machine={"processor": "some CPU"},
    )
    return report.as_markdown(replace(run, **facts), picture="pareto.png")  # type: ignore[arg-type]


def test_misses_are_named_and_failures_are_shown_with_their_error() -> None:
    text = document(ROWS)
    assert "| MAE, a uni: auto / mlf_lgbm | below 1 (tie up to 1.03) | 1.125 | **missed by 12.5 %** |" in text
    assert "| skf_lgbm | **failed** |" in text
    assert "skf_lgbm failed: `ValueError: a | b`" in text


def test_the_command_the_date_and_the_machine_are_told() -> None:
    text = document(ROWS)
    assert "Measured on 2026-01-02 at commit abc, on the shipped data." in text
    assert "make bench\n" in text
    assert "some CPU" in text


def test_rows_of_several_commits_are_called_no_run() -> None:
    assert "not one run" not in document(ROWS)
    assert "not one run" in document([*ROWS, row("b", "auto", 1.0, commit="def")])


def test_recorded_numbers_are_marked_and_come_without_cost() -> None:
    rows = [replace(each, case="a:x") for each in ROWS]
    text = document(rows, recorded=[{**RECORDED, "peer": "prophet"}, {**RECORDED, "peer": "mlf_lgbm", "mae": "1"}])
    _, _, elsewhere = text.partition("## Recorded elsewhere, not measured in this run")
    assert "| a:x | uni | prophet | prophet 1, cmdstan 2 | 50.0 | 20.0 | — |" in elsewhere
    assert "mlf_lgbm" not in elsewhere
    assert "70" not in elsewhere
    assert "Recorded elsewhere" not in document(rows)


def test_the_csv_has_a_line_per_row(tmp_path: Path) -> None:
    rows = list(csv.DictReader(report.as_csv(ROWS).splitlines()))
    assert [each["model"] for each in rows] == ["auto", "seasonal_naive", "mlf_lgbm", "skf_lgbm"]
    assert (rows[0]["mae"], rows[3]["error"]) == ("90", "ValueError: a | b")


def test_the_picture_holds_only_models_that_finished_every_case(tmp_path: Path) -> None:
    rows = [*ROWS, row("b", "auto", 50.0), row("b", "seasonal_naive", 60.0)]
    assert [point.model for point in picture.points(rows, "uni")] == ["auto", "seasonal_naive"]
    picture.draw(rows, tmp_path / "pareto.png")
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_the_front_is_what_no_other_beats_in_both() -> None:
    found = [
        picture.Point("cheap", True, 1.0, 0.9),
        picture.Point("beaten", False, 2.0, 0.95),
        picture.Point("best", True, 3.0, 0.5),
    ]
    assert [point.model for point in picture.front(found)] == ["cheap", "best"]


def test_a_run_is_kept_line_by_line_and_the_last_row_of_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    assert results.load(path) == []
    key = Key("a", "uni", "auto")
    results.append(path, Result.failed(key, "MemoryError", ours=True, commit="abc"))
    results.append(path, ROWS[0])
    results.append(path, ROWS[1])
    assert results.load(path) == ROWS[:2]
    with path.open("a") as lines:
        lines.write('{"of": "another version"}\n')
    assert results.load(path) == ROWS[:2]


@pytest.mark.parametrize(("holes", "error"), [(0, ""), (3, "3 values of the forecasts are missing")])
def test_a_forecast_with_holes_is_a_failure(holes: int, error: str) -> None:
    measured = {
        "mae": 1.0,
        "mase": 1.0,
        "pinball_mean": 1.0,
        "cover80": float("nan"),
        "nan_points": holes,
        "n_origins": 14,
        "horizon": 48,
        "cpu_fit_s": 1.0,
        "cpu_predict_s": 1.0,
        "peak_rss_mb": 1.0,
        "version": "",
        "protocol": "",
    }
    found = Result.measured(Key("a", "uni", "auto"), measured, ours=True, commit="")
    assert (found.error, found.coverage) == (error, None)
