"""The document on the replay: what is wrong stands first, and the days and rungs are those of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.benchmarks import replay_report
from tests.benchmarks.replay import FIRST, INTERVALS, LAST, Days, Replayed
from tests.benchmarks.replay_recomputation import Findings, Ledger


def score(mae: float) -> dict[str, Any]:
    """A run's, of which the naive errs by 200 MW."""
    return {
        "n": INTERVALS,
        "mae": mae,
        "mape": 2.0,
        "pinball": 40.0,
        "coverage_80": 0.75,
        "baseline": {"mae": 200.0},
    }


def replayed(*, mismatches: list[str], unlike: list[str]) -> Replayed:
    """Four days, two of them by a champion."""
    days = Days.of(4)
    runs = [
        {"id": number, "issue_time": at.isoformat(), "rung": rung}
        for number, (at, rung) in enumerate(zip(days.issue_times, days.rungs(), strict=True))
    ]
    return Replayed(
        days=days,
        ledger=Ledger(runs=runs, values={}, scores={number: score(100.0 + 10 * number) for number in range(4)}),
        findings=Findings(runs=4, values=1152, figures=336, largest=3e-16, mismatches=mismatches),
        reproduced=["one"],
        unlike=unlike,
        seconds={"backfill": 60.0},
        tasks={"publish": [1.0, 2.0, 9.0]},
    )


def document(run: Replayed) -> str:
    return replay_report.as_markdown(run, commit="abc", date="2026-11-26", command="make bench", machine={"CPU": "x"})


def test_a_right_ledger_meets_its_targets_and_every_figure_is_shown() -> None:
    run = replayed(mismatches=[], unlike=[])
    text = document(run)
    assert run.is_right
    assert "5 met." in text
    assert "What is wrong" not in text
    assert "| champion | 2 | 192 | 125.0 | 200.0 | 0.375 | 2.00 | 40.0 | 0.750 |" in text
    assert "| all | 4 | 384 | 115.0 | 200.0 | 0.425 | 2.00 | 40.0 | 0.750 |" in text
    assert "| publish | 3 | 2.00 | 9.00 |" in text


@pytest.mark.parametrize("fault", [{"mismatches": ["run 3, mae"], "unlike": []}, {"mismatches": [], "unlike": ["no"]}])
def test_a_wrong_ledger_is_named_as_one(fault: dict[str, list[str]]) -> None:
    run = replayed(**fault)
    assert not run.is_right
    assert "4 met, 1 missed." in document(run)
    assert f"### What is wrong\n\n- {[*fault['mismatches'], *fault['unlike']][0]}" in document(run)


def test_the_year_is_every_day_that_has_two_weeks_before_it_and_its_horizon_in_the_file() -> None:
    days = Days.of(None)
    assert (days.issue_times[0], days.issue_times[-1], len(days.issue_times)) == (FIRST, LAST, 348)
    assert {after - before for before, after in zip(days.issue_times, days.issue_times[1:], strict=False)} == {
        timedelta(days=1)
    }
    assert [at.date().isoformat() for at in days.trained] == ["2014-03-01", "2014-08-02"]
    rungs = days.rungs()
    assert rungs[:3] == ["seasonal_naive", "earlier_run", "seasonal_naive"]
    counts = {"seasonal_naive": 22, "earlier_run": 22, "previous_champion": 154, "champion": 150}
    assert {rung: rungs.count(rung) for rung in rungs} == counts


@pytest.mark.parametrize("number", [4, 8, 60, 200, 347])
def test_fewer_days_hold_the_clock_change_and_all_that_the_year_has(number: int) -> None:
    days = Days.of(number)
    assert len(days.issue_times) == number
    assert days.issue_times[0] <= datetime(2014, 4, 6, 8, tzinfo=UTC) <= days.issue_times[-1] <= LAST
    assert {"seasonal_naive", "previous_champion", "champion"} <= set(days.rungs())


@pytest.mark.parametrize("number", [0, 3, 349])
def test_a_replay_of_too_few_or_too_many_days_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"4 to 348 days, not {number}"):
        Days.of(number)
