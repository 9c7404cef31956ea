"""The scores of published forecasts computed again from a file of loads, by nothing of the project's own.

It shares no code with what it checks: standard library only, sums by `math.fsum`. What it takes from the ledger is the
forecast values, and which run they belong to.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TOLERANCE = 1e-9
"""Relative, and in MW (or hours, or a share) where a figure is about zero: sums round differently in another order."""
BLOCK_HOURS = 6
WEEK = timedelta(weeks=1)
KEPT = {"n", "mae", "rmse", "mape", "pinball", "coverage_80", "bias", "baseline", "by_lead_time"}
"""What every score says."""
NAIVE_FIGURES = ("n", "mae", "rmse", "mape", "bias")
"""Of the naive's point forecast; its interval is the library's own model, not a fact of the file."""
NOT_FROM_THE_FILE = {
    *("id", "forecast_run", "series", "issue_time", "rung", "model", "as_of", "recorded_at", "airflow"),
    *("actuals_sha256", "external", "attribution"),
}
"""Of a stored score: what names it, and comparisons with what the file does not hold."""

Levels = Mapping[float, float]
"""A forecast in MW by quantile level."""


@dataclass(frozen=True)
class Loads:
    """A file's loads in MW by the start of their interval (UTC), and when each became known."""

    values: Mapping[datetime, float]
    zone: ZoneInfo
    step: timedelta
    delay: timedelta
    """From the end of an interval until its load is known."""

    def known(self, moment: datetime, *, at: datetime) -> float | None:
        """The load of the interval that starts at `moment`, if there is one and it was known at `at`."""
        return self.values.get(moment) if moment + self.step + self.delay <= at else None


def read_loads(path: Path, *, time_column: str, column: str, zone: str, step: timedelta, delay: timedelta) -> Loads:
    """Read a CSV file, packed by gzip where its name ends so; its times carry their offset."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        values = {parse_time(row[time_column]): float(row[column]) for row in csv.DictReader(lines)}
    return Loads(values=values, zone=ZoneInfo(zone), step=step, delay=delay)


def parse_time(text: str) -> datetime:
    """An ISO 8601 time with its offset, as UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def forecast_of(rows: Iterable[Mapping[str, Any]]) -> dict[datetime, dict[float, float]]:
    """The ledger's rows of one run (valid_time, quantile, value) by time, in order."""
    found: dict[datetime, dict[float, float]] = {}
    for row in rows:
        levels = found.setdefault(parse_time(row["valid_time"]), {})
        if row["quantile"] in levels:
            raise ValueError(f"{row['valid_time']} has the quantile {row['quantile']} twice")
        levels[row["quantile"]] = row["value"]
    return dict(sorted(found.items()))


def scored_again(
    loads: Loads, forecast: Mapping[datetime, Levels], *, issue_time: datetime, as_of: datetime
) -> dict[str, Any]:
    """What a run's score should say, in the shape in which it is kept."""
    truth = {moment: load for moment in forecast if (load := loads.known(moment, at=as_of)) is not None}
    naive = {moment: {0.5: naive_load(loads, moment, known_at=issue_time)} for moment in truth}
    own, baseline = _figures(truth, forecast), _figures(truth, naive)
    by_day = _by_day(loads, truth, forecast, naive)
    return {
        "expected": len(forecast),
        **own,
        **_peaks([day for day in by_day if day["peak_error"] is not None]),
        "skill": 1 - own["mae"] / baseline["mae"],
        "baseline": {name: baseline[name] for name in NAIVE_FIGURES},
        "by_lead_time": _by_lead_time(truth, forecast, naive, issue_time=issue_time),
        "by_day": [{name: value for name, value in day.items() if name != "peak_late_hours"} for day in by_day],
    }


def naive_load(loads: Loads, moment: datetime, *, known_at: datetime) -> float:
    """The load at the same time by the local clock, of the newest week in which it was known.

    Raises:
        LookupError: the file has none.
    """
    earlier = moment
    while (earlier := earlier - WEEK) >= min(loads.values):
        same_clock = earlier + _offset(loads, moment) - _offset(loads, earlier)
        load = loads.known(same_clock, at=known_at)
        if load is not None:
            return load
    raise LookupError(f"no load was known at {known_at} for the naive of {moment}")


def changed(forecast: Mapping[datetime, Levels], before: Mapping[datetime, Levels]) -> dict[str, Any]:
    """How far a run's median lies from that of the run before, where both forecast."""
    changes = [abs(forecast[moment][0.5] - before[moment][0.5]) for moment in forecast if moment in before]
    return {"n": len(changes), "mean_absolute_change": _mean(changes)} if changes else {}


def _offset(loads: Loads, moment: datetime) -> timedelta:
    return moment.astimezone(loads.zone).utcoffset() or timedelta(0)


def _figures(truth: Mapping[datetime, float], forecast: Mapping[datetime, Levels]) -> dict[str, Any]:
    errors = [forecast[moment][0.5] - load for moment, load in truth.items()]
    losses = [
        max(level * (load - value), (level - 1) * (load - value))
        for moment, load in truth.items()
        for level, value in forecast[moment].items()
    ]
    inside = [
        forecast[moment][0.1] <= load <= forecast[moment][0.9]
        for moment, load in truth.items()
        if {0.1, 0.9} <= set(forecast[moment])
    ]
    return {
        "n": len(errors),
        "mae": _mean([abs(error) for error in errors]),
        "rmse": math.sqrt(_mean([error**2 for error in errors])),
        "mape": 100 * _mean([abs(error) / abs(load) for error, load in zip(errors, truth.values(), strict=True)]),
        "pinball": _mean(losses),
        "coverage_80": _mean([float(each) for each in inside]) if inside else None,
        "bias": _mean(errors),
    }


def _beside_naive(
    truth: Mapping[datetime, float], forecast: Mapping[datetime, Levels], naive: Mapping[datetime, Levels]
) -> dict[str, Any]:
    return {**_figures(truth, forecast), "naive_mae": _figures(truth, naive)["mae"]}


def _by_lead_time(
    truth: Mapping[datetime, float],
    forecast: Mapping[datetime, Levels],
    naive: Mapping[datetime, Levels],
    *,
    issue_time: datetime,
) -> list[dict[str, Any]]:
    length = timedelta(hours=BLOCK_HOURS)
    blocks: dict[int, dict[datetime, float]] = {}
    for moment, load in truth.items():
        blocks.setdefault((moment - issue_time) // length, {})[moment] = load
    return [
        {
            "lead_time_from": float(number * BLOCK_HOURS),
            "lead_time_to": float((number + 1) * BLOCK_HOURS),
            **_beside_naive(part, forecast, naive),
        }
        for number, part in sorted(blocks.items())
    ]


def _by_day(
    loads: Loads,
    truth: Mapping[datetime, float],
    forecast: Mapping[datetime, Levels],
    naive: Mapping[datetime, Levels],
) -> list[dict[str, Any]]:
    """Per local day; of those that are forecast and known whole, how far off the peak is, and how late."""
    rows = []
    for day in sorted({moment.astimezone(loads.zone).date() for moment in truth}):
        begin, end = (
            datetime.combine(each, time(), tzinfo=loads.zone).astimezone(UTC) for each in (day, day + timedelta(days=1))
        )
        moments = [begin + number * loads.step for number in range((end - begin) // loads.step)]
        part = {moment: truth[moment] for moment in moments if moment in truth}
        size = late = None
        if len(part) == len(moments):
            happened = max(moments, key=lambda moment: truth[moment])
            expected = max(moments, key=lambda moment: forecast[moment][0.5])
            size = forecast[expected][0.5] - truth[happened]
            late = (expected - happened) / timedelta(hours=1)
        figures = _beside_naive(part, forecast, naive)
        rows.append({"date": day.isoformat(), **figures, "peak_error": size, "peak_late_hours": late})
    return rows


def _peaks(whole_days: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not whole_days:
        return dict.fromkeys(("peak_mae", "peak_bias", "peak_time_mae_hours"))
    return {
        "peak_mae": _mean([abs(day["peak_error"]) for day in whole_days]),
        "peak_bias": _mean([day["peak_error"] for day in whole_days]),
        "peak_time_mae_hours": _mean([abs(day["peak_late_hours"]) for day in whole_days]),
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


@dataclass
class Findings:
    """What the comparison of a ledger with the file came to."""

    runs: int = 0
    values: int = 0
    figures: int = 0
    largest: float = 0.0
    """The largest difference of a figure, as a share of it; of one about zero, in its own unit."""
    mismatches: list[str] = field(default_factory=list)
    unchecked: set[str] = field(default_factory=set)
    """Names of figures that are stored and that nothing here computes."""

    def compare(self, where: str, name: str, stored: Any, again: Any) -> None:
        """Hold a figure of the run `where`, or a table of figures, against what was computed."""
        if isinstance(again, Mapping) and isinstance(stored, Mapping):
            more = {part for part, value in stored.items() if part not in again and value is not None}
            self.unchecked |= {f"{name} {part}" for part in more}
            for part, value in again.items():
                if part in stored:
                    self.compare(where, f"{name} {part}", stored[part], value)
        elif isinstance(again, list) and isinstance(stored, list):
            if len(stored) != len(again):
                self.mismatches.append(f"{where}, {name}: {len(stored)} rows are stored, {len(again)} expected")
            for one, other in zip(stored, again, strict=False):
                self.compare(where, name, one, other)
        else:
            self._compare_figure(f"{where}, {name}", stored, again)

    def _compare_figure(self, what: str, stored: Any, again: Any) -> None:
        self.figures += 1
        if isinstance(stored, int | float) and isinstance(again, int | float):
            size = max(abs(stored), abs(again))
            difference = abs(stored - again) / (size if size > 1 else 1)
            self.largest = max(self.largest, difference)
            same = difference <= TOLERANCE
        else:
            same = stored == again
        if not same:
            self.mismatches.append(f"{what}: {stored!r} is stored, {again!r} computed")


@dataclass(frozen=True)
class Ledger:
    """What the portal's REST API gives of a series: its runs, their values by run, and their newest scores by run."""

    runs: Sequence[Mapping[str, Any]]
    values: Mapping[int, Sequence[Mapping[str, Any]]]
    scores: Mapping[int, Mapping[str, Any]]


def check(ledger: Ledger, loads: Loads, *, issue_times: Sequence[datetime], intervals: int) -> Findings:
    """Every run there, whole, and scored as the file says.

    Args:
        ledger: of one series.
        loads: what happened.
        issue_times: one run is expected of each, and no other.
        intervals: how many each run forecasts; one that is an earlier run issued again, what is left of that one.
    """
    found = Findings()
    issued = [parse_time(run["issue_time"]) for run in ledger.runs]
    found.mismatches += [f"no run was issued {at.isoformat()}" for at in issue_times if at not in issued]
    found.mismatches += [f"a run was issued {at.isoformat()}" for at in issued if at not in issue_times]
    found.mismatches += [f"{issued.count(at)} runs were issued {at}" for at in set(issued) if issued.count(at) > 1]
    forecasts = {run["id"]: forecast_of(ledger.values[run["id"]]) for run in ledger.runs}
    before: Mapping[datetime, Levels] = {}
    for run in sorted(ledger.runs, key=lambda each: parse_time(each["issue_time"])):
        forecast, where = forecasts[run["id"]], f"run {run['id']} issued {run['issue_time']}"
        found.runs += 1
        found.values += sum(len(levels) for levels in forecast.values())
        found.mismatches += _holes(run, forecast, before, loads, intervals, where)
        before = forecast
        score = ledger.scores.get(run["id"])
        if score is None:
            found.mismatches.append(f"{where} is not scored")
            continue
        _check_score(found, score, forecasts, loads, run, where)
    return found


def _check_score(
    found: Findings,
    score: Mapping[str, Any],
    forecasts: Mapping[int, Mapping[datetime, Levels]],
    loads: Loads,
    run: Mapping[str, Any],
    where: str,
) -> None:
    forecast, issue_time = forecasts[run["id"]], parse_time(run["issue_time"])
    again = scored_again(loads, forecast, issue_time=issue_time, as_of=parse_time(score["as_of"]))
    if score.get("stability"):
        against = score["stability"]["against_run"]
        again["stability"] = {"against_run": against, **changed(forecast, forecasts[against])}
    found.mismatches += [f"{where} has no {name} in its score" for name in sorted(KEPT - set(score))]
    found.unchecked |= {name for name in set(score) - set(again) - NOT_FROM_THE_FILE if score[name]}
    for name, value in again.items():
        if name in score:
            found.compare(where, name, score[name], value)


def _holes(
    run: Mapping[str, Any],
    forecast: Mapping[datetime, Levels],
    before: Mapping[datetime, Levels],
    loads: Loads,
    intervals: int,
    where: str,
) -> Iterator[str]:
    """What a run lacks of the values that its rung gives."""
    issue_time = parse_time(run["issue_time"])
    expected = [issue_time + number * loads.step for number in range(intervals)]
    if run["rung"] == "earlier_run":
        expected = [moment for moment in expected if moment in before]
        if any(forecast.get(moment) != before[moment] for moment in expected):
            yield f"{where} is not the run before, issued again"
    if list(forecast) != expected:
        yield f"{where} has {len(forecast)} intervals, {len(expected)} expected"
    if any(sorted(levels) != sorted(run["quantiles"]) for levels in forecast.values()):
        yield f"{where} lacks quantiles"
    if run["rung"] == "seasonal_naive":
        for moment, levels in forecast.items():
            naive = naive_load(loads, moment, known_at=issue_time)
            if not math.isclose(levels[0.5], naive, rel_tol=TOLERANCE):
                yield f"{where} is no seasonal naive: {levels[0.5]} for {moment.isoformat()}, the file says {naive}"
