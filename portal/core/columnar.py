"""Parquet and Arrow streams in requests and answers (pyarrow). Limits hold before anything is unfolded."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from numpy.typing import NDArray
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from portal.core.negotiation import JSON, dumps
from portal.core.problems import Problem, TooLarge

PARQUET = "application/vnd.apache.parquet"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
_NUMPY = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


class _TableParser(BaseParser):
    """A body as a pyarrow Table. Raises ParseError (400) for a corrupted body and TooLarge (413)."""

    format_name: str
    read: Callable[[pa.BufferReader], pa.Table]

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> pa.Table:
        body = parser_context["request"]._request.body
        try:
            table = type(self).read(pa.BufferReader(body))
            table.validate(full=True)
            for kind in table.schema.types:
                # A zone whose name is no UTF-8 shows only when it is asked for.
                getattr(kind, "tz", None)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ParseError(f"The body is not {self.format_name}: {str(error)[:300]}") from None
        return table


def _check_rows(rows: int) -> None:
    if rows > settings.BULK_ROW_LIMIT:
        raise TooLarge(f"The body has more than {settings.BULK_ROW_LIMIT:,} rows; send it in parts.")


def read_parquet(body: pa.BufferReader) -> pa.Table:
    """The table in a Parquet file; its row count is checked before a column is read."""
    file = pq.ParquetFile(body)
    _check_rows(file.metadata.num_rows)
    return file.read()


def read_arrow_stream(body: pa.BufferReader) -> pa.Table:
    """The table in an Arrow stream, batch by batch."""
    batches, rows = [], 0
    with pa.ipc.open_stream(body) as reader:
        for batch in reader:
            rows += batch.num_rows
            _check_rows(rows)
            batches.append(batch)
        return pa.Table.from_batches(batches, schema=reader.schema)


class ParquetParser(_TableParser):
    """Parquet."""

    media_type = PARQUET
    format_name = "Parquet"
    read = staticmethod(read_parquet)


class ArrowStreamParser(_TableParser):
    """Arrow IPC stream."""

    media_type = ARROW_STREAM
    format_name = "an Arrow stream"
    read = staticmethod(read_arrow_stream)


class _TableRenderer(BaseRenderer):
    """A pyarrow Table in a form of its own; whatever else an answer holds, a problem say, is JSON."""

    charset = None
    render_style = "binary"
    write: Callable[[pa.Table], bytes]

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return type(self).write(data) if isinstance(data, pa.Table) else dumps(data)


def write_parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    # Times grow by steps, and numbers seldom repeat: a dictionary of them takes ten times as long, and more bytes.
    times = {each.name: "DELTA_BINARY_PACKED" for each in table.schema if pa.types.is_timestamp(each.type)}
    texts = [each.name for each in table.schema if pa.types.is_string(each.type)]
    pq.write_table(table, sink, compression="zstd", use_dictionary=texts or False, column_encoding=times or None)
    return sink.getvalue().to_pybytes()


def write_arrow_stream(table: pa.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _objects(table: pa.Table) -> bytes:
    """A list of objects, a line of text made for each from those of its cells: no dict per row."""
    # As %s of bytes is; a per cent in a name would be one too.
    names = [dumps(name).replace(b"%", b"%%") for name in table.column_names]
    row = b"{" + b",".join(name + b":%b" for name in names) + b"}"
    cells = zip(*map(_cells, table.columns), strict=True)
    return b"[" + b",".join([row % each for each in cells]) + b"]"


def _cells(column: pa.ChunkedArray) -> list[bytes]:
    """The JSON of each value; times as texts, with microseconds where there are any."""
    if pa.types.is_timestamp(column.type) and not column.null_count:
        return _numeric_cells(column.to_numpy().astype("datetime64[us]"))
    if pa.types.is_floating(column.type):
        return _numeric_cells(column.to_numpy(zero_copy_only=False))
    return [dumps(value) for value in column.to_pylist()]


def _numeric_cells(values: NDArray[Any]) -> list[bytes]:
    return orjson.dumps(np.ascontiguousarray(values), option=_NUMPY)[1:-1].split(b",") if len(values) else []


class ParquetRenderer(_TableRenderer):
    """Parquet."""

    media_type = PARQUET
    format = "parquet"
    write = staticmethod(write_parquet)


class ArrowStreamRenderer(_TableRenderer):
    """Arrow IPC stream."""

    media_type = ARROW_STREAM
    format = "arrow"
    write = staticmethod(write_arrow_stream)


class TableJSONRenderer(_TableRenderer):
    """A JSON list of objects, times as ISO 8601 in UTC."""

    media_type = JSON
    format = "json"
    write = staticmethod(_objects)


TABLE_PARSERS = [ParquetParser, ArrowStreamParser]
TABLE_RENDERERS = [TableJSONRenderer, ParquetRenderer, ArrowStreamRenderer]


TABLE_REQUEST = {PARQUET: OpenApiTypes.BINARY, ARROW_STREAM: OpenApiTypes.BINARY}
"""What the schema says of a body for these parsers."""


def table_responses(rows: Any) -> dict[tuple[int, str], Any]:
    """What the schema says of an answer by these renderers; `rows` is the serializer of its JSON."""
    return {(200, JSON): rows, (200, PARQUET): OpenApiTypes.BINARY, (200, ARROW_STREAM): OpenApiTypes.BINARY}


def read_table(request: Request) -> pa.Table:
    """The table in the body. Raises Problem where there is none."""
    if not isinstance(request.data, pa.Table):
        raise Problem(f"The body is empty; send {PARQUET} or {ARROW_STREAM}.")
    return request.data
