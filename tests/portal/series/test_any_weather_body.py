"""Whatever is posted to ``weather-forecasts/bulk/``: no failure, and nothing stored that was not sent."""

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

from portal.series.models import Series, WeatherForecast

BULK = "/api/v1/weather-forecasts/bulk/"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2014, 11, 1, tzinfo=UTC)
UTC_TIME = pa.timestamp("us", "UTC")
# The fixtures hold no state that an example could leave to the next: each compares before and after.
thorough = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
Stored = dict[tuple[str, datetime, datetime], tuple[datetime, float]]


@pytest.fixture(autouse=True)
def _two_series(make_series: Callable[..., Series]) -> None:
    make_series("victoria")
    make_series("melbourne", quantity="temperature", unit="°C", resolution=timedelta(hours=1))


def stored() -> Stored:
    names = ("series__slug", "valid_time", "issue_time", "known_at", "value")
    rows = WeatherForecast.objects.values_list(*names)
    return {(slug, valid, issued): (known, value) for slug, valid, issued, known, value in rows}


slugs = st.sampled_from(["melbourne", "melbourne", "victoria", "atlantis", "nul\0", None])
on_grid = st.integers(-2, 4).map(lambda number: START + number * timedelta(hours=1))
moments = on_grid | st.integers(-5_000_000_000, 9_000_000_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
values = st.sampled_from([1.0, 2.0]) | st.floats(allow_nan=True, allow_infinity=True) | st.none()
row = st.tuples(slugs, st.none() | moments, st.none() | moments, st.none() | moments, values)


@given(rows=st.lists(row, max_size=40), kind=st.sampled_from(["parquet", "arrow"]))
@thorough
def test_forecasts_of_any_content_are_stored_as_sent_or_refused_by_number(
    service: APIClient, send: Callable[..., Response], rows: list[tuple[Any, ...]], kind: str
) -> None:
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 5
    kinds = (pa.string(), UTC_TIME, UTC_TIME, UTC_TIME, pa.float64())
    arrays = [pa.array(list(column), type_) for column, type_ in zip(columns, kinds, strict=True)]
    table = pa.table(arrays, names=["series", "issue_time", "valid_time", "known_at", "value"])
    before = stored()
    response = send(service, BULK, table, kind)
    assert response.status_code == 200, response.content
    answer, after = response.json(), stored()
    assert before.items() <= after.items(), "nothing that was stored changes"
    new = {key: facts for key, facts in after.items() if key not in before}
    assert answer["inserted"] == len(new)
    assert answer["received"] == answer["inserted"] + answer["unchanged"] + len(answer["rejected"]) == len(rows)
    refused = {rejected["row"] for rejected in answer["rejected"]}
    taken = [each for number, each in enumerate(rows) if number not in refused]
    assert all(value is not None and math.isfinite(value) for *_, value in taken)
    assert {(slug, valid, issued, value) for slug, issued, valid, _, value in taken} == {
        (*key, after[key][1]) for key in {(slug, valid, issued) for slug, issued, valid, _, _ in taken}
    }, "what was taken is what is stored, earlier or now"
