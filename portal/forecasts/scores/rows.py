"""The rows of a score, by day and by lead time: what in them is a figure, when they are sent and when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from portal.core.columns import EARLIEST, LATEST

Row = Mapping[str, Any]
COUNTS = ("n", "expected", "external_n", "known_values", "known_in_a_row", "observed_values")
LARGEST_COUNT = 2**31 - 1
LARGEST_FIGURE = 1e15
"""Sums of such are finite."""


def is_count(value: Any) -> bool:
    """Whether it is a whole number, 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT


def is_figure(value: Any) -> bool:
    """Whether it is a number that arithmetic can use."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_FIGURE


def local_date(text: Any) -> date | None:
    """The day of a row; None where that is none, or of a distant year."""
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return day if EARLIEST.date() < day < LATEST.date() else None


def rows_of(rows: Any, *, needed: tuple[str, ...] = ()) -> list[Row]:
    """The rows with the figures that can be used, and the day; those without what is `needed` are left out."""
    usable = [
        {
            name: value
            for name, value in row.items()
            if (is_count(value) if name in COUNTS else name == "date" or is_figure(value))
        }
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping)
    ]
    return [row for row in usable if all(row.get(name) is not None for name in needed)]
