"""Weather forecasts over the API, in bulk and by series: what was issued when, and known when."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.series import queries
from portal.series.models import Observation, Series, WeatherForecast

BULK, URL = "/api/v1/weather-forecasts/bulk/", "/api/v1/series/melbourne/weather-forecasts/"
NOON = datetime(2014, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
UTC_TIME = pa.timestamp("us", "UTC")
Record = Callable[..., dict[str, Any]]
Problem = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _melbourne(make_series: Callable[..., Series]) -> None:
    make_series("melbourne", quantity="temperature", unit="°C", resolution=HOUR)


def issue(values: Sequence[float | None], *, at: datetime = NOON, slug: str = "melbourne", **columns: Any) -> pa.Table:
    """Hourly values from the issue time on, known at once; columns can be replaced."""
    times = [at + number * HOUR for number in range(len(values))]
    table = {
        "series": pa.array([slug] * len(values), pa.string()),
        "issue_time": pa.array([at] * len(values), UTC_TIME),
        "valid_time": pa.array(times, UTC_TIME),
        "known_at": pa.array([at] * len(values), UTC_TIME),
        "value": pa.array(values, pa.float64()),
    }
    for name, column in columns.items():
        is_time = name.endswith(("_time", "_at")) and not isinstance(column, pa.Array)
        table[name] = pa.array(column, UTC_TIME) if is_time else column
    return pa.table(table)


@pytest.fixture
def record(service: APIClient, send: Callable[..., Response]) -> Record:
    """Records a table and gives the answer, a success."""

    def post(table: pa.Table, kind: str = "parquet") -> dict[str, Any]:
        response = send(service, BULK, table, kind)
        assert response.status_code == 200, response.content
        answer = response.json()
        assert answer["received"] == answer["inserted"] + answer["unchanged"] + len(answer["rejected"])
        return answer

    return post


def counts(answer: dict[str, Any]) -> tuple[int, int, int]:
    return answer["inserted"], answer["unchanged"], len(answer["rejected"])


def values(service: APIClient, **query: str) -> list[float]:
    response = service.get(URL, query)
    assert response.status_code == 200, response.content
    return [row["value"] for row in response.json()]


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_what_is_issued_is_stored_once_and_read_back(record: Record, service: APIClient, kind: str) -> None:
    assert counts(record(issue([11.5, 12.0]), kind)) == (2, 0, 0)
    assert counts(record(issue([11.5, 12.0]), kind)) == (0, 2, 0)
    assert service.get(URL).json()[1:] == [
        {
            "valid_time": "2014-11-01T13:00:00Z",
            "value": 12.0,
            "issue_time": "2014-11-01T12:00:00Z",
            "known_at": "2014-11-01T12:00:00Z",
        }
    ]
    assert not Observation.objects.exists()


def test_what_was_issued_once_stays(record: Record, service: APIClient) -> None:
    record(issue([11.5, 12.0]))
    answer = record(issue([11.5, 99.0, 13.0]))
    assert counts(answer) == (1, 1, 1)
    assert answer["rejected"] == [
        {
            "row": 1,
            "series": "melbourne",
            "issue_time": "2014-11-01T12:00:00Z",
            "valid_time": "2014-11-01T13:00:00Z",
            "value": 99.0,
            "rule": "issued_otherwise",
            "message": "Another value was issued for this series and valid_time at this issue_time.",
        }
    ]
    assert values(service) == [11.5, 12.0, 13.0]


@pytest.mark.parametrize(
    "statement", ["UPDATE series_weatherforecast SET value = 0", "DELETE FROM series_weatherforecast"]
)
def test_the_database_itself_changes_nothing_that_was_issued(record: Record, statement: str) -> None:
    record(issue([11.5]))
    with (
        pytest.raises(IntegrityError, match="what was issued stays"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert WeatherForecast.objects.get().value == 11.5


def test_a_row_that_comes_twice_counts_once_and_two_values_refuse_each_other(record: Record) -> None:
    table = issue(
        [1.0, 1.0, 2.0, 3.0, 4.0],
        valid_time=[NOON, NOON, NOON + HOUR, NOON + HOUR, NOON + HOUR],
        issue_time=[NOON, NOON, NOON, NOON, NOON - HOUR],
        known_at=[NOON + 2 * HOUR, NOON + HOUR, NOON, NOON, NOON],
    )
    answer = record(table)
    assert counts(answer) == (2, 1, 2)
    assert [(row["row"], row["rule"]) for row in answer["rejected"]] == [(2, "contradiction"), (3, "contradiction")]
    stored = WeatherForecast.objects.values_list("value", "known_at").order_by("value")
    assert list(stored) == [(1.0, NOON + HOUR), (4.0, NOON)]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"series": pa.array(["melbourne", "atlantis", "melbourne"])}, "unknown_series"),
        ({"series": pa.array(["melbourne", None, "melbourne"])}, "missing"),
        ({"series": pa.array(["melbourne", "victoria", "melbourne"])}, "not_weather"),
        ({"value": pa.array([1.0, None, 3.0])}, "missing"),
        ({"value": pa.array([1.0, math.nan, 3.0])}, "missing"),
        ({"value": pa.array([1.0, -math.inf, 3.0])}, "not_finite"),
        ({"valid_time": [NOON, NOON + timedelta(minutes=30), NOON + HOUR]}, "off_grid"),
        ({"valid_time": [NOON, None, NOON + HOUR]}, "missing"),
        ({"issue_time": [NOON, None, NOON]}, "missing"),
        ({"issue_time": [NOON, datetime(1899, 1, 1, tzinfo=UTC), NOON]}, "out_of_range"),
        ({"known_at": [NOON, None, NOON]}, "missing"),
        ({"known_at": [NOON, NOON - timedelta(microseconds=1), NOON]}, "known_too_early"),
    ],
)
def test_a_bad_row_is_refused_by_number_and_rule_and_the_others_are_stored(
    make_series: Callable[..., Series], record: Record, columns: dict[str, Any], rule: str
) -> None:
    make_series("victoria", resolution=HOUR)
    answer = record(issue([1.0, 2.0, 3.0], **columns))
    assert [(row["row"], row["rule"]) for row in answer["rejected"]] == [(1, rule)]
    assert answer["inserted"] == WeatherForecast.objects.count() == 2


def test_weather_other_than_temperature_has_forecasts_too(make_series: Callable[..., Series], record: Record) -> None:
    make_series("wind", quantity="weather", unit="m/s", resolution=HOUR)
    assert counts(record(issue([3.5], slug="wind"))) == (1, 0, 0)


def test_an_hour_that_the_forecast_has_behind_it_is_kept(record: Record, service: APIClient) -> None:
    record(issue([7.0], valid_time=[NOON - HOUR]))
    assert values(service) == [], "it was not known before its time"
    assert WeatherForecast.objects.count() == 1


@pytest.mark.parametrize("wrong", ["issue_time", "known_at", "value"])
def test_a_missing_column_is_a_400_that_names_it(
    service: APIClient, send: Callable[..., Response], problem: Problem, wrong: str
) -> None:
    (error,) = problem(send(service, BULK, issue([1.0]).drop_columns(wrong)), 400)["errors"]
    assert (error["field"], error["rule"]) == (wrong, "missing_column")


def test_the_newest_issue_is_read_and_an_older_one_as_of_an_earlier_time(record: Record, service: APIClient) -> None:
    record(issue([1.0, 1.0, 1.0, 1.0]))
    record(issue([2.0, 2.0], at=NOON + 2 * HOUR))
    assert values(service) == [1.0, 1.0, 2.0, 2.0]
    assert values(service, as_of="2014-11-01T13:59:59Z") == [1.0, 1.0, 1.0, 1.0]
    assert values(service, start="2014-11-01T13:00:00Z", end="2014-11-01T14:00:00Z") == [1.0]


def test_a_lead_time_takes_what_was_known_that_long_before(record: Record, service: APIClient) -> None:
    record(issue([1.0] * 5))
    record(issue([2.0] * 3, at=NOON + 2 * HOUR))
    assert values(service, lead_time="PT0S") == [1.0, 1.0, 2.0, 2.0, 2.0]
    ahead = service.get(URL, {"lead_time": "PT1H"}).json()
    assert [(row["valid_time"][11:13], row["value"]) for row in ahead] == [
        ("13", 1.0),
        ("14", 1.0),
        ("15", 2.0),
        ("16", 2.0),
    ]
    late = [NOON + HOUR] * 2
    record(issue([3.0, 3.0], at=NOON + timedelta(minutes=30), valid_time=[NOON + HOUR, NOON + 2 * HOUR], known_at=late))
    assert values(service, lead_time="PT1H", end="2014-11-01T15:00:00Z") == [1.0, 3.0], (
        "what counts is when it could be had"
    )
    assert values(service, lead_time="P1D") == []


@pytest.mark.parametrize("wrong", ["", "24", "PT24", "PT1S", "-PT1H", "tomorrow"])
def test_a_lead_time_that_is_no_duration_is_a_400(service: APIClient, problem: Problem, wrong: str) -> None:
    (error,) = problem(service.get(URL, {"lead_time": wrong}), 400)["errors"]
    assert (error["field"], error["rule"]) == ("lead_time", "duration")


def test_forecasts_are_given_as_a_table_of_the_agreed_types(record: Record, service: APIClient) -> None:
    record(issue([1.5, 2.5]))
    response = service.get(URL, headers={"Accept": "application/vnd.apache.parquet"})
    table = pa.parquet.read_table(pa.BufferReader(response.content))
    assert table.schema.remove_metadata() == pa.schema(
        {"valid_time": UTC_TIME, "value": pa.float64(), "issue_time": UTC_TIME, "known_at": UTC_TIME}
    )
    assert table.column("value").to_pylist() == [1.5, 2.5]
    empty = service.get(URL, {"end": "2000-01-01T00:00:00Z"}, headers={"Accept": "application/vnd.apache.parquet"})
    assert pa.parquet.read_table(pa.BufferReader(empty.content)).num_rows == 0


@pytest.mark.django_db(transaction=True)
def test_reading_touches_the_index_only_and_sorts_nothing(record: Record) -> None:
    series = Series.objects.get(slug="melbourne")
    with connection.cursor() as cursor:
        # What is committed without waiting for the log counts as visible to all only a moment later.
        cursor.execute("SET synchronous_commit TO on")
        for number in range(8):
            record(issue([float(number)] * 600, at=NOON + number * 6 * HOUR))
        cursor.execute("VACUUM ANALYZE series_weatherforecast")
        bound = (series.pk, NOON + 24 * HOUR, NOON + 72 * HOUR, NOON + 48 * HOUR, 24 * HOUR)
        cursor.execute(f"EXPLAIN {queries.NEWEST_ISSUE}", bound)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET synchronous_commit")
    assert "Index Only Scan Backward using series_one_value_per_issue" in plan, plan
    assert "Sort" not in plan, plan


def test_a_series_with_forecasts_keeps_its_grid(
    record: Record, make_user: Callable[..., Any], client_of: Callable[..., APIClient], problem: Problem
) -> None:
    record(issue([1.0]))
    engineer = client_of(make_user("data_engineer"))
    document = problem(engineer.patch("/api/v1/series/melbourne/", {"resolution": "PT30M"}), 409)
    assert "weather forecasts" in document["detail"]


def test_forecasts_are_listed_for_those_who_may_look(record: Record, make_user: Callable[..., Any]) -> None:
    record(issue([11.25]))
    client = Client()
    client.force_login(make_user("operator"))
    page = client.get("/admin/series/weatherforecast/")
    assert page.status_code == 200
    assert "11.25" in page.content.decode()
    assert client.get("/admin/series/weatherforecast/add/").status_code == 403
