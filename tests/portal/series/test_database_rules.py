"""What the database itself keeps of observations and forecasts, whoever writes to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from portal.series.models import Observation, Series, WeatherForecast

START = datetime(2014, 11, 1, tzinfo=UTC)
INSERTS = {
    "series_observation": "INSERT INTO series_observation (series_id, valid_time, known_at, value)"
    " VALUES (%s, %s, %s, 1)",
    "series_weatherforecast": "INSERT INTO series_weatherforecast (series_id, valid_time, known_at, issue_time, value)"
    " VALUES (%s, %s, %s, '2014-11-01Z', 1)",
}


def execute(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.mark.parametrize("table", INSERTS)
def test_a_row_of_a_series_that_is_not_there_is_refused(db: None, table: str) -> None:
    with pytest.raises(IntegrityError, match=f"{table} refers to a series that is not there"), transaction.atomic():
        execute(INSERTS[table], 10**6, START, START)


@pytest.mark.parametrize("table", INSERTS)
def test_a_series_with_rows_is_not_deleted_by_anybody(make_series: Callable[..., Series], table: str) -> None:
    series, other = make_series("victoria"), make_series("empty")
    execute(INSERTS[table], series.pk, START, START)
    with pytest.raises(IntegrityError, match="series victoria is still referred to"), transaction.atomic():
        execute("DELETE FROM series_series WHERE id = %s", series.pk)
    execute("DELETE FROM series_series WHERE id = %s", other.pk)
    assert list(Series.objects.all()) == [series]


@pytest.mark.django_db(transaction=True)
def test_a_series_is_not_deleted_while_rows_are_added_to_it(make_series: Callable[..., Series]) -> None:
    series = make_series("victoria")
    told: list[str] = []

    def delete() -> None:
        try:
            execute("DELETE FROM series_series WHERE id = %s", series.pk)
        except IntegrityError as error:
            told.append(str(error))
        finally:
            connection.close()

    deleting = threading.Thread(target=delete)
    with transaction.atomic():
        execute(INSERTS["series_observation"], series.pk, START, START)
        deleting.start()
        time.sleep(0.3)
        assert deleting.is_alive(), "it waits for the writer"
    deleting.join(timeout=120)
    assert "still referred to" in told[0]
    assert Observation.objects.get().series == series


@pytest.mark.django_db(transaction=True)
def test_rows_are_not_added_to_a_series_that_is_being_deleted(make_series: Callable[..., Series]) -> None:
    series = make_series("victoria")
    told: list[str] = []

    def add() -> None:
        try:
            execute(INSERTS["series_observation"], series.pk, START, START + timedelta(hours=1))
        except IntegrityError as error:
            told.append(str(error))
        finally:
            connection.close()

    adding = threading.Thread(target=add)
    with transaction.atomic():
        execute("DELETE FROM series_series WHERE id = %s", series.pk)
        adding.start()
        time.sleep(0.3)
        assert adding.is_alive(), "it waits for the deletion"
    adding.join(timeout=120)
    assert "is not there" in told[0]
    assert not Observation.objects.exists()
    assert not WeatherForecast.objects.exists()
