"""Whatever is posted to ``observations/bulk/``: no failure, and nothing stored that was not sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.series.models import Observation, Series

BULK = "/api/v1/observations/bulk/"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2014, 11, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
UTC_TIME = pa.timestamp("us", "UTC")
# The fixtures hold no state that an example could leave to the next: each compares before and after.
thorough = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
Stored = dict[tuple[str, datetime, datetime], float | None]


@pytest.fixture(autouse=True)
def _two_series(make_series: Callable[..., Series]) -> None:
    make_series("victoria")
    make_series("melbourne", quantity="temperature", unit="°C", resolution=timedelta(hours=1))


def stored() -> Stored:
    rows = Observation.objects.values_list("series__slug", "valid_time", "known_at", "value")
    return {(slug, valid, known): value for slug, valid, known, value in rows}


def check(response: Response, before: Stored) -> Stored:
    """What the answer says is what happened: gives the new rows."""
    assert response.status_code in (200, 400, 413), response.content
    after = stored()
    assert before.items() <= after.items(), "nothing that was stored changes"
    new = {key: value for key, value in after.items() if key not in before}
    if response.status_code != 200:
        assert response["Content-Type"] == "application/problem+json"
        assert not new
        return {}
    answer = response.json()
    assert answer["inserted"] + answer["corrected"] == len(new)
    assert answer["received"] == sum(answer[name] for name in ("inserted", "corrected", "unchanged")) + len(
        answer["rejected"]
    )
    return new


slugs = st.sampled_from(["victoria", "melbourne", "atlantis", "", "nul\0", None]) | st.text(max_size=5)
on_grid = st.integers(-3, 8).map(lambda number: START + number * STEP)
moments = on_grid | st.integers(-5_000_000_000, 9_000_000_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
values = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 10_000) | st.none()
likely_rows = st.lists(st.tuples(slugs, st.none() | moments, values, st.none() | moments), max_size=40)


@given(rows=likely_rows, kind=st.sampled_from(["parquet", "arrow"]))
@thorough
def test_rows_of_any_content_are_stored_as_sent_or_refused_by_number(
    service: APIClient, send: Callable[..., Response], rows: list[tuple[Any, ...]], kind: str
) -> None:
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 4
    kinds = (pa.string(), UTC_TIME, pa.float64(), UTC_TIME)
    arrays = [pa.array(list(column), type_) for column, type_ in zip(columns, kinds, strict=True)]
    table = pa.table(arrays, names=["series", "valid_time", "value", "known_at"])
    before = stored()
    response = send(service, f"{BULK}?recorded_at=2150-01-01T00:00:00Z", table, kind)
    assert response.status_code == 200, response.content
    new = check(response, before)
    refused = {rejected["row"] for rejected in response.json()["rejected"]}
    sent = {
        (slug, valid, None if value is None or math.isnan(value) else value)
        for number, (slug, valid, value, _) in enumerate(rows)
        if number not in refused
    }
    assert {(slug, valid, value) for (slug, valid, _), value in new.items()} <= sent


columns = st.sampled_from(
    [
        pa.array([None, None]),
        pa.array([True, None]),
        pa.array([1, None], pa.int8()),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.array([-(2**63), None], pa.int64()),
        pa.array([1.5, math.inf], pa.float16()),
        pa.array([1.5, math.nan], pa.float32()),
        pa.array([1, 2], pa.decimal128(10, 2)),
        pa.array(["victoria", None]),
        pa.array(["victoria", "nul\0"], pa.large_string()),
        pa.array(["melbourne", "a view of a text that is longer than twelve bytes"], pa.string_view()),
        pa.array([b"victoria", b"\xff"]),
        pa.array(["victoria", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), ["victoria", "victoria"]),
        pa.array([1.0, 2.0]).dictionary_encode(),
        pa.array([START.date(), None]),
        pa.array([1, 2], pa.time64("us")),
        pa.array([1, 2], pa.duration("us")),
        pa.array([START.replace(tzinfo=None)] * 2, pa.timestamp("us")),
        pa.array([2**63 - 1, -(2**63)], pa.int64()).cast(pa.timestamp("s", "UTC")),
        pa.array([2**63 - 1, -(2**63)], pa.int64()).cast(pa.timestamp("ns", "Europe/London")),
        pa.array([START, None], pa.timestamp("ms", "+02:00")),
        pa.array([[1.0], None]),
        pa.array([{"a": 1}, None]),
    ]
)
names = st.sampled_from(["series", "valid_time", "value", "known_at"]) | st.text(max_size=6)


@given(schema=st.lists(st.tuples(names, columns), max_size=6))
@thorough
def test_columns_of_any_name_and_type_are_refused_by_name_or_their_rows_by_number(
    service: APIClient, send: Callable[..., Response], schema: list[tuple[str, pa.Array]]
) -> None:
    table = pa.table([column for _, column in schema], names=[name for name, _ in schema])
    before = stored()
    check(send(service, BULK, table, "arrow"), before)


@given(kinds=st.tuples(columns, columns, columns, columns))
@settings(thorough, max_examples=150)
def test_the_right_columns_of_any_type_are_refused_by_name_or_their_rows_by_number(
    service: APIClient, send: Callable[..., Response], kinds: tuple[pa.Array, ...]
) -> None:
    table = pa.table(list(kinds), names=["series", "valid_time", "value", "known_at"])
    before = stored()
    check(send(service, BULK, table, "arrow"), before)


@given(body=st.binary(max_size=300), content_type=st.sampled_from([PARQUET, ARROW]))
@thorough
def test_bytes_of_any_kind_are_a_400(service: APIClient, body: bytes, content_type: str) -> None:
    before = stored()
    response = service.generic("POST", BULK, body, content_type=content_type)
    assert response.status_code == 400
    assert not check(response, before)


@given(data=st.data(), kind=st.sampled_from(["parquet", "arrow"]))
@thorough
def test_a_body_with_a_few_bytes_changed_is_never_a_failure(
    service: APIClient, encode: Callable[..., tuple[bytes, str]], data: st.DataObject, kind: str
) -> None:
    times = [START + number * STEP for number in range(20)]
    table = pa.table(
        {
            "series": ["victoria"] * 20,
            "valid_time": pa.array(times, UTC_TIME),
            "value": [4000.0 + number for number in range(20)],
            "known_at": pa.array([time + 2 * STEP for time in times], UTC_TIME),
        }
    )
    body, content_type = encode(table, kind)
    changed = bytearray(body)
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), min_size=1, max_size=5)
    ):
        changed[position] = value
    before = stored()
    check(service.generic("POST", BULK, bytes(changed), content_type=content_type), before)
