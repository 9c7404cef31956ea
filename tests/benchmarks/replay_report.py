"""The replay as a document: whether the ledger is right first, then how accurate the year was, and what it cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.replay import INTERVALS, KINDS, Replayed
from tests.benchmarks.replay_recomputation import TOLERANCE
from tests.benchmarks.verdicts import Verdict, judged

MOST_MINUTES = 35
SHOWN = 20
CHAMPIONS = " and ".join(f"`{kind}`" for kind in KINDS)
METHOD = f"""\
A stack of its own (portal, Airflow with its LocalExecutor, Celery, PostgreSQL) ingests the whole file, each load known
an hour after its interval's end. The forecaster trains two champions as of two times within the year, {CHAMPIONS}, and
the approver approves them, one after the other. Then Airflow's backfill runs `publish_forecasts` once per day. No
champion forecasts a time before its own data cut-off: the ladder steps down to the previous champion and, before that
one's, to the seasonal naive and to what is left of the run of the day before, in turn. `score_forecasts` scores all of
them as of the end.

The recomputation (`tests/benchmarks/replay_recomputation.py`) imports nothing of the project. It takes the forecast
values from the REST API and the loads from the file, and computes with the standard library: n, MAE, RMSE, MAPE,
pinball loss, coverage and bias of each run and of each block of six hours of lead time; those of the median of the
seasonal naive, as it was known at the issue time; and skill, the errors of the daily peak and the change against the
run before, where they are kept. A relative difference above {TOLERANCE:g} is a mismatch. So are a day without a run, a
run that is not whole, one that is not by the rung that it should be, and a naive that is not the file's."""


def verdicts(replayed: Replayed) -> list[Verdict]:
    """What must hold, and the time that it may take."""
    found, days, again = replayed.findings, len(replayed.days.issue_times), len(replayed.reproduced)
    minutes = sum(replayed.seconds.values()) / 60
    sample = again + len(replayed.unlike)
    return [
        judged("days with a run in the ledger", f"{days}", f"{found.runs}", found.runs == days),
        judged("mismatches", "0", f"{len(found.mismatches)}", not found.mismatches),
        judged("largest difference", f"≤ {TOLERANCE:g}", f"{found.largest:.1e}", found.largest <= TOLERANCE),
        judged("runs made again from artifact and data", f"{sample}", f"{again}", again == sample),
        judged("minutes", f"< {MOST_MINUTES}", f"{minutes:.1f}", minutes < MOST_MINUTES),
    ]


def as_markdown(replayed: Replayed, **run: Any) -> str:
    """The whole document; `run` is what its opening tells: commit, date, command and machine."""
    found, times = replayed.findings, replayed.days.issue_times
    parts = [
        *report.opening("A year replayed through Airflow's backfill", verdicts(replayed), **run),
        f"{found.runs:,} runs, issued {times[0]:%Y-%m-%d %H:%MZ} to {times[-1]:%Y-%m-%d %H:%MZ}, "
        f"{found.values:,} values, {found.figures:,} figures compared.",
        *_lists(replayed),
        "## How it is made",
        METHOD,
        "## By rung of the ladder",
        report.table(HEAD, _rows(replayed, lambda run: run["rung"])),
        f"A run has {INTERVALS} intervals; one that is an earlier run issued again, what is left of it.",
        "## By month of issue",
        report.table(HEAD, _rows(replayed, lambda run: _month(run["issue_time"]))),
        "## What it took",
        report.table(("step", "seconds"), [(step, f"{taken:,.1f}") for step, taken in replayed.seconds.items()]),
        report.table(
            ("task of a published day", "runs", "median seconds", "longest"),
            [
                (name, f"{len(taken):,}", f"{statistics.median(taken):.2f}", f"{max(taken):.2f}")
                for name, taken in replayed.tasks.items()
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


HEAD = ("", "runs", "values", "MAE MW", "naive MAE MW", "skill", "MAPE %", "pinball MW", "80 % coverage")


def _rows(replayed: Replayed, part_of: Any) -> list[tuple[str, ...]]:
    """A line per part, in the order of issue, and one of all."""
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for run in sorted(replayed.ledger.runs, key=lambda each: each["issue_time"]):
        score = replayed.ledger.scores.get(run["id"])
        if score is not None and score["mae"] is not None:
            parts.setdefault(part_of(run), []).append(score)
    parts["all"] = [score for scores in parts.values() for score in scores]
    return [_row(name, scores) for name, scores in parts.items()]


def _row(name: str, scores: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    mae, naive = _mean(scores, "mae"), _mean([{**each["baseline"], "n": each["n"]} for each in scores], "mae")
    return (
        name,
        f"{len(scores)}",
        f"{sum(each['n'] for each in scores):,}",
        f"{mae:.1f}",
        f"{naive:.1f}",
        f"{1 - mae / naive:.3f}",
        f"{_mean(scores, 'mape'):.2f}",
        f"{_mean(scores, 'pinball'):.1f}",
        f"{_mean(scores, 'coverage_80'):.3f}",
    )


def _mean(scores: Iterable[Mapping[str, Any]], name: str) -> float:
    """Over all values: each run counts by how many it has."""
    known = [(each[name], each["n"]) for each in scores if each[name] is not None]
    return sum(value * n for value, n in known) / sum(n for _, n in known) if known else float("nan")


def _month(issue_time: str) -> str:
    return datetime.fromisoformat(issue_time).strftime("%B")


def _lists(replayed: Replayed) -> list[str]:
    wrong = [*replayed.findings.mismatches, *replayed.unlike]
    parts = []
    if replayed.findings.unchecked:
        parts.append(f"Kept with the scores and not computed here: {', '.join(sorted(replayed.findings.unchecked))}.")
    if wrong:
        more = [f"- and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        parts += ["### What is wrong", "\n".join([*(f"- {line}" for line in wrong[:SHOWN]), *more])]
    if replayed.reproduced:
        parts.append(f"Made again, value for value: {'; '.join(replayed.reproduced)}.")
    return parts
