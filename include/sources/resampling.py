"""From the intervals of a source to those of its series: mean or sum of finer ones, repetition of coarser ones.

All in UTC, where every interval has its length on every day: a change of clocks alters nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from include.errors import SourceError
from include.sources.connector import Note
from include.sources.rules import duration

METHODS = ("mean", "sum", "repeat")


def resample(
    rows: pd.DataFrame, options: Mapping[str, Any], *, resolutions: Mapping[str, pd.Timedelta]
) -> tuple[pd.DataFrame, list[Note]]:
    """Rows in the intervals of their series, by the options `resolution` and `resample`.

    The rows hold whole intervals of the series: whoever cuts a source into parts cuts at midnight UTC.

    Args:
        rows: row, series, valid_time (UTC, start of the source's interval), value, maybe issue_time; no fact twice.
            A source whose intervals are not always the same also says the `length` of each.
        options: of the source. Without `resolution` or `length`, the source has the intervals of its series.
        resolutions: the length of an interval of each series.

    Returns:
        The rows, each with the `row` of the first that it comes from, and notes of the intervals that are not stored
        because a part of them is not there. A missing value makes its interval missing.

    Raises:
        SourceError: the options do not fit each other or the series.
    """
    own = duration(options, "resolution")
    method = options.get("resample")
    if method is not None and method not in METHODS:
        raise SourceError(f"The option resample is {method!r}; it is one of {', '.join(METHODS)}")
    if own is not None and own <= pd.Timedelta(0):
        raise SourceError(f"The option resolution is {options['resolution']!r}, which is no length")
    if "length" not in rows:
        if own is None and method is not None:
            raise SourceError("The option resample needs the resolution of the source, such as 'PT5M'")
        if own is None:
            return rows, []
        rows = rows.assign(length=own)
    kept = rows.columns.drop("length")
    parts, notes = [], []
    for (series, named), part in rows.groupby(["series", "length"], sort=False):
        length = pd.Timedelta(named)  # type: ignore[arg-type]  # the stubs know it as a Hashable
        wanted = resolutions[str(series)]
        if wanted == length:
            parts.append(part[kept])
            continue
        _check(str(series), own=length, wanted=wanted, method=method)
        if method == "repeat":
            parts.append(_repeated(part[kept], own=length, wanted=wanted))
            continue
        whole, incomplete = _collected(part[kept], own=length, wanted=wanted, method=str(method))
        parts.append(whole)
        if incomplete:
            message = f"{series}: intervals of {wanted} of which not every {length} is there are not stored."
            notes.append(Note("incomplete_interval", incomplete, message))
    return pd.concat(parts, ignore_index=True) if parts else rows[kept], notes


def _check(series: str, *, own: pd.Timedelta, wanted: pd.Timedelta, method: str | None) -> None:
    stated = f"The source has intervals of {own}, {series} of {wanted}"
    if method is None:
        raise SourceError(f"{stated}: the option resample says how to get from one to the other")
    finer, coarser = (wanted, own) if method == "repeat" else (own, wanted)
    if finer > coarser:
        way = "from coarser to finer" if method == "repeat" else "from finer to coarser"
        raise SourceError(f"{stated}: {method} leads {way} intervals only")
    if coarser % finer:
        raise SourceError(f"{stated}: neither is a multiple of the other")


def _repeated(rows: pd.DataFrame, *, own: pd.Timedelta, wanted: pd.Timedelta) -> pd.DataFrame:
    times = int(own / wanted)
    again = rows.loc[rows.index.repeat(times)].reset_index(drop=True)
    steps = pd.Series(range(len(again))) % times
    return again.assign(valid_time=again["valid_time"] + steps * wanted)


def _collected(rows: pd.DataFrame, *, own: pd.Timedelta, wanted: pd.Timedelta, method: str) -> tuple[pd.DataFrame, int]:
    """The intervals of `wanted` of which every `own` is there, and how many others there are."""
    by = ["series", "valid_time"] + (["issue_time"] if "issue_time" in rows else [])
    starts = rows["valid_time"].dt.floor(wanted)
    on_grid = rows["valid_time"] == starts + (rows["valid_time"] - starts).floordiv(own) * own
    groups = rows.assign(valid_time=starts, _on_grid=on_grid).groupby(by, sort=False)
    found = groups.agg(
        row=("row", "first"),
        count=("_on_grid", "size"),
        on_grid=("_on_grid", "sum"),
        known=("value", "count"),
        value=("value", method),
    ).reset_index()
    needed = int(wanted / own)
    complete = (found["count"] == needed) & (found["on_grid"] == needed)
    value = found["value"].where(found["known"] == needed)
    whole = found.assign(value=value)[complete]
    return whole[rows.columns], int((~complete).sum())
