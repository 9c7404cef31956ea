"""A champion, and forecasts to publish as the pipeline does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.registry.models import ModelVersion
from portal.registry.operations import Training, approve_model, register_candidate
from portal.series.models import Series

BULK = "/api/v1/forecasts/bulk/"
ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP = timedelta(minutes=30)
UTC_TIME = pa.timestamp("us", "UTC")


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria")


@pytest.fixture
def register(make_user: Callable[..., User]) -> Callable[..., ModelVersion]:
    """Registers a candidate of a series."""
    pipeline, trainer = make_user("service", "pipeline"), make_user("forecaster")

    def make(series: Series, key: str = "key-1") -> ModelVersion:
        training = Training(
            kind="arima",
            training_key=key,
            artifact_uri=f"file:///artifacts/{key}",
            artifact_sha256="ab" * 32,
            training_start=ISSUED - 300 * timedelta(days=1),
            training_end=ISSUED - timedelta(days=1),
            data_cutoff=ISSUED - timedelta(days=1),
            trained_by=trainer,
        )
        return register_candidate(series, training=training, by=pipeline)[0]

    return make


@pytest.fixture
def approve(make_user: Callable[..., User]) -> Callable[[ModelVersion], ModelVersion]:
    """Makes a candidate the champion."""
    approver = make_user("approver")
    return lambda model: approve_model(model, by=approver, reason="good", at=ISSUED)


@pytest.fixture
def champion(
    series: Series, register: Callable[..., ModelVersion], approve: Callable[[ModelVersion], ModelVersion]
) -> ModelVersion:
    """The champion of victoria."""
    return approve(register(series))


@pytest.fixture
def forecast() -> Callable[..., pa.Table]:
    """Builds one run of half-hours, three quantiles 100 MW apart; columns can be replaced afterwards.

    `values` are the medians.
    """

    def build(
        values: Sequence[float] = (4000.0, 4100.0, 4200.0),
        *,
        model: ModelVersion | None = None,
        slug: str = "victoria",
        issued: datetime = ISSUED,
        cutoff: datetime | None = None,
        rung: str | None = None,
        reason: str | None = None,
        start: datetime | None = None,
        step: timedelta = STEP,
        **columns: Any,
    ) -> pa.Table:
        rows = [
            ((start or issued) + number * step, quantile, value + shift)
            for number, value in enumerate(values)
            for quantile, shift in ((0.1, -100.0), (0.5, 0.0), (0.9, 100.0))
        ]
        count = len(rows)
        rung = rung or ("champion" if model else "seasonal_naive")
        reason = ("" if rung == "champion" else "no champion yet") if reason is None else reason
        table = {
            "series": pa.array([slug] * count, pa.string()),
            "issue_time": pa.array([issued] * count, UTC_TIME),
            "model_id": pa.array([model.pk if model else None] * count, pa.int64()),
            "data_cutoff": pa.array([cutoff or issued] * count, UTC_TIME),
            "rung": pa.array([rung] * count, pa.string()),
            "reason": pa.array([reason] * count, pa.string()),
            "valid_time": pa.array([row[0] for row in rows], UTC_TIME),
            "quantile": pa.array([row[1] for row in rows], pa.float64()),
            "value": pa.array([row[2] for row in rows], pa.float64()),
        }
        return pa.table({**table, **columns})

    return build


@pytest.fixture
def publish(service: APIClient, send: Callable[..., Response]) -> Callable[..., list[dict[str, Any]]]:
    """Publishes a table and gives its runs as answered, a success."""

    def post(table: pa.Table, kind: str = "parquet") -> list[dict[str, Any]]:
        response = send(service, BULK, table, kind)
        assert response.status_code == 200, response.content
        return response.json()["runs"]

    return post
