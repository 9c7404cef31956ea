"""What the database lets the retention do, and nobody else: delete, and whole runs only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from portal.forecasts.models import ForecastRun, ForecastValue
from portal.series.models import Observation, Series, WeatherForecast
from tests.portal.retention.conftest import NOW


@pytest.fixture
def run(series: Series, publish_run: Callable[..., ForecastRun]) -> ForecastRun:
    return publish_run(series, 500)


@pytest.fixture
def weather(series: Series) -> WeatherForecast:
    return WeatherForecast.objects.create(series=series, issue_time=NOW, valid_time=NOW, known_at=NOW, value=21.5)


def execute(*statements: str, retention: bool) -> None:
    """The statements in one transaction, checked at its end as a commit would."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        if retention:
            cursor.execute("SELECT set_config('gridcast.retention', 'on', true)")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("table", ["forecasts_forecastvalue", "forecasts_forecastrun", "series_weatherforecast"])
def test_nothing_is_deleted_but_by_the_retention(run: ForecastRun, weather: WeatherForecast, table: str) -> None:
    with pytest.raises(IntegrityError, match=r"only added to|what was issued stays"):
        execute(f"DELETE FROM {table}", retention=False)  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE forecasts_forecastvalue SET value = 0",
        "UPDATE forecasts_forecastrun SET reason = 'better'",
        "UPDATE series_weatherforecast SET value = 0",
    ],
)
def test_the_retention_changes_nothing(run: ForecastRun, weather: WeatherForecast, statement: str) -> None:
    with pytest.raises(IntegrityError, match=r"only added to|what was issued stays"):
        execute(statement, retention=True)


def test_the_permission_ends_with_its_transaction(run: ForecastRun) -> None:
    with pytest.raises(IntegrityError):
        execute("UPDATE forecasts_forecastrun SET reason = 'better'", retention=True)
    with pytest.raises(IntegrityError, match="only added to"):
        execute("DELETE FROM forecasts_forecastrun", retention=False)


@pytest.mark.parametrize("table", ["forecasts_forecastvalue", "forecasts_forecastrun"])
def test_the_retention_deletes_a_run_whole_or_not_at_all(run: ForecastRun, table: str) -> None:
    with pytest.raises(IntegrityError, match=r"with all of its values|violates foreign key"):
        execute(f"DELETE FROM {table}", retention=True)  # noqa: S608
    assert (ForecastRun.objects.count(), ForecastValue.objects.count()) == (1, 2)


def test_one_value_of_a_run_cannot_be_deleted(run: ForecastRun) -> None:
    with pytest.raises(IntegrityError, match="with all of its values"):
        execute(
            f"DELETE FROM forecasts_forecastvalue WHERE valid_time > '{run.issue_time:%Y-%m-%d %H:%M}Z'",  # noqa: S608
            retention=True,
        )


def test_the_run_and_then_its_values_can(run: ForecastRun) -> None:
    execute("DELETE FROM forecasts_forecastrun", "DELETE FROM forecasts_forecastvalue", retention=True)
    assert (ForecastRun.objects.count(), ForecastValue.objects.count()) == (0, 0)


def test_observations_are_deleted_by_nobody(series: Series) -> None:
    Observation.objects.create(series=series, valid_time=NOW, known_at=NOW, value=4000.0)
    with pytest.raises(IntegrityError, match="observations are part of the record"):
        execute("DELETE FROM series_observation", retention=True)
