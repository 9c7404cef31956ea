"""Rows of a table become facts in UTC, or bad rows with the rule that they break: chunk by chunk, onto local disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from include.errors import SourceError
from include.sources.connector import BadRow, Note, Request
from include.sources.files.bad_on_disk import BadOnDisk
from include.sources.files.numbers import read_numbers
from include.sources.files.options import FileOptions
from include.sources.files.order import OrderOfRows
from include.sources.files.runs import Rows, Runs
from include.sources.files.spacing import Spacing, in_coarser_stretch
from include.sources.files.table import Chunk, Table
from include.sources.local_time import read_naive, to_utc
from include.sources.rules import Faults, bad_rows, keep_rules

_NO_SHIFT = np.timedelta64(0, "ns")
_DAY = pd.Timedelta("1D")
REPEATED = "Rows that repeat another with the same value are left out."
_UNTERMINATED = "The line has no end: it may be cut, and is taken as soon as it has one."


@dataclass
class Judge:
    """Judges all rows of one file. What is good goes to `runs`, what is bad to `bad`."""

    request: Request
    options: FileOptions
    table: Table
    runs: Runs
    bad: BadOnDisk
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: int = 0
    left_out: bool = False
    """Some rows are not of the period."""

    def judge_all(self) -> None:
        """Read the table to its end.

        Raises:
            SourceError: it turns out to be damaged, is empty, or has other intervals than its series throughout.
        """
        folds = [self._folds(name) for name in self.options.times]
        spacings = {column.series: Spacing() for column in self.options.columns}
        for chunk in self.table.chunks():
            self.rows += len(chunk.rows) + len(chunk.bad)
            self._judge(chunk, folds, spacings)
        for series, spacing in spacings.items():
            own = self.options.own[series]
            if spacing.is_coarser_than(own.value) or spacing.is_finer_than(own.value):
                raise SourceError(
                    f"has a value of {series} every {pd.Timedelta(spacing.step)}, where {own} are expected; if that is "
                    "meant, declare the source's resolution, and by resample how it becomes that of the series"
                )

    def note(self, notes: Iterable[Note]) -> None:
        """Add to what was noted so far."""
        for note in notes:
            self.notes[note.rule, note.message] += note.count

    def contradictions(self, rows: Rows) -> list[BadRow]:
        """Rows of which each says something else than another one about the same."""
        if not len(rows):
            return []
        frame = self.runs.frame(rows)
        faults: Faults = {
            number: ("contradiction", f"{series}: {time.isoformat()} comes more than once, with different values.")
            for number, series, time in frame[["series", "valid_time"]].itertuples()
        }
        return bad_rows(frame, faults, raw=self.table.raw)

    def _folds(self, name: str) -> pd.Series | None:
        """What the order of all rows tells of the hours that come twice, where the source declares that it does."""
        if self.options.ambiguous != "in_order" or self.options.zone is None:
            return None
        order = OrderOfRows(self.options.zone)
        for chunk in self.table.chunks():
            order.add(read_naive(_series(chunk, name))[0])
        return order.folds()

    def _judge(self, chunk: Chunk, folds: list[pd.Series | None], spacings: dict[str, Spacing]) -> None:
        found = [self._times(chunk, name, fold) for name, fold in zip(self.options.times, folds, strict=True)]
        times, faults = found[0]
        for _, more in found[1:]:
            faults = more | faults
        bad = list(chunk.bad)
        if not chunk.is_cut:
            bad += [BadRow(row, self.table.raw(row), *faults[row]) for row in faults]
        is_placed = ~np.isin(chunk.rows, list(faults)) if faults else np.ones(len(chunk.rows), dtype=bool)
        instants = _instants(times)
        frames, faulty = [], []
        for column in self.options.columns:
            values, wrong = read_numbers(
                chunk.columns[column.stated["column"]], decimal=self.options.decimal, missing=self.options.missing
            )
            spacings[column.series].add(instants[is_placed].view("i8"))
            wrong |= self._mixed(instants, is_placed, self.options.own[column.series])
            shift = self.options.own[column.series].to_timedelta64() if self.options.labels == "end" else _NO_SHIFT
            frame = pd.DataFrame(
                {"row": chunk.rows, "series": column.series, "valid_time": _utc(instants - shift), "value": values}
            )
            if len(found) > 1:
                frame["issue_time"] = _utc(_instants(found[1][0]))
            is_wrong = np.zeros(len(frame), dtype=bool)
            is_wrong[list(wrong)] = True
            if wrong:
                named = {
                    number: (rule, f"{column.stated['column']}: {message}") for number, (rule, message) in wrong.items()
                }
                faulty.append((frame[is_placed & is_wrong], named))
            frames.append(frame[is_placed & ~is_wrong])
        self._keep(chunk, frames, faulty, bad)

    def _mixed(self, instants: NDArray[np.datetime64], is_placed: NDArray[np.bool_], own: pd.Timedelta) -> Faults:
        """Rows that stand for another interval than theirs. Forecasts may become coarser with their lead time."""
        if self.options.issue_time_column is not None:
            return {}
        placed = np.flatnonzero(is_placed)
        mixed = placed[in_coarser_stretch(instants[placed].view("i8"), own.value)]
        message = f"it stands in a stretch of longer intervals than {own}, which the source does not declare."
        return dict.fromkeys(mixed.tolist(), ("mixed_interval", message))

    def _times(self, chunk: Chunk, name: str, folds: pd.Series | None) -> tuple[pd.Series, Faults]:
        times, faults, notes = to_utc(
            _series(chunk, name),
            zone=self.options.zone,
            ambiguous=self.options.ambiguous,
            nonexistent=self.options.nonexistent,
            folds=folds,
        )
        self.note(notes)
        return times, {row: (rule, f"{name}: {message}") for row, (rule, message) in faults.items()}

    def _keep(
        self, chunk: Chunk, frames: list[pd.DataFrame], faulty: list[tuple[pd.DataFrame, Faults]], bad: list[BadRow]
    ) -> None:
        good, broken, notes = keep_rules(
            pd.concat(frames, ignore_index=True),
            columns=self.options.columns,
            raw=self.table.raw,
            latest=self.options.latest,
            ahead=self.request.ahead,
        )
        if chunk.is_cut:
            # Neither its values nor its faults are to be believed.
            self.bad.add(self._unterminated(chunk, good))
            return
        self.note(notes)
        bad += broken
        if faulty:
            bad += _merged(faulty, self.table)
        # And a day about the period, of which intervals at its edges may be made.
        near = self.request.of_period(good, margin=_DAY)
        self.left_out |= len(near) < len(good)
        told = self.runs.add(near)
        if told.repeated:
            self.notes["repeated", REPEATED] += told.repeated
        bad += self.contradictions(told.contradicting)
        self.bad.add(sorted(bad, key=lambda row: row.row))

    def _unterminated(self, chunk: Chunk, good: pd.DataFrame) -> list[BadRow]:
        faults: Faults = dict.fromkeys(good.index, ("unterminated_line", _UNTERMINATED))
        found = [replace(row, message=_UNTERMINATED) for row in bad_rows(good, faults, raw=self.table.raw)]
        known = {row.row for row in found}
        rest = [row for row in chunk.rows.tolist() if row not in known]
        return found + [BadRow(row, self.table.raw(row), "unterminated_line", _UNTERMINATED) for row in rest]


def _merged(faulty: list[tuple[pd.DataFrame, Faults]], table: Table) -> list[BadRow]:
    """The rows with a value that could not be read: one for each row and rule."""
    rows = pd.concat([frame for frame, _ in faulty], ignore_index=True)
    faults = [faults[number] for frame, faults in faulty for number in frame.index]
    return bad_rows(rows, dict(enumerate(faults)), raw=table.raw)


def _instants(times: pd.Series) -> NDArray[np.datetime64]:
    found: NDArray[np.datetime64] = times.dt.tz_localize(None).to_numpy()
    return found


def _utc(instants: NDArray[np.datetime64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(instants).tz_localize("UTC")


def _series(chunk: Chunk, name: str) -> pd.Series:
    column = chunk.columns[name]
    index = pd.Index(chunk.rows)
    if pa.types.is_timestamp(column.type):
        return column.to_pandas().set_axis(index)
    return pd.Series(column.to_numpy(zero_copy_only=False), index=index, dtype=object)
