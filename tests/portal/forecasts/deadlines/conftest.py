"""A deadline in Melbourne, weeks of load, and forecasts of the pipeline for the day that is to be delivered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.alerts.operations import ensure_default_rules
from portal.forecasts.deadlines.operations import set_deadline
from portal.forecasts.models import ForecastRun, PublicationDeadline
from portal.series.models import Observation, Series

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEADLINE = datetime(2014, 11, 3, 1, tzinfo=UTC)
"""Monday noon in Melbourne, of Tuesday: from 13:00 UTC on, 24 hours."""
GUARD = DEADLINE - 30 * MINUTE
START = DEADLINE + 12 * HOUR
UTC_TIME = pa.timestamp("us", "UTC")


@pytest.fixture
def operator(make_user: Callable[..., User]) -> User:
    """Is mailed by the rules that come with the portal."""
    user = make_user("operator", "olga", email="olga@example.org")
    ensure_default_rules()
    return user


@pytest.fixture
def deadline(series: Series, operator: User) -> PublicationDeadline:
    """Noon of the day before, set after Sunday's noon: Monday is nobody's concern."""
    facts = {"series": series, "gate_closure": time(12), "days_ahead": 1}
    return set_deadline(facts=facts, by=operator, at=DEADLINE - DAY + MINUTE)


@pytest.fixture
def history(series: Series) -> Callable[..., None]:
    """Stores loads of so many days before the guard's time, each known an hour later."""

    def store(days: float = 98) -> None:
        start = GUARD - days * DAY
        times = [start + number * HOUR / 2 for number in range(int(days * 48))]
        Observation.objects.bulk_create(
            Observation(series=series, valid_time=at, known_at=at + HOUR, value=4000 + at.hour * 10 + at.day)
            for at in times
        )

    return store


@pytest.fixture
def publish_day(
    service: APIClient, send: Callable[..., Response], forecast: Callable[..., pa.Table], series: Series
) -> Callable[..., ForecastRun]:
    """Publishes, as the pipeline, `hours` from the issue time on; by default two days from an hour before the guard."""

    def publish(issued: datetime = GUARD - HOUR, *, hours: float = 48, **facts: Any) -> ForecastRun:
        table = forecast([5000.0] * int(2 * hours), issued=issued, **facts)
        answer = send(service, "/api/v1/forecasts/bulk/", table)
        assert answer.status_code == 200, answer.content
        return ForecastRun.objects.get(pk=answer.json()["runs"][0]["id"])

    return publish
