"""From the rows of an answer to a part of the run: what all connectors but those of files do last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite, nan
from typing import Any

import pandas as pd

from include.sources.connector import BadRow, Note, Part, Request
from include.sources.resampling import resample
from include.sources.rules import Column, drop_repeats, keep_rules, latest_time

KINDS = {"row": "int64", "series": "object", "valid_time": "datetime64[ns, UTC]", "value": "float64"}


def no_rows(*, issued: bool = False) -> pd.DataFrame:
    """An empty frame of rows; `issued` says whether they have an issue_time."""
    kinds = {**KINDS, **({"issue_time": "datetime64[ns, UTC]"} if issued else {})}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def part_of(
    request: Request,
    rows: pd.DataFrame,
    *,
    file: str,
    columns: Sequence[Column],
    raw: Callable[[int], Mapping[str, Any]],
    ahead: Collection[str] = (),
    bad: Sequence[BadRow] = (),
    notes: Sequence[Note] = (),
    is_last_of_file: bool = False,
    position: Any = None,
    done: float | None = None,
) -> Part:
    """A part from the rows as the source has them, once they keep the rules and have the intervals of their series.

    Args:
        request: the period and the options count.
        rows: row, series, valid_time, value, maybe issue_time, maybe the `length` of their intervals where the service
            is sure of it; `row` is what `raw` takes.
        file: what the rows belong to.
        columns: of the options.
        raw: gives a row as it came.
        ahead: series of forecasts, beside those that the request names.
        bad: rows that could not be read at all.
        notes: on what was left out earlier.
        is_last_of_file, position, done: of the part.
    """
    rows, torn, repeated = drop_repeats(rows, raw=raw, lines=False)
    rows, broken, early = keep_rules(
        rows,
        columns=columns,
        raw=raw,
        latest=latest_time(request.options, read_at=request.read_at),
        ahead={*request.ahead, *ahead},
        lines=False,
    )
    rows, incomplete = resample(rows, request.options, resolutions=request.resolutions)
    return Part(
        file=file,
        rows=request.of_period(rows).sort_values("valid_time", kind="stable").reset_index(drop=True),
        bad=[*bad, *torn, *broken],
        raw=raw,
        has_lines=False,
        notes=[*notes, *repeated, *early, *incomplete],
        is_last_of_file=is_last_of_file,
        position=position,
        done=done,
    )


def number_of(value: Any) -> float | None:
    """A value of a JSON document, which may write it as text; NaN where there is none, None where it is no number."""
    if value is None:
        return nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
