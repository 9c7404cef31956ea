"""Observations to record and read, as the pipeline does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.series.models import Series

BULK = "/api/v1/observations/bulk/"
START = datetime(2014, 11, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
UTC_TIME = pa.timestamp("us", "UTC")


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria")


@pytest.fixture
def rows() -> Callable[..., pa.Table]:
    """Builds half-hourly observations from `START` on, each known an hour after its start; columns can be replaced."""

    def build(values: Sequence[float | None], *, slug: str = "victoria", **columns: Any) -> pa.Table:
        times = [START + number * STEP for number in range(len(values))]
        table = {
            "series": pa.array([slug] * len(values), pa.string()),
            "valid_time": pa.array(times, UTC_TIME),
            "value": pa.array(values, pa.float64()),
            "known_at": pa.array([time + 2 * STEP for time in times], UTC_TIME),
        }
        for name, column in columns.items():
            is_time = name in ("valid_time", "known_at") and not isinstance(column, pa.Array)
            table[name] = pa.array(column, UTC_TIME) if is_time else column
        return pa.table(table)

    return build


@pytest.fixture
def record(service: APIClient, send: Callable[..., Response]) -> Callable[..., dict[str, Any]]:
    """Records a table and gives the answer, a success."""

    def post(table: pa.Table, *, recorded_at: str | None = None, kind: str = "parquet") -> dict[str, Any]:
        query = f"?recorded_at={recorded_at}" if recorded_at else ""
        response = send(service, BULK + query, table, kind)
        assert response.status_code == 200, response.content
        answer = response.json()
        counted = answer["inserted"] + answer["corrected"] + answer["unchanged"] + len(answer["rejected"])
        assert answer["received"] == counted == table.num_rows
        return answer

    return post


@pytest.fixture
def read(service: APIClient) -> Callable[..., list[dict[str, Any]]]:
    """Reads observations as JSON."""

    def get(slug: str = "victoria", **query: str) -> list[dict[str, Any]]:
        response = service.get(f"/api/v1/series/{slug}/observations/", query)
        assert response.status_code == 200, response.content
        return response.json()

    return get
