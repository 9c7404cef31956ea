"""``GET forecasts/latest/`` and the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rest_framework.test import APIClient

from portal.registry.models import ModelVersion
from portal.series.models import Series

LATEST, RUNS = "/api/v1/forecasts/latest/", "/api/v1/forecast-runs/"
ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP, DAY = timedelta(minutes=30), timedelta(days=1)
MELBOURNE = ZoneInfo("Australia/Melbourne")
Forecast = Callable[..., pa.Table]
Publish = Callable[..., list[dict[str, Any]]]
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def latest(service: APIClient) -> Callable[..., dict[str, Any]]:
    """Reads the latest forecast."""

    def get(series: str = "victoria", **query: str) -> dict[str, Any]:
        response = service.get(LATEST, {"series": series, **query})
        assert response.status_code == 200, response.content
        return response.json()

    return get


Latest = Callable[..., dict[str, Any]]


def test_the_latest_forecast_comes_with_its_facts_and_values(
    champion: ModelVersion, forecast: Forecast, publish: Publish, latest: Latest
) -> None:
    (run,) = publish(forecast([4000.0, 4100.5], model=champion, cutoff=ISSUED - STEP))
    answer = latest()
    assert answer == {
        "id": run["id"],
        "series": "victoria",
        "unit": "MW",
        "timezone": "Australia/Melbourne",
        "issue_time": "2014-11-01T13:00:00Z",
        "data_cutoff": "2014-11-01T12:30:00Z",
        "model": {"id": champion.pk, "version": 1, "kind": "arima"},
        "rung": "champion",
        "reason": "",
        "publisher": "pipeline",
        "adjusts": None,
        "adjusted_by": None,
        "adjustment": {},
        "quantiles": [0.1, 0.5, 0.9],
        "published_at": answer["published_at"],
        "values": [
            {
                "valid_time": "2014-11-01T13:00:00Z",
                "local_time": "2014-11-02T00:00:00+11:00",
                "0.1": 3900.0,
                "0.5": 4000.0,
                "0.9": 4100.0,
            },
            {
                "valid_time": "2014-11-01T13:30:00Z",
                "local_time": "2014-11-02T00:30:00+11:00",
                "0.1": 4000.5,
                "0.5": 4100.5,
                "0.9": 4200.5,
            },
        ],
    }


def test_as_of_gives_the_newest_run_issued_by_then(
    series: Series, forecast: Forecast, publish: Publish, latest: Latest, service: APIClient, problem: Problem
) -> None:
    for day in (0, 2, 1):
        publish(forecast(issued=ISSUED + day * DAY))
    assert latest()["issue_time"] == "2014-11-03T13:00:00Z"
    assert latest(as_of="2014-11-03T12:59:59Z")["issue_time"] == "2014-11-02T13:00:00Z"
    assert latest(as_of="2014-11-02T13:00:00Z")["issue_time"] == "2014-11-02T13:00:00Z", "issued at the very time"
    assert latest(as_of="2014-11-02T00:00:00+11:00")["issue_time"] == "2014-11-01T13:00:00Z"
    document = problem(service.get(LATEST, {"series": "victoria", "as_of": "2014-11-01T12:59:59Z"}), 404)
    assert "2014-11-01T12:59:59Z" in document["detail"]


def test_of_one_issue_time_the_run_published_last_counts(
    champion: ModelVersion, forecast: Forecast, publish: Publish, latest: Latest
) -> None:
    publish(forecast(reason="the champion failed"))
    (second,) = publish(forecast(model=champion))
    assert latest()["id"] == second["id"]


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2014, 10, 5), 23), (datetime(2014, 4, 6), 25), (datetime(2014, 7, 1), 24)],  # noqa: DTZ001  # local
    ids=["23 hours", "25 hours", "24 hours"],
)
def test_a_local_day_has_as_many_values_as_its_clock_has_half_hours(
    series: Series, forecast: Forecast, publish: Publish, latest: Latest, day: datetime, hours: int
) -> None:
    start = day.replace(tzinfo=MELBOURNE).astimezone(UTC)
    end = (day + DAY).replace(tzinfo=MELBOURNE).astimezone(UTC)
    count = (end - start) // STEP
    assert count == 2 * hours
    publish(forecast([4000.0 + number for number in range(count)], issued=start))
    values = latest()["values"]
    assert [value["0.5"] for value in values] == [4000.0 + number for number in range(count)]
    local = [datetime.fromisoformat(value["local_time"]) for value in values]
    assert {time.date() for time in local} == {day.date()}
    assert [time.astimezone(UTC) for time in local] == [start + number * STEP for number in range(count)]
    by_hour = Counter(time.hour for time in local)
    assert by_hour[2] == {23: 0, 24: 2, 25: 4}[hours], "the hour that is skipped, or comes twice"
    assert len({value["local_time"] for value in values}) == count, "the offset tells the two apart"


def test_a_forecast_of_many_values_costs_the_same_queries(
    series: Series, forecast: Forecast, publish: Publish, latest: Latest, django_assert_max_num_queries: Any
) -> None:
    publish(forecast([4000.0] * 336))
    with django_assert_max_num_queries(8):
        assert len(latest()["values"]) == 336


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"series": ""}, 400),
        ({"series": "nul\0"}, 400),
        ({"series": "atlantis"}, 404),
        ({"series": "victoria"}, 404),
    ],
)
def test_without_a_forecast_to_give_the_answer_says_why(
    series: Series, service: APIClient, problem: Problem, query: dict[str, str], status: int
) -> None:
    problem(service.get(LATEST, query), status)


def test_the_ledger_is_listed_newest_first_and_narrows(
    series: Series,
    make_series: Callable[..., Series],
    champion: ModelVersion,
    forecast: Forecast,
    publish: Publish,
    service: APIClient,
    problem: Problem,
) -> None:
    make_series("tasmania")
    for day in range(3):
        publish(forecast(issued=ISSUED + day * DAY))
    publish(forecast(slug="tasmania"))
    publish(forecast(model=champion, issued=ISSUED + DAY))

    def listed(**query: str) -> list[tuple[str, str, str]]:
        results = service.get(RUNS, query).json()["results"]
        return [(run["series"], run["issue_time"][:10], run["rung"]) for run in results]

    assert listed() == [
        ("victoria", "2014-11-03", "seasonal_naive"),
        ("victoria", "2014-11-02", "champion"),
        ("victoria", "2014-11-02", "seasonal_naive"),
        ("tasmania", "2014-11-01", "seasonal_naive"),
        ("victoria", "2014-11-01", "seasonal_naive"),
    ]
    assert listed(series="tasmania") == [("tasmania", "2014-11-01", "seasonal_naive")]
    assert listed(rung="champion") == [("victoria", "2014-11-02", "champion")]
    period = {"issued_from": "2014-11-01T13:00:00Z", "issued_to": "2014-11-02T13:00:00Z"}
    assert {run[1] for run in listed(**period)} == {"2014-11-01"}, "the period is half-open"
    for time in ("yesterday", "2014-11-01T13:00:00", "2014-11-01", "9999-12-31T23:59:59Z"):
        problem(service.get(RUNS, {"issued_from": time}), 400)
    assert service.get(f"{RUNS}?issued_from=2014-11-01T13:00:00+00:00").status_code == 200
    problem(service.get(RUNS, {"rung": "guess"}), 400)


def test_the_ledger_costs_the_same_queries_however_long_it_is(
    series: Series, forecast: Forecast, publish: Publish, service: APIClient, django_assert_max_num_queries: Any
) -> None:
    publish(pa.concat_tables([forecast(issued=ISSUED + number * STEP) for number in range(20)]))
    with django_assert_max_num_queries(7):
        assert service.get(RUNS).json()["count"] == 20


PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"


def test_the_values_of_a_run_come_in_three_forms(
    series: Series, forecast: Forecast, publish: Publish, service: APIClient
) -> None:
    sent = forecast([4000.0, 4100.5])
    (run,) = publish(sent)
    url = f"{RUNS}{run['id']}/values/"
    expected = sent.select(["valid_time", "quantile", "value"])

    parquet = service.get(url, headers={"Accept": PARQUET})
    assert parquet["Content-Type"] == PARQUET
    table = pq.read_table(pa.BufferReader(parquet.content))
    assert table.schema.field("valid_time").type == pa.timestamp("us", "UTC")
    assert table.to_pylist() == expected.to_pylist()

    arrow = service.get(url, headers={"Accept": ARROW})
    assert arrow["Content-Type"] == ARROW
    assert pa.ipc.open_stream(arrow.content).read_all().to_pylist() == expected.to_pylist()

    values = service.get(url).json()
    assert values[1] == {"valid_time": "2014-11-01T13:00:00Z", "quantile": 0.5, "value": 4000.0}
    assert [value["value"] for value in values] == expected.column("value").to_pylist()


@pytest.mark.parametrize("pk", ["0", "12345", "x", "9" * 30])
def test_a_run_that_is_not_there_is_a_404(series: Series, service: APIClient, problem: Problem, pk: str) -> None:
    problem(service.get(f"{RUNS}{pk}/"), 404)
    problem(service.get(f"{RUNS}{pk}/values/"), 404)


def test_the_ledger_takes_no_other_writes(
    series: Series, forecast: Forecast, publish: Publish, service: APIClient, problem: Problem
) -> None:
    (run,) = publish(forecast())
    for method in ("put", "patch", "delete"):
        problem(getattr(service, method)(f"{RUNS}{run['id']}/"), 405)
    problem(service.post(RUNS, {}), 405)
