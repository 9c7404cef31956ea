"""The calendar months in which services are asked: one part of a run each, and one "file" for the quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from include.errors import SourceError
from include.sources.connector import Request
from include.times import read_time

_SLACK = timedelta(days=1)
"""Between the end of a period and the clock: the interval that has just ended is the last of its month so far."""


@dataclass(frozen=True)
class Window:
    """`[start, end)`, whole days in UTC within the month `name`. `is_whole`: nothing of the month lies outside it."""

    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    is_whole: bool
    done: float

    @property
    def position(self) -> str:
        """Where the next window begins."""
        return self.end.isoformat()


def months(request: Request, *, ahead: timedelta = timedelta(0)) -> list[Window]:
    """The months of a request's period that an earlier try of the run has not stored.

    Args:
        request: its start, end and position count; an open end is the time to work for.
        ahead: how far beyond that an open end reaches, where the service knows what is yet to come.

    Raises:
        SourceError: the period has no start: all that there ever was would be asked for.
    """
    if request.start is None:
        raise SourceError(f"Source {request.source['slug']} cannot be read without a start; give the run one")
    start = pd.Timestamp(request.start).floor("D")
    end = pd.Timestamp(request.end if request.end is not None else request.as_of + ahead).ceil("D")
    found = []
    begin = start
    while begin < end:
        month = begin.normalize().replace(day=1)
        following = month + pd.DateOffset(months=1)
        stop = min(following, end)
        known = min(following, pd.Timestamp(request.read_at))
        is_whole = begin == month and stop + _SLACK >= known
        found.append(Window(begin.strftime("%Y-%m"), begin, stop, is_whole, (stop - start) / (end - start)))
        begin = stop
    resumed = _resumed(request.position)
    return [window for window in found if resumed is None or window.start >= resumed]


def _resumed(position: Any) -> datetime | None:
    return None if position is None else read_time(position, name="position")
