"""A series, people in their roles, and trainings to register."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from portal.registry.models import ModelVersion
from portal.registry.operations import Training, approve_model, register_candidate, reject_model, roll_back
from portal.series.models import Observation, Series


@pytest.fixture
def people(make_user: Callable[..., User]) -> dict[str, User]:
    """The people of these tests by name."""
    roles = {"pipeline": "service", "forecaster": "forecaster", "approver": "approver", "second_approver": "approver"}
    return {username: make_user(role, username) for username, role in roles.items()}


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria")


@pytest.fixture
def training(people: dict[str, User]) -> Callable[..., Training]:
    """Builds a training triggered by the forecaster; every fact can be replaced."""

    def build(key: str = "key-1", **facts: Any) -> Training:
        return Training(
            **{
                "kind": "arima",
                "training_key": key,
                "artifact_uri": f"file:///artifacts/victoria/{key}",
                "artifact_sha256": "ab" * 32,
                "training_start": datetime(2013, 12, 31, 14, tzinfo=UTC),
                "training_end": datetime(2014, 11, 1, tzinfo=UTC),
                "data_cutoff": datetime(2014, 11, 1, 1, tzinfo=UTC),
                "trained_by": people["forecaster"],
                **facts,
            }
        )

    return build


@pytest.fixture
def candidate(
    series: Series, people: dict[str, User], training: Callable[..., Training]
) -> Callable[..., ModelVersion]:
    """Registers a candidate, of the series “victoria” unless told otherwise."""

    def register(key: str = "key-1", *, of: Series | None = None, **facts: Any) -> ModelVersion:
        return register_candidate(of or series, training=training(key, **facts), by=people["pipeline"])[0]

    return register


@pytest.fixture
def history(candidate: Callable[..., ModelVersion], people: dict[str, User]) -> list[ModelVersion]:
    """Six decisions about four models: two approvals with a retirement between, a rejection, and a way back."""
    at = datetime(2014, 11, 2, 9, 30, 0, 123, tzinfo=UTC)
    models = [candidate(key, evidence={"metrics": {"mae": 1e30, "ü": [1.50]}}) for key in "abcd"]
    approver, second = people["approver"], people["second_approver"]
    approve_model(models[0], by=approver, reason="good\nand well\ncalibrated", at=at)
    approve_model(models[1], by=second, reason="better – ☀", at=at + timedelta(days=1))
    reject_model(models[2], by=approver, reason="bad", at=at + timedelta(days=2))
    roll_back(models[1], by=approver, reason="it drifted", at=at + timedelta(days=3))
    return models


@pytest.fixture
def loaded(series: Series) -> Callable[[datetime], None]:
    """Stores a load that ended a moment before a time, so that a forecast can begin there."""

    def load(at: datetime) -> None:
        start = at - timedelta(hours=1)
        Observation.objects.create(
            series=series, valid_time=start, known_at=start + timedelta(minutes=30), value=5000.0
        )

    return load
