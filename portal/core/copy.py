"""PostgreSQL's binary COPY, a whole column at a time: NumPy arrays in and out, no Python object per value.

Format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4 (signature, flags, rows of length-prefixed
big-endian fields, trailer). Times are microseconds since 2000-01-01T00:00Z there, since 1970 here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

EPOCH_2000_US = 946_684_800_000_000
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_TYPES = {"int4": ">i4", "int8": ">i8", "float8": ">f8", "timestamptz": ">i8"}

Columns = Mapping[str, NDArray[Any]]


def copy_in(target: str, columns: Columns, *, types: Mapping[str, str]) -> None:
    """COPY arrays of one length into `target`, a table of our own naming. A NaN in a float8 column is stored as NULL.

    Times are int64 microseconds since 1970. At most one column may hold NaNs.
    """
    names = ", ".join(columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        nullable = next((name for name in columns if types[name] == "float8"), None)
        if nullable is None:
            copy.write(_rows(columns, types))
        else:
            # A NULL field is shorter than a value, so rows with one form a block of their own.
            missing = np.isnan(columns[nullable])
            copy.write(_rows({name: values[~missing] for name, values in columns.items()}, types))
            copy.write(_rows({name: values[missing] for name, values in columns.items()}, types, null=nullable))
        copy.write(_TRAILER)


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


def copy_out(query: str, parameters: Sequence[Any], *, types: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The answer of `query` as one array per column, in native byte order; the query must not give NULLs."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in types.items():
        layout += [(f"{name} length", ">i4"), (name, _TYPES[kind])]
    with connection.cursor() as cursor:
        # Bound here, since Django's cursor takes no parameters of a COPY while it counts queries.
        bound = cursor.mogrify(query, list(parameters))
        with cursor.copy(f"COPY ({bound}) TO STDOUT (FORMAT BINARY)") as copy:
            content = b"".join(copy)
    rows = np.frombuffer(content, dtype=layout, offset=len(_HEADER), count=_count(content, np.dtype(layout)))
    return {
        name: rows[name].astype(np.dtype(_TYPES[kind]).newbyteorder("="))
        + (EPOCH_2000_US if kind == "timestamptz" else 0)
        for name, kind in types.items()
    }


def _count(content: bytes, layout: np.dtype[Any]) -> int:
    count, rest = divmod(len(content) - len(_HEADER) - len(_TRAILER), layout.itemsize)
    if rest:
        raise ValueError("the answer is not of the stated types: a NULL, or a column of another width")
    return count
