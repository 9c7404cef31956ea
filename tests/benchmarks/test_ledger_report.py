"""The document on the ledger: each question against its floor, and against itself in a smaller ledger."""

from __future__ import annotations

from tests.benchmarks import ledger_report
from tests.benchmarks.ingest import Timing
from tests.benchmarks.ledger import AUDIT, DRY_RUN, DUE, MANY_RUNS, NOTHING, ONE_RUN, Measured, Pair
from tests.benchmarks.ledger_filling import Size

SIZES = [Size(series=6, days=365), Size(series=20, days=1095)]


def pair(name: str, ours: float, floor: float, rows: int = 288) -> Pair:
    return Pair(Timing(name, rows, [ours, 9.0, 0.0]), Timing(name, rows, [floor]))


def measured(*, overhead: float = 0.01, latest: float = 0.016, slower: float = 1.0) -> Measured:
    """A run in which SQL fetches the latest run in two milliseconds; all else is well within its target."""

    def questions(factor: float, old_runs: int) -> dict[str, Pair]:
        return {
            NOTHING: pair(NOTHING, overhead, 0.001, 0),
            "latest": pair("latest", latest * factor, 0.002),
            DUE: pair(DUE, 0.015, 0.002),
            DRY_RUN: pair(DRY_RUN, 0.02, 0.01, old_runs),
            AUDIT: pair(AUDIT, 1.5, 0.5, 10_000),
            ONE_RUN: pair(ONE_RUN, 0.015, 0.002),
            MANY_RUNS: pair(MANY_RUNS, 0.2, 0.1, 28_800),
        }

    return Measured(
        sizes=SIZES,
        decisions=10_000,
        deciding=12.0,
        filling=[{"forecasts": 20.0, "vacuum": 5.0}, {"forecasts": 200.0, "vacuum": 50.0}],
        bytes=[2**29, 5 * 2**30],
        questions=[questions(1.0, 100), questions(slower, 1000)],
        starting=[1.0, 1.0],
    )


def missed(run: Measured) -> list[str]:
    return [each.what for each in ledger_report.verdicts(run) if str(each.outcome) == "missed"]


def test_what_any_request_costs_is_judged_apart_and_not_held_against_the_answers() -> None:
    assert missed(measured()) == []
    assert missed(measured(latest=0.0161)) == ["latest"]
    assert missed(measured(overhead=0.021, latest=0.027)) == ["overhead of a request"]


def test_a_question_that_takes_longer_in_the_larger_ledger_is_named() -> None:
    run = measured(latest=0.01, slower=1.51)
    assert missed(run) == ["latest: large to small ledger"]
    reached = {each.what: each.reached for each in ledger_report.verdicts(run)}
    assert reached["latest: large to small ledger"] == "1.51 (floor 1.00)"


def test_what_grows_with_its_answer_is_allowed_to() -> None:
    targets = {each.what: each.target for each in ledger_report.verdicts(measured())}
    assert targets[f"{DRY_RUN}: large to small ledger"] == "≤ 1.5 × 10, of what is old"
    assert targets[f"{DUE}: large to small ledger"] == "≤ 1.5 × 3, of the series' runs"
    assert targets["latest: large to small ledger"] == "≤ 1.5 ×"


def test_a_command_is_held_against_its_floor_without_its_start() -> None:
    run = measured()
    assert AUDIT not in missed(run)
    run.starting[-1] = 0.0
    run.questions[-1][AUDIT] = pair(AUDIT, 2.6, 0.5)
    assert AUDIT in missed(run)


def test_the_document_has_the_targets_and_every_figure() -> None:
    text = ledger_report.as_markdown(
        measured(latest=0.03),
        commit="abc",
        date="2026-11-26",
        command="make bench",
        machine={"CPU": "x"},
    )
    assert "| latest | ≤ 3 × raw | 10.00 | **missed** |" in text
    assert "| 25,228,800 | 87,600 | 20 × 1,095 | 5.0 | 200 | 50 |" in text
    assert "| latest | 288 | 30.0 | 0.0 | 9,000.0 | 2.0 | 15.00 |  |" in text
    assert "| publication of 100 runs | 28,800 | 200.0 | 0.0 | 9,000.0 | 100.0 | 2.00 | 144,000 |" in text
