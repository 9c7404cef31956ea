"""Columns of a bulk body as NumPy arrays, and what is wrong with its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from portal.core.problems import Problem

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are slips of a unit or of a digit."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Mask = NDArray[np.bool_]


@dataclass
class Faults:
    """The rows of one body that break a rule. A row is charged with the first rule that it breaks."""

    rows: int
    bad: Mask = field(init=False)
    found: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Row → (field, rule, message)."""
    given: dict[int, str] = field(default_factory=dict)
    """Row → the value at fault as it came, where the arrays cannot hold it."""

    def __post_init__(self) -> None:
        self.bad = np.zeros(self.rows, dtype=bool)

    def mark(self, mask: Mask, *, field: str, rule: str, message: str | Callable[[int], str]) -> None:
        """Charge the rows of `mask`; a message may be made for the row."""
        new = np.flatnonzero(mask & ~self.bad)
        self.bad[new] = True
        for row in new.tolist():
            self.found[row] = (field, rule, message if isinstance(message, str) else message(row))


def require_columns(table: pa.Table, names: Collection[str]) -> None:
    """Exactly these columns, each once: a misspelt one must not be dropped in silence. Raises Problem."""
    errors = [
        {"field": name, "rule": "missing_column", "message": f"The column {name} is missing."}
        for name in names
        if name not in table.column_names
    ] + [
        {"field": name, "rule": "unknown_column", "message": f"There is no column {name}."}
        for name in dict.fromkeys(table.column_names)
        if name not in names
    ]
    errors += [
        {"field": name, "rule": "repeated_column", "message": f"The column {name} comes more than once."}
        for name in names
        if table.column_names.count(name) > 1
    ]
    if errors:
        raise Problem(f"The columns must be {', '.join(names)}.", errors=errors)


def texts(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[str | None]]:
    """A text column as codes and the texts that they stand for; -1 is a null. Raises Problem for another type."""
    column = table.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return np.full(table.num_rows, -1, dtype=np.int64), []
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise _wrong_type(name, column.type, "text")
    # Dictionaries of a client may hold a text twice, so they are unfolded and made anew.
    column = column.cast(pa.large_string())
    encoded = pc.dictionary_encode(column).unify_dictionaries()
    codes = pa.chunked_array([chunk.indices for chunk in encoded.chunks], type=pa.int32())
    known = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    return codes.fill_null(-1).to_numpy().astype(np.int64), known


def numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A numeric column as float64, exactly; null is NaN. Raises Problem for another type or an inexact conversion."""
    column = table.column(name)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise _wrong_type(name, kind, "float64")
    try:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except pa.ArrowInvalid as error:
        raise Problem(
            f"The column {name} holds an integer that float64 cannot.",
            errors=[{"field": name, "rule": "inexact", "message": str(error)}],
        ) from None


def integers(table: pa.Table, name: str) -> tuple[NDArray[np.int64], Mask]:
    """An integer column and where it is null (0 there). Raises Problem for another type."""
    column = table.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise _wrong_type(name, column.type, "int64")
    null = column.is_null().to_numpy(zero_copy_only=False).astype(bool)
    try:
        return column.cast(pa.int64()).fill_null(0).to_numpy().astype(np.int64), null
    except pa.ArrowInvalid as error:
        raise Problem(str(error), errors=[{"field": name, "rule": "out_of_range", "message": str(error)}]) from None


def times(table: pa.Table, name: str, faults: Faults) -> NDArray[np.int64]:
    """A column of UTC times as microseconds since 1970 (0 for a bad row, which is marked in `faults`).

    Raises Problem for a column without a timezone: its times cannot be placed.
    """
    column = table.column(name)
    kind = column.type
    if pa.types.is_null(kind):
        column, kind = column.cast(pa.timestamp("us", "UTC")), pa.timestamp("us", "UTC")
    if not pa.types.is_timestamp(kind):
        raise _wrong_type(name, kind, "timestamp[us, UTC]")
    if kind.tz is None:
        raise Problem(
            f"The times in {name} have no timezone.",
            errors=[{"field": name, "rule": "naive", "message": "Send timestamp[us, UTC]."}],
        )
    null = column.is_null().to_numpy(zero_copy_only=False).astype(bool)
    faults.mark(null, field=name, rule="missing", message=f"{name} is missing.")
    sent = raw = column.cast(pa.int64()).fill_null(0).to_numpy().astype(np.int64)

    def given(row: int) -> str:
        faults.given[row] = f"{np.datetime64(int(sent[row]), kind.unit)}Z"
        return faults.given[row]

    per_second = _PER_SECOND[kind.unit]
    low, high = (int(limit.timestamp()) * per_second for limit in (EARLIEST, LATEST))
    outside = (raw < low) | (raw >= high)
    faults.mark(
        outside,
        field=name,
        rule="out_of_range",
        message=lambda row: f"{name} {given(row)} is not within {EARLIEST:%Y-%m-%d} and {LATEST:%Y-%m-%d}.",
    )
    raw = np.where(null | outside, 0, raw)
    if per_second > 10**6:
        fine = raw % (per_second // 10**6) != 0
        faults.mark(
            fine, field=name, rule="too_fine", message=lambda row: f"{name} {given(row)} is finer than a microsecond."
        )
        return np.asarray(raw // (per_second // 10**6))
    return np.asarray(raw * (10**6 // per_second))


def to_datetime(us: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def to_us(time: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def iso(us: int) -> str:
    """Microseconds since 1970 as ISO 8601 with a Z."""
    return to_datetime(us).isoformat().replace("+00:00", "Z")


def plain_number(value: float) -> float | str | None:
    """A number as JSON may hold it: NaN is null, an infinity a text."""
    if np.isnan(value):
        return None
    return value if np.isfinite(value) else str(value)


def _wrong_type(name: str, kind: Any, wanted: str) -> Problem:
    message = f"The column {name} is {kind}; send {wanted}."
    return Problem(message, errors=[{"field": name, "rule": "type", "message": message}])


def arrays_of(table: pa.Table) -> tuple[Any, Any]:
    """Valid times in microseconds since 1970, and values; a missing one is NaN."""
    times_us = table.column("valid_time").cast(pa.int64()).to_numpy()
    return times_us, table.column("value").to_numpy(zero_copy_only=False).astype(np.float64)
