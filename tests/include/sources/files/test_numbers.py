"""A number is read as it stands there, or not at all: never ten times too large, never as 0."""

from __future__ import annotations

from decimal import Decimal
from time import thread_time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import SourceError
from include.sources.files.numbers import MISSING, read_numbers


def read(*texts: str, **options: Any) -> tuple[list[float], dict[int, str]]:
    values, faults = read_numbers(pa.array(texts, type=pa.string()), **options)
    return values.tolist(), {position: rule for position, (rule, _) in faults.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("41", 41.0),
        (" +41.50 ", 41.5),
        ("-0.1", -0.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e5", 1e5),
        ("1E-05", 1e-5),
        ("007", 7.0),
        ("0.30000000000000004", 0.1 + 0.2),
        ("9007199254740992", 2.0**53),
        ("-9007199254740994.0", -(2.0**53) - 2),
        ("0" * 400 + "1", 1.0),
        ("0e999999", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
    ],
)
def test_a_number_is_the_nearest_to_what_stands_there(text: str, value: float) -> None:
    assert read(text) == ([value], {})


@pytest.mark.parametrize("text", ["", "-", "NA", "n/a", "NaN", "null", "  ", "-999"])
def test_what_stands_for_missing_is_missing_and_never_zero(text: str) -> None:
    (value,), faults = read(text, missing={"-999"})
    assert np.isnan(value)
    assert not faults


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("one", "not_a_number"),
        ("1,5", "not_a_number"),
        ("1,234.5", "not_a_number"),
        ("1 234", "not_a_number"),
        ("1'234", "not_a_number"),
        ("1_000", "not_a_number"),
        ("50%", "not_a_number"),
        ("0x10", "not_a_number"),
        ("０１", "not_a_number"),
        ("٣", "not_a_number"),
        ("½", "not_a_number"),
        ("true", "not_a_number"),
        ("--5", "not_a_number"),
        ("1e", "not_a_number"),
        ("1.2.3", "not_a_number"),
        ("41 MW", "not_a_number"),
        ("inf", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e309", "not_finite"),
        ("-1e99999999999999999999", "not_finite"),
        ("9" * 400, "not_finite"),
        ("1e-400", "inexact"),
        ("9007199254740993", "inexact"),
        ("123456789012345678901234567890", "inexact"),
    ],
)
def test_what_is_no_number_or_none_that_can_be_kept_is_refused(text: str, rule: str) -> None:
    (value,), faults = read(text)
    assert np.isnan(value)
    assert faults == {0: rule}


def test_a_decimal_comma_is_read_where_it_is_declared_and_named_where_it_is_not() -> None:
    assert read("1,5", "-0,25", "3", "1,5e3", decimal=",") == ([1.5, -0.25, 3.0, 1500.0], {})
    _, faults = read("1.5", "1.234,5", "1,234,5", decimal=",")
    assert faults == dict.fromkeys(range(3), "not_a_number")
    _, named = read_numbers(pa.array(["1,5"]))
    assert "option decimal" in named[0][1]


@pytest.mark.parametrize("text", ["9" * 900_000, "1e" + "9" * 900_000, "0." + "0" * 900_000 + "1"])
def test_a_gigantic_number_is_refused_fast_and_shown_short(text: str) -> None:
    begun = thread_time()
    _, faults = read_numbers(pa.array([text]))
    assert thread_time() - begun < 1
    assert faults[0][0] in ("not_finite", "inexact")
    assert len(faults[0][1]) < 300


def test_numbers_of_any_width_keep_their_value() -> None:
    columns = [
        pa.array([1, None, 2**53 + 1, -(2**53)], type=pa.int64()),
        pa.array([1, None, 2**64 - 1, 2**53], type=pa.uint64()),
        pa.array([1.5, None, float("inf"), float("nan")], type=pa.float64()),
        pa.array([np.float32(0.1), None, np.float32("inf"), 2], type=pa.float32()),
        pa.array([Decimal("0.10"), None, Decimal("9007199254740993.00"), Decimal("2.00")], type=pa.decimal128(30, 2)),
    ]
    found = [read_numbers(column) for column in columns]
    assert [values[0] for values, _ in found] == [1.0, 1.0, 1.5, float(np.float32(0.1)), 0.1]
    assert all(np.isnan(values[1]) for values, _ in found)
    assert [faults[2][0] for _, faults in found] == ["inexact", "inexact", "not_finite", "not_finite", "inexact"]
    assert [values[3] for values, _ in found][:2] == [-(2.0**53), 2.0**53]
    assert np.isnan(found[2][0][3])


@pytest.mark.parametrize("column", [pa.array([True]), pa.array([[1.0]]), pa.array([b"1"])])
def test_a_column_of_neither_numbers_nor_texts_is_refused(column: pa.Array) -> None:
    with pytest.raises(SourceError, match="neither numbers nor texts"):
        read_numbers(column)


@given(st.lists(st.one_of(st.text(max_size=8), st.floats().map(repr), st.integers().map(str), st.decimals().map(str))))
def test_every_text_is_its_decimal_missing_or_a_fault(texts: list[str]) -> None:
    values, faults = read_numbers(pa.array(texts, type=pa.string()))
    for position, text in enumerate(texts):
        if position in faults:
            assert np.isnan(values[position])
        elif np.isnan(values[position]):
            assert text.strip().lower() in MISSING
        else:
            assert values[position] == float(Decimal(text.strip()))
