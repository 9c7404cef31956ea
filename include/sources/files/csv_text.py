"""CSV: the fields of each column by line, from a spooled text.

Two ways lead to the same fields. Blocks without quotes are told apart all at once; the others record by record, by the
csv module, which is strict: where a quote stays open or a field goes on behind one, the file is no CSV from there on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from include.errors import SourceError
from include.sources.connector import BadRow
from include.sources.files.csv_header import read_header, reader_of
from include.sources.files.numbers import short
from include.sources.files.places import Places
from include.sources.files.spool import LONGEST_LINE, Spool
from include.sources.files.table import MOST_FIELDS, Chunk, shown

BLOCK = 1 << 21
_BOM = b"\xef\xbb\xbf"
_LONG_FIELD = 100_000
"""Bytes of a line that may hold a field longer than the csv module takes."""
_OPEN_QUOTE = "unexpected end of data"


@dataclass
class _Records:
    """What was told apart: last line, first byte and needed fields of each record that has all of its fields.

    `used` bytes and `used_lines` are done with; what follows them belongs to a record that goes on.
    """

    lines: Any = field(default_factory=list)
    places: Any = field(default_factory=list)
    columns: list[Any] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    used: int = 0
    used_lines: int = 0


class CsvTable:
    """A text with a header; `index` is a local file that it fills with where each record begins."""

    def __init__(self, spool: Spool, *, index: IO[bytes], needed: Sequence[str], delimiter: str | None) -> None:
        """Read the header. Raises SourceError where it is not as it has to be."""
        self._spool = spool
        self._needed = list(dict.fromkeys(needed))
        self._header = read_header(spool, needed=self._needed, delimiter=delimiter)
        self._numbers = [self._header.names.index(name) for name in self._needed]
        self._places = Places(index)

    def chunks(self) -> Iterator[Chunk]:
        """All records. Raises SourceError where it is no CSV, or ends in the middle of a record."""
        self._places.clear()
        offset, lines, rest = self._header.end, self._header.lines, b""
        while offset < self._spool.size:
            data = rest + self._spool.read(offset + len(rest), BLOCK)
            at_end = offset + len(data) >= self._spool.size
            end = _end_of_lines(data, at_end=at_end)
            if at_end and end < len(data) and (end == 0 or b'"' in data):
                yield from self._last(data, offset=offset, lines=lines)
                return
            records = self._at_once(data[:end], lines=lines)
            if records is None:
                records = self._one_by_one(data[:end], lines=lines, is_all=at_end)
            if records.used:
                yield self._chunk(records, offset=offset)
            elif len(data) > 2 * LONGEST_LINE:
                raise SourceError(f"is no CSV from line {lines + 1} on: a quote is not closed")
            offset, lines, rest = offset + records.used, lines + records.used_lines, data[records.used :]

    def raw(self, row: int) -> dict[str, Any]:
        """The fields of the record that ends in this line."""
        begin, end = self._places.find(row)
        fields = next(reader_of(self._spool.read(begin, end - begin).decode(), self._header.delimiter))
        return shown(self._header.names, fields, first=self._needed)

    def _last(self, data: bytes, *, offset: int, lines: int) -> Iterator[Chunk]:
        """The end of a text of which the last record has no line end."""
        records = self._one_by_one(data, lines=lines, is_all=True)
        bad, last = records.bad, lines + records.used_lines
        if bad and bad[-1].row == last and data.splitlines()[-1].strip():
            raise SourceError(f"is cut: its last line, {last}, has no line end. {bad[-1].message}")
        has_cut = bool(records.lines) and records.lines[-1] == last
        whole = len(records.lines) - has_cut
        self._places.add(records.lines, [offset + place for place in records.places], end=offset + len(data))
        for part, is_cut in ((slice(0, whole), False), (slice(whole, None), True)):
            rows = np.array(records.lines[part], dtype=np.int64)
            columns = {
                name: pa.array(texts[part], type=pa.string())
                for name, texts in zip(self._needed, records.columns, strict=True)
            }
            if len(rows) or (bad and not is_cut):
                yield Chunk(rows, columns, [] if is_cut else bad, is_cut=is_cut)

    def _chunk(self, records: _Records, *, offset: int) -> Chunk:
        rows = np.asarray(records.lines, dtype=np.int64)
        self._places.add(rows, np.asarray(records.places, dtype=np.int64) + offset, end=offset + records.used)
        columns = (pa.array(each, type=pa.string()) if isinstance(each, list) else each for each in records.columns)
        return Chunk(rows, dict(zip(self._needed, columns, strict=True)), records.bad)

    def _at_once(self, block: bytes, *, lines: int) -> _Records | None:
        """The records of whole lines, each of which is one; None where that cannot be said of them."""
        has_returns = block.count(b"\r") != block.count(b"\r\n")
        if not block.endswith(b"\n") or b'"' in block or has_returns or block.startswith(_BOM):
            return None
        octets = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(octets == ord("\n"))
        begins = np.concatenate(([0], ends[:-1] + 1))
        lengths = ends - begins - (octets[ends - 1] == ord("\r"))
        if lengths.max() > _LONG_FIELD:
            return None
        marks = np.flatnonzero(octets == ord(self._header.delimiter))
        found = np.searchsorted(marks, ends) - np.searchsorted(marks, begins) + 1
        good = (found == len(self._header.names)) & (lengths > 0)
        bad = [
            self._miscounted(
                lines + number + 1,
                block[begins[number] : begins[number] + lengths[number]].decode().split(self._header.delimiter),
            )
            for number in np.flatnonzero(~good & (lengths > 0)).tolist()
        ]
        if not good.all():
            block = octets[np.repeat(good, ends - begins + 1)].tobytes()
        columns = self._columns(block, rows=int(good.sum()))
        if columns is None:
            return None
        kept = np.flatnonzero(good)
        return _Records(kept + lines + 1, begins[good], columns, bad, used=len(octets), used_lines=len(ends))

    def _columns(self, block: bytes, *, rows: int) -> list[pa.Array] | None:
        if not rows:
            return [pa.array([], type=pa.string()) for _ in self._needed]
        names = [str(number) for number in self._numbers]
        try:
            table = pacsv.read_csv(
                pa.BufferReader(block),
                read_options=pacsv.ReadOptions(
                    column_names=[str(number) for number in range(len(self._header.names))],
                    use_threads=False,
                    block_size=len(block) + 1,
                ),
                parse_options=pacsv.ParseOptions(delimiter=self._header.delimiter, quote_char=False),
                convert_options=pacsv.ConvertOptions(
                    check_utf8=False, include_columns=names, column_types=dict.fromkeys(names, pa.string())
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != rows:
            return None
        return [table.column(name).combine_chunks() for name in names]

    def _one_by_one(self, data: bytes, *, lines: int, is_all: bool) -> _Records:
        """The records of some lines. Raises SourceError where they are no CSV; an open last one is left, if not all."""
        begins = [0, *accumulate(map(len, data.splitlines(keepends=True)))]
        reader: Any = reader_of(data.decode(), self._header.delimiter)
        records = _Records(columns=[[] for _ in self._needed])
        while True:
            done = records.used_lines
            try:
                fields = next(reader, None)
            except csv.Error as error:
                if str(error) == _OPEN_QUOTE and not is_all:
                    return records
                raise SourceError(f"is no CSV from line {lines + done + 1} on: {error}") from error
            if fields is None:
                return records
            records.used_lines = reader.line_num
            records.used = begins[reader.line_num]
            if len(fields) == len(self._header.names):
                records.lines.append(lines + reader.line_num)
                records.places.append(begins[done])
                for texts, number in zip(records.columns, self._numbers, strict=True):
                    texts.append(fields[number])
            elif fields:
                records.bad.append(self._miscounted(lines + reader.line_num, fields))

    def _miscounted(self, line: int, fields: list[str]) -> BadRow:
        count = len(self._header.names)
        message = f"The line has {len(fields)} fields, the header {count}."
        kept = min(count + 1, MOST_FIELDS)
        return BadRow(line, {"fields": [short(text) for text in fields[:kept]]}, "field_count", message)


def _end_of_lines(data: bytes, *, at_end: bool) -> int:
    """How many bytes are whole lines. A return at the very end may be half of a line end, unless nothing follows."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) if at_end else len(data) - 1)) + 1
