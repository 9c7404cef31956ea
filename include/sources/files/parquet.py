"""Parquet: the columns that are needed, from a spooled file, in batches that memory holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.errors import SourceError
from include.sources.files.csv_header import MOST_COLUMNS, check_names
from include.sources.files.numbers import SHORT
from include.sources.files.spool import UNREADABLE, Spool
from include.sources.files.table import Chunk, shown

_CELLS = 1 << 17
"""Values in a batch."""
_LONGEST_TEXT = 1000
"""Characters of a text that may be a number or a time."""
_Found = TypeVar("_Found")


class ParquetTable:
    """A Parquet file. Its rows count from 1. `copy` is a local file that it fills with the columns read."""

    def __init__(
        self, spool: Spool, *, copy: IO[bytes], needed: Sequence[str], times: Sequence[str], most_bytes: int
    ) -> None:
        """Read what the file says of itself.

        Args:
            spool: the file.
            copy: an empty local file.
            needed: names of columns.
            times: those of them that hold times.
            most_bytes: what the columns may unpack to.

        Raises:
            SourceError: it is no Parquet, or its columns are not as they have to be.
        """
        self._needed = list(dict.fromkeys(needed))
        self._times = set(times)
        self._file = _guarded(lambda: pq.ParquetFile(spool.file, pre_buffer=False, page_checksum_verification=True))
        schema, facts = self._file.schema_arrow, self._file.metadata
        if len(schema.names) > MOST_COLUMNS:
            raise SourceError(f"has {len(schema.names):,} columns; {MOST_COLUMNS:,} are the limit")
        check_names(schema.names, self._needed)
        texts = [name for name in self._needed if self._is_text(name, schema.field(name).type)]
        least = facts.num_rows * 8 * len(self._needed)
        unpacked = sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))
        if max(least, unpacked) > most_bytes:
            raise SourceError(f"unpacks to more than {most_bytes:,} bytes; ingest_max_bytes is the limit")
        # Texts as a dictionary: else a long one that is repeated would be unpacked as often as it is.
        self._file = _guarded(
            lambda: pq.ParquetFile(spool.file, pre_buffer=False, page_checksum_verification=True, read_dictionary=texts)
        )
        self._rows = facts.num_rows
        self._copy = copy
        self._firsts: list[int] = []
        """The first row of each batch, and where in the copy it ends."""
        self._ends: list[int] = [0]
        self._at_hand: tuple[int, pa.RecordBatch] | None = None

    def chunks(self) -> Iterator[Chunk]:
        """All rows. Raises SourceError where the file is damaged."""
        size = max(1, _CELLS // len(self._needed))
        batches = _guarded(lambda: self._file.iter_batches(batch_size=size, columns=self._needed, use_threads=False))
        self._copy.truncate(0)
        self._firsts, self._ends, self._at_hand = [], [0], None
        row = 1
        while (columns := _guarded(lambda: self._columns(next(batches, None)))) is not None:
            self._keep(pa.record_batch(columns), row)
            count = len(columns[self._needed[0]])
            yield Chunk(np.arange(row, row + count), columns)
            row += count
        if row - 1 != self._rows:
            raise SourceError(f"is damaged: it holds {row - 1:,} rows, and says {self._rows:,}")

    def raw(self, row: int) -> dict[str, Any]:
        """The columns read of a row."""
        number = bisect_right(self._firsts, row) - 1
        if self._at_hand is None or self._at_hand[0] != number:
            self._copy.seek(self._ends[number])
            kept = self._copy.read(self._ends[number + 1] - self._ends[number])
            self._at_hand = number, pa.ipc.open_stream(kept).read_next_batch()
        batch = self._at_hand[1]
        fields = [_shown(batch.column(name)[row - self._firsts[number]]) for name in self._needed]
        return shown(self._needed, fields, first=self._needed)

    def _keep(self, batch: pa.RecordBatch, row: int) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        self._copy.seek(self._ends[-1])
        self._ends.append(self._ends[-1] + self._copy.write(sink.getvalue()))
        self._firsts.append(row)

    def _columns(self, batch: pa.RecordBatch | None) -> dict[str, pa.Array] | None:
        return None if batch is None else {name: _plain(batch.column(name)) for name in self._needed}

    def _is_text(self, name: str, kind: pa.DataType) -> bool:
        """Whether a column holds texts. Raises SourceError for what is neither a text nor what it should be."""
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return True
        if name in self._times:
            if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
                return False
            raise SourceError(f"has {kind} in the column {name!r}, which is neither times nor texts")
        if not (
            pa.types.is_floating(kind)
            or pa.types.is_integer(kind)
            or pa.types.is_decimal(kind)
            or pa.types.is_null(kind)
        ):
            raise SourceError(f"has {kind} in the column {name!r}, which is neither numbers nor texts")
        return False


def _plain(array: pa.Array) -> pa.Array:
    """Texts as texts, of which a gigantic one is cut short and marked so, and dates as times."""
    if pa.types.is_date(array.type):
        return array.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        return array.cast(pa.timestamp(array.type.unit, "UTC"))
    if not pa.types.is_dictionary(array.type):
        return array
    texts = array.dictionary.cast(pa.large_string())
    texts.validate(full=True)
    start, mark, between = pc.utf8_slice_codeunits(texts, 0, SHORT - 1), *map(_text, ("…", ""))
    cut = pc.binary_join_element_wise(start, mark, between)
    texts = pc.if_else(pc.greater(pc.utf8_length(texts), _LONGEST_TEXT), cut, texts)
    return texts.take(array.indices)


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, type=pa.large_string())


def _shown(value: Any) -> Any:
    found = value.as_py() if not pa.types.is_timestamp(value.type) else value.cast(pa.string()).as_py()
    return found if found is None or isinstance(found, str | int) else str(found)


def _guarded(read: Callable[[], _Found]) -> _Found:
    try:
        return read()
    except (*UNREADABLE, OverflowError, MemoryError) as error:
        raise SourceError(f"cannot be read: {type(error).__name__}: {error}") from error
