"""More rows than memory holds, in the order of time: sorted runs on local disk, merged window by window.

A fact is what one series is at one valid time (and of one issue). What a file says of it more than once is found
here, however far apart the lines are: the same value again is left out, different values are all set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NS_PER_DAY = 86_400_000_000_000
_ROW = np.dtype([("time", "i8"), ("series", "i4"), ("issue", "i8"), ("row", "i8"), ("value", "f8"), ("told", "?")])
"""`told`: the fact is contradictory, and this row of it has been set aside already."""
_FACT = ("time", "series", "issue")
_STEP = 512
"""Rows between two of which the time is kept at hand."""
Rows = NDArray[Any]
NO_ROWS: Rows = np.zeros(0, dtype=_ROW)


@dataclass
class Told:
    """Rows with each fact once; those that contradict one another; how many repeat another one."""

    rows: Rows
    contradicting: Rows
    repeated: int


@dataclass
class _Run:
    """Sorted rows in the file. `times` are those of every _STEP-th; `next_time` is that of the row at `taken`."""

    offset: int
    count: int
    times: NDArray[np.int64]
    next_time: int
    taken: int = 0


@dataclass
class Runs:
    """Takes rows in any order, gives them back in that of time. `series` are the slugs that they may have."""

    file: IO[bytes]
    series: Sequence[str]
    issued: bool
    count: int = 0
    _runs: list[_Run] = field(default_factory=list)
    _samples: NDArray[np.int64] | None = None

    def add(self, frame: pd.DataFrame) -> Told:
        """Rows of (row, series, valid_time, value), with issue_time if `issued`. Tells what is wrong among them."""
        rows = np.zeros(len(frame), dtype=_ROW)
        codes = {name: code for code, name in enumerate(self.series)}
        rows["series"] = frame["series"].map(codes).to_numpy()
        rows["time"] = _nanoseconds(frame["valid_time"])
        rows["row"], rows["value"] = frame["row"].to_numpy(), frame["value"].to_numpy()
        if self.issued:
            rows["issue"] = _nanoseconds(frame["issue_time"])
        told = tell_apart(rows, keep_contradictions=True)
        if len(told.rows):
            offset = self.file.seek(0, 2)
            self.file.write(told.rows.tobytes())
            times = told.rows["time"]
            self._runs.append(_Run(offset, len(times), times[::_STEP].copy(), int(times[0])))
            self.count += len(times)
        return told

    def is_empty(self) -> bool:
        """Whether all rows have been taken."""
        return all(run.taken == run.count for run in self._runs)

    def first_time(self) -> int:
        """Nanoseconds since 1970 of the earliest row that is left."""
        return min(run.next_time for run in self._runs if run.taken < run.count)

    def window(self, *, end: int, most: int, grain: int) -> int:
        """Where a window that starts with the earliest row ends: at `end`, or earlier to hold about `most` rows.

        Args:
            end: nanoseconds since 1970.
            most: rows.
            grain: a window that ends earlier ends at a multiple of so many nanoseconds.
        """
        if self._samples is None:
            self._samples = np.sort(np.concatenate([run.times for run in self._runs]))
        begin = self.first_time()
        number = int(np.searchsorted(self._samples, begin)) + max(1, most // _STEP)
        if number < len(self._samples):
            earlier = max(int(self._samples[number]), begin + 1)
            end = min(end, max(earlier // grain, begin // grain + 1) * grain)
        return end

    def take(self, *, end: int) -> Told:
        """The rows before `end` (nanoseconds since 1970), sorted."""
        taken = [self._take(run, end) for run in self._runs if run.taken < run.count and run.next_time < end]
        return tell_apart(np.concatenate(taken) if taken else NO_ROWS)

    def frame(self, rows: Rows) -> pd.DataFrame:
        """Rows as connectors hand them on."""
        names = np.array(self.series, dtype=object)
        columns: dict[str, Any] = {
            "row": rows["row"].astype(np.int64),
            "series": names[rows["series"]],
            "valid_time": _utc(rows["time"]),
            "value": rows["value"].astype(np.float64),
        }
        if self.issued:
            columns["issue_time"] = _utc(rows["issue"])
        return pd.DataFrame(columns)

    def _take(self, run: _Run, end: int) -> Rows:
        # Samples say how far to read at most, and the times themselves how far to take.
        limit = min(int(np.searchsorted(run.times, end)) * _STEP, run.count)
        self.file.seek(run.offset + run.taken * _ROW.itemsize)
        found = np.frombuffer(self.file.read((limit - run.taken) * _ROW.itemsize), dtype=_ROW)
        found = found[: int(np.searchsorted(found["time"], end))]
        run.taken += len(found)
        if run.taken < run.count:
            self.file.seek(run.offset + run.taken * _ROW.itemsize)
            run.next_time = int(np.frombuffer(self.file.read(_ROW.itemsize), dtype=_ROW)["time"][0])
        return found


def tell_apart(rows: Rows, *, keep_contradictions: bool = False) -> Told:
    """Sort rows, and keep each fact once.

    With `keep_contradictions` a contradictory fact leaves one row that is `told`, for other runs to be compared with.
    """
    order = np.lexsort((rows["row"], rows["issue"], rows["series"], rows["time"]))
    rows = rows[order]
    if len(rows) < 2:
        return Told(rows[~rows["told"]] if not keep_contradictions else rows, rows[:0], 0)
    same = np.logical_and.reduce([rows[name][1:] == rows[name][:-1] for name in _FACT])
    if not same.any():
        return Told(rows if keep_contradictions else rows[~rows["told"]], rows[:0], 0)
    group = np.concatenate(([0], np.cumsum(~same)))
    values = rows["value"]
    # Missing values agree with each other, and contradict a number.
    differs = ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
    contradictory = np.zeros(int(group[-1]) + 1, dtype=bool)
    contradictory[group[1:][same & differs]] = True
    contradictory[group[rows["told"]]] = True
    first = np.concatenate(([True], ~same))
    refused = contradictory[group]
    contradicting = rows[refused & ~rows["told"]]
    repeated = int((~refused & ~first).sum())
    if keep_contradictions:
        kept = rows[first]
        kept["told"] = contradictory
        return Told(kept, contradicting, repeated)
    return Told(rows[first & ~refused], contradicting, repeated)


def _nanoseconds(times: pd.Series) -> NDArray[np.int64]:
    found: NDArray[np.int64] = times.dt.as_unit("ns").astype("int64").to_numpy()
    return found


def _utc(nanoseconds: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(nanoseconds.astype("datetime64[ns]")).tz_localize("UTC")
