"""Whole columns to and from PostgreSQL in its binary formats: NumPy arrays in and out, no Python object per value.

In by COPY: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4 (signature, flags, rows of
length-prefixed big-endian fields, trailer). Out as one array per column (`array_send` in the server's arrayfuncs.c:
dimensions, flag of NULLs, type, length, lower bound, then length-prefixed elements), since a COPY out arrives row by
row. Times are microseconds since 2000-01-01T00:00Z there, since 1970 here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

EPOCH_2000_US = 946_684_800_000_000
ROWS_AT_ONCE = 50_000
"""Rows that are laid out at a time: no second copy of a large body is held."""
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_TYPES = {"int4": ">i4", "int8": ">i8", "float8": ">f8", "timestamptz": ">i8"}
_ARRAY_HEADER = np.dtype([(name, ">i4") for name in ("dimensions", "nulls", "type", "length", "lower")])

Columns = Mapping[str, NDArray[Any]]


def copy_in(target: str, columns: Columns, *, types: Mapping[str, str]) -> None:
    """COPY arrays of one length into `target`, a table of our own naming. A NaN in a float8 column is stored as NULL.

    Times are int64 microseconds since 1970. At most one column may hold NaNs.
    """
    names = ", ".join(columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        for part in _parts(columns):
            nullable = next((name for name in part if types[name] == "float8"), None)
            missing = np.isnan(part[nullable]) if nullable is not None else np.zeros(0, dtype=bool)
            if not missing.any():
                copy.write(_rows(part, types))
                continue
            # A NULL field is shorter than a value, so rows with one form a block of their own.
            copy.write(_rows({name: values[~missing] for name, values in part.items()}, types))
            copy.write(_rows({name: values[missing] for name, values in part.items()}, types, null=nullable))
        copy.write(_TRAILER)


def _parts(columns: Columns) -> Iterator[dict[str, NDArray[Any]]]:
    for first in range(0, len(next(iter(columns.values()))), ROWS_AT_ONCE):
        yield {name: values[first : first + ROWS_AT_ONCE] for name, values in columns.items()}


def _rows(columns: Columns, types: Mapping[str, str], *, null: str | None = None) -> bytes:
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name in columns:
        layout.append((f"{name} length", ">i4"))
        if name != null:
            layout.append((name, _TYPES[types[name]]))
    rows = np.empty(len(next(iter(columns.values()))), dtype=layout)
    rows["fields"] = len(columns)
    for name, values in columns.items():
        rows[f"{name} length"] = -1 if name == null else np.dtype(_TYPES[types[name]]).itemsize
        if name != null:
            rows[name] = values - EPOCH_2000_US if types[name] == "timestamptz" else values
    return rows.tobytes()


def read_columns(
    query: str, parameters: Sequence[Any] | Mapping[str, Any], *, types: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """The answer of `query` as one array per column, in its order and in native byte order; it must not give NULLs."""
    arrays = ", ".join(f"array_agg({name})" for name in types)
    with connection.cursor() as cursor:
        statement = f"SELECT {arrays} FROM ({query}) AS answer"  # noqa: S608  # our own names
        bound = cursor.mogrify(statement, parameters)
    # Django's own cursors ask for texts.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(bound, binary=True)
        answer = cast("PGresult", cursor.pgresult)
        contents = [answer.get_value(0, number) for number in range(len(types))]
    return {name: _array(content, kind) for content, (name, kind) in zip(contents, types.items(), strict=True)}


def _array(content: bytes | None, kind: str) -> NDArray[Any]:
    """The elements of an array as the server sends it; None is an array of none."""
    element = np.dtype([("size", ">i4"), ("value", _TYPES[kind])])
    if content is None:
        return np.empty(0, dtype=element["value"].newbyteorder("="))
    header = np.frombuffer(content, dtype=_ARRAY_HEADER, count=1)[0]
    if header["nulls"] or len(content) - _ARRAY_HEADER.itemsize != header["length"] * element.itemsize:
        raise ValueError("the answer is not of the stated types: a NULL, or a column of another width")
    values = np.frombuffer(content, dtype=element, offset=_ARRAY_HEADER.itemsize)["value"]
    return values.astype(element["value"].newbyteorder("=")) + (EPOCH_2000_US if kind == "timestamptz" else 0)
