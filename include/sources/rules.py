"""The rules that rows of every kind of source keep, on frames of (row, series, valid_time, value).

A value that breaks one costs only itself: the other series of its row stay. What is broken goes to quarantine with the
row as it came; what a declared rule leaves out without fault is counted in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from include.errors import SourceError
from include.sources.connector import NO_ROW, BadRow, Note

FUTURE_TOLERANCE = "PT1H"
Raw = Callable[[int], Mapping[str, Any]]
Faults = dict[Any, tuple[str, str]]
"""Rule and message, by the index of a frame."""


@dataclass(frozen=True)
class Column:
    """What becomes of the values of one of the options' columns. `stated` is the column as the options have it."""

    series: str
    scale: float
    minimum: float | None
    maximum: float | None
    stated: Mapping[str, Any]


def columns_of(options: Mapping[str, Any]) -> list[Column]:
    """The columns that the options of a source name.

    Raises:
        SourceError: there are none, one has no series or a number that is none, or two feed the same series.
    """
    stated = options.get("columns")
    if not isinstance(stated, list) or not stated:
        raise SourceError("The options have no columns: a list of what feeds which series")
    columns = [_column(each) for each in stated]
    names = [column.series for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"Two of the columns feed the series {twice[0]!r}; give each series one")
    return columns


def _column(stated: Any) -> Column:
    if not isinstance(stated, Mapping) or not isinstance(stated.get("series"), str):
        raise SourceError(f"{stated!r} is no column: it names no series")
    scale = _number(stated, "scale")
    if scale == 0:
        raise SourceError(f"The scale of {stated['series']} is 0, which makes every value 0")
    return Column(
        series=stated["series"],
        scale=1.0 if scale is None else scale,
        minimum=_number(stated, "minimum"),
        maximum=_number(stated, "maximum"),
        stated=stated,
    )


def _number(stated: Mapping[str, Any], name: str) -> float | None:
    number = stated.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
        raise SourceError(f"The {name} of {stated['series']} is {number!r}, which is no number")
    return float(number)


def duration(options: Mapping[str, Any], name: str, *, default: str | None = None) -> pd.Timedelta | None:
    """An option that is an ISO 8601 duration; None where it is not stated and has no default.

    Raises:
        SourceError: it is no duration, or less than nothing.
    """
    text = options.get(name, default)
    if text is None:
        return None
    try:
        length = pd.Timedelta(text) if isinstance(text, str) and text.startswith("P") else pd.NaT
    except ValueError:
        length = pd.NaT
    if not isinstance(length, pd.Timedelta):
        raise SourceError(f"The option {name} is {text!r}, which is no ISO 8601 duration such as 'PT15M'")
    if length < pd.Timedelta(0):
        raise SourceError(f"The option {name} is {text!r}, which is less than nothing")
    return length


def latest_time(options: Mapping[str, Any], *, read_at: datetime) -> pd.Timestamp:
    """The latest valid time that a measured value may have: the clock at reading plus the tolerance for clocks.

    Raises:
        SourceError: `future_tolerance` is no duration.
    """
    tolerance = duration(options, "future_tolerance", default=FUTURE_TOLERANCE)
    return pd.Timestamp(read_at) + (tolerance or pd.Timedelta(0))


def keep_rules(
    rows: pd.DataFrame,
    *,
    columns: Sequence[Column],
    raw: Raw,
    latest: pd.Timestamp | None = None,
    ahead: Collection[str] = (),
    lines: bool = True,
) -> tuple[pd.DataFrame, list[BadRow], list[Note]]:
    """Scale the values, and take out those that break a rule.

    Args:
        rows: row, series, valid_time (UTC), value as the source has it (NaN = missing), maybe issue_time.
        columns: of the options, by `columns_of`; each series of the rows is among theirs.
        raw: gives a row as it came.
        latest: the latest time of a measured value (`latest_time`). Rows with an issue_time are forecasts and free.
        ahead: series that are forecasts too, such as of quantity load_forecast.
        lines: whether `row` counts the lines of a file; if not, the bad rows carry NO_ROW.

    Returns:
        The rows that are good, with the values scaled; the others; what was left out without fault.
    """
    by_series = {column.series: column for column in columns}
    frame = rows.reset_index(drop=True)
    with np.errstate(over="ignore", invalid="ignore"):
        values = frame["value"].astype("float64") * frame["series"].map({n: c.scale for n, c in by_series.items()})
    frame = frame.assign(value=values)
    low = frame["series"].map({name: c.minimum for name, c in by_series.items()}).astype("float64")
    high = frame["series"].map({name: c.maximum for name, c in by_series.items()}).astype("float64")
    infinite = pd.Series(np.isinf(values), index=frame.index)
    outside = ((values < low) | (values > high)) & ~infinite
    if latest is None or "issue_time" in frame:
        late = pd.Series(data=False, index=frame.index)
    else:
        late = (frame["valid_time"] > latest) & ~frame["series"].isin(list(ahead))
    faults: Faults = {}
    for number, series in frame.loc[infinite, "series"].items():
        faults[number] = ("not_finite", f"{series}: the value is no finite number that can be kept.")
    for number, series, value in frame.loc[outside, ["series", "value"]].itertuples():
        faults[number] = ("out_of_bounds", f"{series}: {value:.10g} is not {_bounds(by_series[series])}.")
    for number, series, time in frame.loc[late & values.notna(), ["series", "valid_time"]].itertuples():
        message = f"{series}: a value for {time.isoformat()}, which is yet to come; values up to {latest} can be known."
        faults[number] = ("future_time", message)
    notes = []
    blank = late & values.isna()
    if blank.any():
        notes.append(Note("future_missing", int(blank.sum()), "Missing values of times yet to come are left out."))
    good = frame[~blank & ~frame.index.isin(list(faults))]
    return good.reset_index(drop=True), bad_rows(frame, faults, raw=raw, lines=lines), notes


def drop_repeats(rows: pd.DataFrame, *, raw: Raw, lines: bool = True) -> tuple[pd.DataFrame, list[BadRow], list[Note]]:
    """Keep what is said more than once in the same words once; what contradicts itself is bad, all of it.

    Args:
        rows: as for `keep_rules`; what has the same series, valid_time and issue_time is the same fact.
        raw: gives a row as it came.
        lines: as for `keep_rules`.
    """
    frame = rows.reset_index(drop=True)
    fact = ["series", "valid_time"] + (["issue_time"] if "issue_time" in frame else [])
    again = frame.duplicated(fact, keep=False)
    if not again.any():
        return frame, [], []
    # Missing values agree with each other, and contradict a number.
    said = frame[again].groupby(fact, sort=False)["value"]
    known = said.transform("count")
    torn = (known > 0) & ((known < said.transform("size")) | (said.transform("min") != said.transform("max")))
    contradicting = torn.reindex(frame.index, fill_value=False)
    faults = {
        number: ("contradiction", f"{series}: {time.isoformat()} comes more than once, with different values.")
        for number, series, time in frame.loc[contradicting, ["series", "valid_time"]].itertuples()
    }
    repeated = frame.duplicated(fact) & ~contradicting
    notes = []
    if repeated.any():
        notes.append(
            Note("repeated", int(repeated.sum()), "Rows that repeat another with the same value are left out.")
        )
    good = frame[~contradicting & ~repeated].reset_index(drop=True)
    return good, bad_rows(frame, faults, raw=raw, lines=lines), notes


def bad_rows(rows: pd.DataFrame, faults: Faults, *, raw: Raw, lines: bool = True) -> list[BadRow]:
    """The faulty ones of `rows` for quarantine: one for each row and rule, with all values of it that broke that rule.

    Args:
        rows: row, series, valid_time, value, maybe issue_time.
        faults: rule and message by the index of `rows`.
        raw: gives a row as it came.
        lines: as for `keep_rules`.
    """
    grouped: dict[tuple[int, str], tuple[list[str], list[dict[str, Any]]]] = {}
    issued = ["issue_time"] if "issue_time" in rows else []
    faulty = rows.loc[list(faults), ["row", "series", "valid_time", "value", *issued]]
    for number, row, series, time, value, *issue_time in faulty.itertuples():
        rule, message = faults[number]
        messages, values = grouped.setdefault((int(row), rule), ([], []))
        messages.append(message)
        said = {"series": series, "valid_time": time.isoformat(), "value": float(value) if isfinite(value) else None}
        values.append({**said, "issue_time": issue_time[0].isoformat()} if issued else said)
    return [
        BadRow(row if lines else NO_ROW, raw(row), rule, " ".join(messages), values)
        for (row, rule), (messages, values) in sorted(grouped.items())
    ]


def _bounds(column: Column) -> str:
    if column.minimum is None:
        return f"at most {column.maximum:.10g}"
    if column.maximum is None:
        return f"at least {column.minimum:.10g}"
    return f"between {column.minimum:.10g} and {column.maximum:.10g}"
