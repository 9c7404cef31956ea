"""People who run the retention, rules, and records of any age."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from portal.forecasts.models import ForecastRun, ForecastValue
from portal.retention import operations
from portal.retention.models import RetentionRule, RetentionRun
from portal.series.models import Series

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(hour=3, minute=15, second=0, microsecond=0) - DAY
"""Yesterday: what is asked for over HTTP is as of the portal's own clock, and no time yet to come may be asked for."""
HOUR = timedelta(hours=1)


def check_as_at_a_commit() -> None:
    """Let the database check what it checks at the end of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def people(make_user: Callable[..., User]) -> dict[str, User]:
    """The people of these tests by name."""
    roles = {"airflow": "service", "operator": "operator", "forecaster": "forecaster", "approver": "approver"}
    return {username: make_user(role, username) for username, role in roles.items()}


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria")


@pytest.fixture
def keep(db: None) -> Callable[..., None]:
    """Enables the rules of these kinds with so many days, and no other."""

    def rules(**days: int) -> None:
        operations.ensure_rules()
        RetentionRule.objects.update(enabled=False, keep_days=None)
        for kind, keep_days in days.items():
            assert RetentionRule.objects.filter(kind=kind).update(enabled=True, keep_days=keep_days) == 1

    return rules


@pytest.fixture
def publish_run(db: None) -> Callable[..., ForecastRun]:
    """Publishes a naive run of two hours, so many days before NOW; an adjustment names the run that it `adjusts`."""

    def publish(series: Series, days: float, **facts: Any) -> ForecastRun:
        issued = NOW - days * DAY
        override = {"rung": "override", "publisher": "person"} if "adjusts" in facts else {}
        with transaction.atomic():
            run = ForecastRun.objects.create(
                **{
                    "series": series,
                    "issue_time": issued,
                    "data_cutoff": issued,
                    "rung": "seasonal_naive",
                    "reason": "no champion yet",
                    "quantiles": [0.5],
                    "valid_from": issued,
                    "valid_until": issued + 2 * HOUR,
                    "value_count": 2,
                    "values_sha256": f"{ForecastRun.objects.count():064d}",
                    **override,
                    **facts,
                }
            )
            ForecastValue.objects.bulk_create(
                ForecastValue(run=run, valid_time=issued + hour * HOUR, quantile=0.5, value=4000.0) for hour in (0, 1)
            )
            check_as_at_a_commit()
        return run

    return publish


@pytest.fixture
def begin(people: dict[str, User]) -> Callable[..., RetentionRun]:
    """Begins a run as of NOW, as the pipeline does it."""

    def run(*, dry_run: bool = False, confirmed: bool = False, as_of: datetime = NOW) -> RetentionRun:
        return operations.begin_run(
            as_of=as_of, dry_run=dry_run, confirmed=confirmed, by=people["airflow"], at=NOW, airflow={}
        )

    return run


@pytest.fixture
def delete(begin: Callable[..., RetentionRun], people: dict[str, User]) -> Callable[..., dict[str, int]]:
    """Runs the retention to its end; gives what was deleted, by kind. The database checks as at a commit."""

    def run(**facts: Any) -> dict[str, int]:
        begun = begin(**facts)
        done = operations.advance_run(begun, by=people["airflow"], at=NOW, seconds=60)
        check_as_at_a_commit()
        assert done.state == RetentionRun.State.DONE
        return {outcome.kind: outcome.deleted for outcome in done.outcomes.all()}

    return run


@pytest.fixture
def due(begin: Callable[..., RetentionRun]) -> Callable[..., dict[str, int | None]]:
    """What a dry run finds, by kind."""
    return lambda: {outcome.kind: outcome.found for outcome in begin(dry_run=True).outcomes.all()}
