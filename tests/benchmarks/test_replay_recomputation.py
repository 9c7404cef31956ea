"""The recomputation of scores from a file: figures known by hand, and every kind of fault in a ledger found."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.benchmarks.replay_recomputation import (
    Findings,
    Ledger,
    Loads,
    changed,
    check,
    naive_load,
    read_loads,
    scored_again,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ISSUED = [datetime(2014, 4, 4, tzinfo=UTC), datetime(2014, 4, 5, tzinfo=UTC)]
BEGIN = ISSUED[0] - 10 * DAY
LOADS = Loads(
    values={BEGIN + hour * HOUR: 100.0 + hour for hour in range(20 * 24)},
    zone=ZoneInfo("Australia/Melbourne"),
    step=HOUR,
    delay=HOUR,
)
AS_OF = BEGIN + 30 * DAY


def rows(issue_time: datetime, *, above: float) -> list[dict[str, Any]]:
    """Two days of forecasts that lie `above` the loads that came, and 10 MW to either side of that."""
    return [
        {"valid_time": at.isoformat(), "quantile": level, "value": LOADS.values[at] + above + 25 * (level - 0.5)}
        for at in (issue_time + hour * HOUR for hour in range(48))
        for level in (0.1, 0.5, 0.9)
    ]


def ledger() -> Ledger:
    """Two runs of a champion, scored as they should be."""
    runs = [
        {"id": number, "issue_time": at.isoformat(), "rung": "champion", "quantiles": [0.1, 0.5, 0.9]}
        for number, at in enumerate(ISSUED)
    ]
    values = {run["id"]: rows(ISSUED[run["id"]], above=4.0) for run in runs}
    forecasts = [{at: _levels(values[n], at) for at in _times(values[n])} for n in range(2)]
    scores = {
        number: {
            **scored_again(LOADS, forecasts[number], issue_time=ISSUED[number], as_of=AS_OF),
            "as_of": AS_OF.isoformat(),
        }
        for number in range(2)
    }
    scores[1]["stability"] = {"against_run": 0, **changed(forecasts[1], forecasts[0])}
    return Ledger(runs=runs, values=values, scores=scores)


def _times(values: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(row["valid_time"]) for row in values if row["quantile"] == 0.5]


def _levels(values: list[dict[str, Any]], at: datetime) -> dict[float, float]:
    return {row["quantile"]: row["value"] for row in values if row["valid_time"] == at.isoformat()}


def found_in(book: Ledger) -> Findings:
    return check(book, LOADS, issue_times=ISSUED, intervals=48)


def test_figures_are_those_that_can_be_told_by_hand() -> None:
    forecast = {at: _levels(rows(ISSUED[0], above=4.0), at) for at in _times(rows(ISSUED[0], above=4.0))}
    score = scored_again(LOADS, forecast, issue_time=ISSUED[0], as_of=AS_OF)
    assert (score["n"], score["expected"], score["coverage_80"]) == (48, 48, 1.0)
    assert all(math.isclose(score[name], 4.0) for name in ("mae", "rmse", "bias", "peak_mae", "peak_bias"))
    # Of each level: 0.1 lies 6 MW below, 0.5 lies 4 MW above, 0.9 lies 14 MW above.
    assert math.isclose(score["pinball"], (0.1 * 6 + 0.5 * 4 + 0.1 * 14) / 3)
    assert [block["n"] for block in score["by_lead_time"]] == [6] * 8
    assert math.isclose(score["baseline"]["bias"], score["baseline"]["mae"] * -1)
    assert score["peak_time_mae_hours"] == 0.0


def test_the_naive_is_the_same_local_time_of_a_week_that_was_known() -> None:
    before = datetime(2014, 4, 4, 12, tzinfo=UTC)
    assert naive_load(LOADS, before, known_at=ISSUED[0]) == LOADS.values[before - 7 * DAY]
    # Clocks in Melbourne went back an hour on 6 April: noon is an hour later in UTC from then on.
    after = datetime(2014, 4, 8, 2, tzinfo=UTC)
    assert naive_load(LOADS, after, known_at=after) == LOADS.values[after - 7 * DAY - HOUR]
    with pytest.raises(LookupError, match="no load was known"):
        naive_load(LOADS, before, known_at=BEGIN)


def test_a_right_ledger_has_no_mismatch() -> None:
    found = found_in(ledger())
    assert not found.mismatches
    assert (found.runs, found.values, found.largest) == (2, 2 * 48 * 3, 0.0)
    assert found.unchecked == set()


def _tampered(book: Ledger) -> Ledger:
    return replace(book, scores={**book.scores, 0: {**book.scores[0], "mae": book.scores[0]["mae"] * (1 + 1e-8)}})


def _tampered_block(book: Ledger) -> Ledger:
    blocks = [dict(block) for block in book.scores[0]["by_lead_time"]]
    blocks[3]["pinball"] += 0.001
    return replace(book, scores={**book.scores, 0: {**book.scores[0], "by_lead_time": blocks}})


def _without_a_figure(book: Ledger) -> Ledger:
    left = {name: value for name, value in book.scores[0].items() if name != "rmse"}
    return replace(book, scores={**book.scores, 0: left})


def _unstable(book: Ledger) -> Ledger:
    moved = {**book.scores[1]["stability"], "mean_absolute_change": 1.0}
    return replace(book, scores={**book.scores, 1: {**book.scores[1], "stability": moved}})


def _another_value(book: Ledger) -> Ledger:
    moved = [{**row, "value": row["value"] + 1e-3} for row in book.values[0]]
    return replace(book, values={**book.values, 0: moved})


def _by_the_naive(book: Ledger) -> Ledger:
    return replace(book, runs=[{**book.runs[0], "rung": "seasonal_naive"}, book.runs[1]])


def _issued_again(book: Ledger) -> Ledger:
    values = [row for row in book.values[1] if row["valid_time"] < (ISSUED[1] + DAY).isoformat()]
    moved = [{**row, "value": row["value"] + 1.0} for row in values]
    return replace(book, runs=[book.runs[0], {**book.runs[1], "rung": "earlier_run"}], values={**book.values, 1: moved})


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda book: replace(book, runs=book.runs[:1]), "no run was issued 2014-04-05"),
        (lambda book: replace(book, runs=[*book.runs, book.runs[0]]), "2 runs were issued"),
        (lambda book: replace(book, scores={0: book.scores[0]}), "run 1 issued 2014-04-05.* is not scored"),
        (lambda book: replace(book, values={**book.values, 0: book.values[0][:-3]}), "47 intervals, 48 expected"),
        (lambda book: replace(book, values={**book.values, 0: book.values[0][:-1]}), "lacks quantiles"),
        (_tampered, "run 0 .*, mae: "),
        (_tampered_block, "by_lead_time pinball"),
        (_without_a_figure, "run 0 .* has no rmse in its score"),
        (_unstable, "stability mean_absolute_change"),
        (_another_value, "run 0 .*, bias: "),
        (_by_the_naive, "is no seasonal naive"),
        (_issued_again, "is not the run before, issued again"),
    ],
)
def test_a_fault_of_the_ledger_is_told(fault: Callable[[Ledger], Ledger], told: str) -> None:
    assert [line for line in found_in(fault(ledger())).mismatches if re.search(told, line)]


def test_figures_that_nothing_computes_are_named() -> None:
    book = ledger()
    more = {"crps": 1.0, "baseline": {**book.scores[0]["baseline"], "pinball": 2.0}}
    found = found_in(replace(book, scores={**book.scores, 0: {**book.scores[0], **more}}))
    assert found.unchecked == {"crps", "baseline pinball"}


def test_a_file_is_read_with_its_offsets(tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text("time,load\n2014-04-06T02:00:00+11:00,1.5\n2014-04-06T02:00:00+10:00,2.5\n")
    found = read_loads(file, time_column="time", column="load", zone="Australia/Melbourne", step=HOUR, delay=HOUR)
    assert list(found.values.items()) == [
        (datetime(2014, 4, 5, 15, tzinfo=UTC), 1.5),
        (datetime(2014, 4, 5, 16, tzinfo=UTC), 2.5),
    ]
