"""``POST observations/bulk/``: what becomes of bad rows, bad columns and bodies that are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.series.models import Observation, Series

BULK = "/api/v1/observations/bulk/"
START = datetime(2014, 11, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
Rows = Callable[..., pa.Table]
Record = Callable[..., dict[str, Any]]
Problem = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"series": pa.array(["victoria", "atlantis", "victoria"])}, "unknown_series"),
        ({"series": pa.array(["victoria", "", "victoria"])}, "unknown_series"),
        ({"series": pa.array(["victoria", "nul\0", "victoria"])}, "unknown_series"),
        ({"series": pa.array(["victoria", None, "victoria"])}, "missing"),
        ({"value": pa.array([1.0, math.inf, 3.0])}, "not_finite"),
        ({"value": pa.array([1.0, -math.inf, 3.0])}, "not_finite"),
        ({"value": pa.array([1.0, -0.5, 3.0])}, "negative_load"),
        ({"valid_time": [START, START + timedelta(minutes=7), START + STEP]}, "off_grid"),
        ({"valid_time": [START, START + timedelta(microseconds=1), START + STEP]}, "off_grid"),
        ({"valid_time": [START, None, START + STEP]}, "missing"),
        ({"valid_time": [START, datetime(1899, 12, 31, tzinfo=UTC), START + STEP]}, "out_of_range"),
        ({"valid_time": [START, datetime(2200, 1, 1, tzinfo=UTC), START + STEP]}, "out_of_range"),
        ({"known_at": [START + 4 * STEP, None, START + 4 * STEP]}, "missing"),
        ({"known_at": [START + 4 * STEP, START + STEP, START + 4 * STEP]}, "known_too_early"),
    ],
)
def test_a_bad_row_is_refused_by_number_and_rule_and_the_others_are_stored(
    series: Series, rows: Rows, record: Record, columns: dict[str, Any], rule: str
) -> None:
    answer = record(rows([1.0, 2.0, 3.0], **columns))
    assert [(row["row"], row["rule"]) for row in answer["rejected"]] == [(1, rule)]
    assert answer["rejected"][0]["message"]
    assert answer["inserted"] == Observation.objects.count() == 2


def test_a_refused_row_is_told_with_what_it_held(series: Series, rows: Rows, record: Record) -> None:
    (rejected,) = record(rows([1.0, math.inf]))["rejected"]
    assert rejected == {
        "row": 1,
        "series": "victoria",
        "valid_time": "2014-11-01T00:30:00Z",
        "value": "inf",
        "rule": "not_finite",
        "message": "value is infinite.",
    }


def test_nanoseconds_that_would_be_lost_are_refused(series: Series, rows: Rows, record: Record) -> None:
    times = pa.array([int(START.timestamp()) * 10**9 + 1], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    (rejected,) = record(rows([1.0], valid_time=times), kind="arrow")["rejected"]
    assert rejected["rule"] == "too_fine"


def test_a_series_that_allows_export_may_have_a_negative_load(
    make_series: Callable[..., Series], rows: Rows, record: Record
) -> None:
    make_series("victoria", allows_export=True)
    assert record(rows([-120.0]))["inserted"] == 1


def test_a_temperature_may_be_negative_and_known_before_its_time(
    make_series: Callable[..., Series], rows: Rows, record: Record
) -> None:
    make_series("victoria", quantity="temperature", unit="°C")
    assert record(rows([-4.0], known_at=[START - 48 * STEP]))["inserted"] == 1, "a forecast of the weather"


def test_a_body_of_bad_rows_only_is_answered_and_stores_nothing(series: Series, rows: Rows, record: Record) -> None:
    answer = record(rows([-1.0] * 5))
    assert [row["row"] for row in answer["rejected"]] == [0, 1, 2, 3, 4]
    assert not Observation.objects.exists()


@pytest.mark.parametrize("name", ["series", "valid_time", "value", "known_at"])
def test_a_missing_column_is_a_400_that_names_it(
    service: APIClient, send: Callable[..., Response], rows: Rows, problem: Problem, name: str
) -> None:
    (error,) = problem(send(service, BULK, rows([1.0]).drop_columns(name)), 400)["errors"]
    assert (error["field"], error["rule"]) == (name, "missing_column")


def test_a_column_too_many_is_a_400_that_names_it(
    service: APIClient, send: Callable[..., Response], rows: Rows, problem: Problem
) -> None:
    (error,) = problem(send(service, BULK, rows([1.0], valeu=pa.array([1.0]))), 400)["errors"]
    assert (error["field"], error["rule"]) == ("valeu", "unknown_column")


def test_a_column_that_comes_twice_is_a_400_that_names_it(
    service: APIClient, send: Callable[..., Response], rows: Rows, problem: Problem
) -> None:
    table = rows([1.0]).append_column("value", pa.array([2.0]))
    (error,) = problem(send(service, BULK, table, "arrow"), 400)["errors"]
    assert (error["field"], error["rule"]) == ("value", "repeated_column")


@pytest.mark.parametrize(
    ("name", "column", "rule"),
    [
        ("series", pa.array([1]), "type"),
        ("series", pa.array([b"victoria"]), "type"),
        ("value", pa.array(["1.0"]), "type"),
        ("value", pa.array([True]), "type"),
        ("value", pa.array([[1.0]]), "type"),
        ("value", pa.array([2**53 + 1], pa.int64()), "inexact"),
        ("valid_time", pa.array(["2014-11-01T00:00:00Z"]), "type"),
        ("valid_time", pa.array([1414800000]), "type"),
        ("valid_time", pa.array([START.date()]), "type"),
        ("valid_time", pa.array([START.replace(tzinfo=None)], pa.timestamp("us")), "naive"),
        ("known_at", pa.array([START.replace(tzinfo=None)], pa.timestamp("ms")), "naive"),
    ],
)
def test_a_column_of_another_type_is_a_400_that_names_it(
    series: Series,
    service: APIClient,
    send: Callable[..., Response],
    rows: Rows,
    problem: Problem,
    name: str,
    column: pa.Array,
    rule: str,
) -> None:
    (error,) = problem(send(service, BULK, rows([1.0], **{name: column})), 400)["errors"]
    assert (error["field"], error["rule"]) == (name, rule)
    assert not Observation.objects.exists()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_body_cut_short_is_a_400_and_stores_nothing(
    series: Series,
    service: APIClient,
    encode: Callable[..., tuple[bytes, str]],
    rows: Rows,
    problem: Problem,
    kind: str,
    share: float,
) -> None:
    body, content_type = encode(rows([1.0] * 500), kind)
    cut = body[: int(len(body) * share)]
    response = service.generic("POST", BULK, cut, content_type=content_type)
    problem(response, 400)
    assert not Observation.objects.exists()


@pytest.mark.parametrize("content_type", [PARQUET, ARROW])
def test_a_body_of_the_other_format_is_a_400(
    service: APIClient, encode: Callable[..., tuple[bytes, str]], rows: Rows, problem: Problem, content_type: str
) -> None:
    body, _ = encode(rows([1.0]), "arrow" if content_type == PARQUET else "parquet")
    problem(service.generic("POST", BULK, body, content_type=content_type), 400)


def test_a_time_of_recording_that_cannot_be_placed_is_a_400(
    service: APIClient, send: Callable[..., Response], rows: Rows, problem: Problem
) -> None:
    document = problem(send(service, f"{BULK}?recorded_at=now", rows([1.0])), 400)
    assert document["errors"][0]["field"] == "recorded_at"


def test_a_zone_whose_name_is_no_text_is_a_400(
    series: Series, service: APIClient, encode: Callable[..., tuple[bytes, str]], rows: Rows, problem: Problem
) -> None:
    body, content_type = encode(rows([1.0]), "arrow")
    broken = body.replace(b"UTC\0", b"\x80TC\0")
    assert broken != body
    problem(service.generic("POST", BULK, broken, content_type=content_type), 400)
