"""What the database refuses, whichever code asks: the ledger is whole and fixed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db import IntegrityError, connection, transaction

from portal.forecasts.models import AccuracySignal, DeadlineRecord, ForecastRun, ForecastScore, ForecastValue
from portal.series.models import Series

ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def run(series: Series, forecast: Callable[..., pa.Table], publish: Callable[..., Any]) -> ForecastRun:
    publish(forecast())
    return ForecastRun.objects.get()


def facts(series: Series, **changes: Any) -> dict[str, Any]:
    return {
        "series": series,
        "issue_time": ISSUED,
        "data_cutoff": ISSUED,
        "rung": "seasonal_naive",
        "reason": "no champion",
        "quantiles": [0.5],
        "valid_from": ISSUED,
        "valid_until": ISSUED + HOUR,
        "value_count": 1,
        "values_sha256": "ab" * 32,
        **changes,
    }


def store(series: Series, *values: ForecastValue) -> None:
    """A run with these values, in a transaction that checks at its end as a commit would."""
    with transaction.atomic():
        run = ForecastRun.objects.create(**facts(series))
        for value in values:
            value.run = run
            value.save(force_insert=True)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE forecasts_forecastrun SET reason = 'better'",
        "UPDATE forecasts_forecastrun SET published_at = now()",
        "UPDATE forecasts_forecastvalue SET value = 0",
        "DELETE FROM forecasts_forecastvalue",
        "DELETE FROM forecasts_forecastrun",
    ],
)
def test_what_is_published_cannot_be_changed_or_deleted(run: ForecastRun, statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="the forecast ledger is only added to"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.fixture
def records(run: ForecastRun) -> None:
    """One of each kind of record that follows a run."""
    ForecastScore.objects.create(forecast_run=run, as_of=ISSUED, n=3)
    AccuracySignal.objects.create(series=run.series, as_of=ISSUED, window_days=14, n=1, state="ok")
    DeadlineRecord.objects.create(
        series=run.series, delivery_day=ISSUED.date(), deadline=ISSUED, outcome="met", run=run, recorded_at=ISSUED
    )


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("model", [ForecastScore, AccuracySignal, DeadlineRecord])
def test_what_was_made_of_a_run_cannot_be_changed_or_deleted(model: type[Any]) -> None:
    (record,) = model.objects.all()
    for change in (record.save, record.delete, model.objects.all().delete):
        with pytest.raises(IntegrityError, match="the forecast ledger is only added to"), transaction.atomic():
            change()
    assert model.objects.exists()


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("table", ["forecastrun", "forecastvalue", "forecastscore", "accuracysignal", "deadlinerecord"])
def test_the_ledger_cannot_be_emptied(table: str) -> None:
    table, trigger = f"forecasts_{table}", "forecasts_refuse_truncate"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")  # off for the other tests' sake
        with pytest.raises(IntegrityError, match="is part of the record and cannot be emptied"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    assert ForecastRun.objects.exists()


def test_a_run_without_all_its_values_cannot_be_committed(series: Series) -> None:
    with pytest.raises(IntegrityError, match="has 0 of its 1 values"):
        store(series)
    store(series, ForecastValue(valid_time=ISSUED, quantile=0.5, value=1.0))
    assert ForecastRun.objects.count() == 1


def test_a_value_cannot_be_added_to_a_published_run(run: ForecastRun) -> None:
    with pytest.raises(IntegrityError, match="has its values already"), transaction.atomic():
        ForecastValue.objects.create(run=run, valid_time=ISSUED + 9 * HOUR, quantile=0.5, value=1.0)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"rung": "champion", "reason": ""}, "forecasts_champions_are_models"),
        ({"rung": "previous_champion"}, "forecasts_champions_are_models"),
        ({"reason": ""}, "forecasts_fallback_has_a_reason"),
        ({"valid_from": ISSUED - HOUR}, "forecasts_of_the_future"),
        ({"valid_until": ISSUED}, "forecasts_of_the_future"),
        ({"value_count": 0}, "forecasts_not_empty"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(series: Series, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        ForecastRun.objects.create(**facts(series, **changes))


def test_the_same_facts_are_in_the_ledger_once_even_without_a_model(run: ForecastRun) -> None:
    with pytest.raises(IntegrityError, match="forecasts_one_run_per_facts"), transaction.atomic():
        ForecastRun.objects.create(**facts(run.series))


def test_a_quantile_lies_between_0_and_1(series: Series) -> None:
    with pytest.raises(IntegrityError, match="forecasts_quantile_within_0_1"):
        store(series, ForecastValue(valid_time=ISSUED, quantile=1.0, value=1.0))
