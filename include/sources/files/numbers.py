"""Numbers as sources write them, to float64: the nearest to what stands there, or a named fault; nothing is guessed.

What groups digits, marks a percentage or writes the comma where a point is declared is no number: read otherwise, it
would be wrong by powers of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from include.errors import SourceError

MISSING = frozenset({"", "-", "na", "n/a", "nan", "null"})
"""Texts that stand for a missing value, in small letters."""
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_NOT_ZERO = r"^[+-]?[0.]*[1-9]"
_LONG_INTEGER = r"^[+-]?\d{16,}\.?0*$"
_COMMA = r"^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$"
_EXACT = 2**53
SHORT = 200
"""Characters of a text that messages and quarantine hold."""
Faults = dict[int, tuple[str, str]]
"""Rule and message, by position."""


def read_numbers(
    array: pa.Array, *, decimal: str = ".", missing: Collection[str] = ()
) -> tuple[NDArray[np.float64], Faults]:
    """The values of a column of texts or numbers; NaN where one is missing or faulty, and the faults.

    Args:
        array: texts, or numbers of any width.
        decimal: the decimal mark of texts, "." or ",".
        missing: texts in small letters that stand for a missing value beside MISSING.

    Raises:
        SourceError: the column holds neither texts nor numbers, but booleans say.
    """
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan), {}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_texts(array, decimal=decimal, missing=MISSING.union(missing))
    if pa.types.is_decimal(kind):
        return _of_texts(array.cast(pa.string()), decimal=".", missing=MISSING)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _of_numbers(array)
    raise SourceError(f"holds {kind}, which is neither numbers nor texts")


def _of_numbers(array: pa.Array) -> tuple[NDArray[np.float64], Faults]:
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    faults: Faults = {}
    if pa.types.is_integer(array.type):
        for position in np.flatnonzero(np.abs(values) >= _EXACT).tolist():
            whole = array[position].as_py()
            if int(values[position]) != whole:
                faults[position] = ("inexact", _inexact(str(whole)))
    else:
        faults = {
            position: ("not_finite", f"{values[position]} is no number that can be kept.")
            for position in np.flatnonzero(np.isinf(values)).tolist()
        }
    values[list(faults)] = np.nan
    return values, faults


def _of_texts(array: pa.Array, *, decimal: str, missing: frozenset[str]) -> tuple[NDArray[np.float64], Faults]:
    texts = pc.utf8_trim_whitespace(pc.fill_null(array, ""))
    is_missing = _mask(pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(missing), type=texts.type)))
    plain = texts
    if decimal == ",":
        # A point becomes what no number has, so that "1.5" and "1.234,5" are refused.
        plain = pc.replace_substring(pc.replace_substring(texts, ".", "?"), ",", ".")
    numeric = _mask(pc.match_substring_regex(plain, _NUMBER)) & ~is_missing
    values = np.full(len(texts), np.nan)
    numbers = plain.filter(pa.array(numeric))
    values[numeric] = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
    faults = _faults_of_numbers(plain, values, numeric)
    other = ~numeric & ~is_missing
    if other.any():
        faults |= _faults_of_texts(texts, other, decimal=decimal)
    values[list(faults)] = np.nan
    return values, faults


def _faults_of_numbers(plain: pa.Array, values: NDArray[np.float64], numeric: NDArray[np.bool_]) -> Faults:
    """What is written as a number, and is none that float64 holds."""
    faults = _all(
        np.flatnonzero(np.isinf(values)), plain, "not_finite", "{} is larger than any number that can be kept."
    )
    zero = np.flatnonzero(numeric & (values == 0))
    gone = zero[_mask(pc.match_substring_regex(plain.take(pa.array(zero)), _NOT_ZERO))]
    faults |= _all(gone, plain, "inexact", "{} is smaller than any number that can be kept.")
    large = np.flatnonzero(np.isfinite(values) & (np.abs(values) >= _EXACT))
    whole = large[_mask(pc.match_substring_regex(plain.take(pa.array(large)), _LONG_INTEGER))]
    lossy = [n for n in whole.tolist() if Decimal(plain[n].as_py()) != Decimal(float(values[n]))]
    return faults | _all(lossy, plain, "inexact", _inexact)


def _faults_of_texts(texts: pa.Array, other: NDArray[np.bool_], *, decimal: str) -> Faults:
    infinite = other & _mask(pc.match_substring_regex(texts, _INFINITE))
    faults = _all(np.flatnonzero(infinite), texts, "not_finite", "{} is no number that can be kept.")
    rest = np.flatnonzero(other & ~infinite)
    if decimal == ",":
        message = "{} is no number; the source declares the decimal mark “,”, and digits are not grouped."
        return faults | _all(rest, texts, "not_a_number", message)
    comma = _mask(pc.match_substring_regex(texts.take(pa.array(rest)), _COMMA))
    message = "{} is no number; if the comma is the decimal mark, declare it by the source's option decimal: “,”."
    return (
        faults
        | _all(rest[comma], texts, "not_a_number", message)
        | _all(rest[~comma], texts, "not_a_number", "{} is no number.")
    )


def _all(positions: Iterable[int], texts: pa.Array, rule: str, message: str | Callable[[str], str]) -> Faults:
    words: Callable[[str], str] = message.format if isinstance(message, str) else message
    return {int(position): (rule, words(short(texts[int(position)].as_py()))) for position in positions}


def _inexact(text: str) -> str:
    return f"{text} has more digits than can be kept exactly."


def _mask(array: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = array.to_numpy(zero_copy_only=False).astype(bool)
    return found


def short(text: str) -> str:
    """A text as messages and quarantine hold it."""
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
