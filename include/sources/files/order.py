"""Which of two equal local times is the earlier: told by the order of the rows in which they come.

When the clock is set back, an hour comes twice. Rows in the order of time run through it once, jump back, and run
through it again. One jump tells them apart; none, or several, tell nothing, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

EARLIER, LATER, UNKNOWN = 0, 1, -1
_MOST_ROWS = 500_000
"""Rows in doubtful hours that are kept; more than a file of an hour twice a year can hold in a century."""
_ONE_CHANGE = pd.Timedelta("1D")


@dataclass
class _Passage:
    """Rows that follow each other through an hour that comes twice. `before` and `after` are their neighbours."""

    before: pd.Timestamp | None
    labels: list[Any] = field(default_factory=list)
    times: list[pd.Timestamp] = field(default_factory=list)
    after: pd.Timestamp | None = None


class OrderOfRows:
    """Takes the local times of a source bit by bit, in its order, and says at the end which are the later ones."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._passages: list[_Passage] = []
        self._open: _Passage | None = None
        self._last: pd.Timestamp | None = None
        self._rows = 0

    def add(self, naive: pd.Series) -> None:
        """The next rows: datetime64[ns] without a zone; NaT are passed over."""
        naive = naive.dropna()
        if naive.empty:
            return
        doubtful = _comes_twice(naive, zone=self._zone)
        positions = doubtful.nonzero()[0].tolist()
        previous = -1
        for position in positions:
            if position > previous + 1:
                self._close(naive.iloc[previous + 1])
                self._last = naive.iloc[position - 1]
            self._take(naive.index[position], naive.iloc[position])
            previous = position
        if previous + 1 < len(naive):
            self._close(naive.iloc[previous + 1])
            self._last = naive.iloc[-1]

    def folds(self) -> pd.Series:
        """EARLIER, LATER or UNKNOWN by the label of each row whose time comes twice."""
        self._close(None)
        found: dict[Any, int] = {}
        if self._rows <= _MOST_ROWS:
            for passage in self._passages:
                found.update(zip(passage.labels, _tell(passage), strict=True))
        return pd.Series(found, dtype="int64")

    def _take(self, label: Any, time: pd.Timestamp) -> None:
        self._rows += 1
        if self._rows > _MOST_ROWS:
            self._passages, self._open = [], None
            return
        if self._open is not None and abs(time - self._open.times[-1]) > _ONE_CHANGE:
            self._close(time)
        if self._open is None:
            self._open = _Passage(before=self._last)
        self._open.labels.append(label)
        self._open.times.append(time)
        self._last = time

    def _close(self, after: pd.Timestamp | None) -> None:
        if self._open is not None:
            self._open.after = after
            self._passages.append(self._open)
            self._open = None


def folds_in_order(naive: pd.Series, *, zone: ZoneInfo) -> pd.Series:
    """`OrderOfRows` of rows that are all at hand."""
    order = OrderOfRows(zone)
    order.add(naive)
    return order.folds()


def _comes_twice(naive: pd.Series, *, zone: ZoneInfo) -> Any:
    sure = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
    return sure.isna().to_numpy()


def _tell(passage: _Passage) -> list[int]:
    times = passage.times
    newest_first = (
        passage.before > times[0]
        if passage.before is not None
        else passage.after is not None and passage.after < times[-1]
    )
    if newest_first:
        times = times[::-1]
    jumps = [number for number in range(1, len(times)) if times[number] <= times[number - 1]]
    if len(jumps) != 1:
        return [UNKNOWN] * len(times)
    folds = [EARLIER] * jumps[0] + [LATER] * (len(times) - jumps[0])
    return folds[::-1] if newest_first else folds
