"""What was forecast for a time, as known at a moment, so long ahead, and what a run changed: over REST."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from portal.series.models import Series
from tests.portal.forecasts.ledgers import ISSUED, STEP, put_run

V1 = "/api/v1/"
PERIOD = {"series": "victoria", "start": "2014-11-01T13:00:00Z", "end": "2014-11-01T15:00:00Z"}
Problem = Callable[..., dict[str, Any]]
HOUR = timedelta(hours=1)
LONG_AGO = datetime(2014, 11, 1, tzinfo=UTC)


@pytest.fixture
def ask(service: APIClient) -> Callable[..., Any]:
    def get(path: str, **query: Any) -> Any:
        response = service.get(V1 + path, query)
        assert response.status_code == 200, response.content
        return response.json()

    return get


Ask = Callable[..., Any]


def medians(rows: list[dict[str, Any]]) -> list[tuple[str, float, int]]:
    return [(row["valid_time"][11:16], row["value"], row["run"]) for row in rows if row["quantile"] == 0.5]


def test_as_known_takes_each_time_from_the_newest_run_that_covers_it(series: Series, ask: Ask) -> None:
    first = put_run(series, [1.0, 2.0, 3.0, 4.0])
    second = put_run(series, [20.0, 30.0], issued=ISSUED + STEP)
    rows = ask("forecasts/as-known/", **PERIOD)
    assert medians(rows) == [
        ("13:00", 1.0, first.pk),
        ("13:30", 20.0, second.pk),
        ("14:00", 30.0, second.pk),
        ("14:30", 4.0, first.pk),
    ]
    assert rows[3] == {
        "valid_time": "2014-11-01T13:30:00Z",
        "local_time": "2014-11-02T00:30:00+11:00",
        "run": second.pk,
        "issue_time": "2014-11-01T13:30:00Z",
        "rung": "seasonal_naive",
        "quantile": 0.1,
        "value": -80.0,
    }
    earlier = ask("forecasts/as-known/", **PERIOD, as_of="2014-11-01T13:29:59Z")
    assert medians(earlier) == [(f"{13 + n // 2}:{n % 2 * 30:02}", n + 1.0, first.pk) for n in range(4)]
    assert ask("forecasts/as-known/", **PERIOD, as_of="2014-11-01T12:59:59Z") == []


def test_what_was_published_later_was_not_in_the_ledger_then(series: Series, ask: Ask) -> None:
    first = put_run(series, [1.0, 2.0], published_at=LONG_AGO)
    put_run(series, [5.0, 6.0], issued=ISSUED, published_at=LONG_AGO + HOUR)
    then = {"published_by": "2014-11-01T00:59:59Z"}
    assert {row["run"] for row in ask("forecasts/as-known/", **PERIOD, **then)} == {first.pk}
    assert {row["run"] for row in ask("forecasts/by-lead-time/", **PERIOD, **then, lead_time_hours=0)} == {first.pk}
    assert ask("forecasts/latest/", series="victoria", **then)["id"] == first.pk
    assert ask("forecasts/latest/", series="victoria")["id"] != first.pk


def test_by_lead_time_takes_the_newest_run_issued_so_long_before(series: Series, ask: Ask) -> None:
    day_ahead = put_run(series, [1.0] * 60, issued=ISSUED - 24 * HOUR)
    intraday = put_run(series, [2.0] * 60, issued=ISSUED - 23 * HOUR)
    day_ahead_view = ask("forecasts/by-lead-time/", **PERIOD)
    assert [run for _, _, run in medians(day_ahead_view)] == [day_ahead.pk] * 2 + [intraday.pk] * 2
    assert {run for _, _, run in medians(ask("forecasts/by-lead-time/", **PERIOD, lead_time_hours=1.5))} == {
        intraday.pk
    }
    assert ask("forecasts/by-lead-time/", **PERIOD, lead_time_hours=48) == []


def test_an_adjustment_counts_unless_originals_are_asked_for(
    series: Series, ask: Ask, make_user: Callable[..., User]
) -> None:
    original = put_run(series, [1.0, 2.0])
    override = put_run(series, [1.0, 3.0], adjusts=original, by=make_user("forecaster"))
    for query, run in (({}, override), ({"originals": "true"}, original)):
        assert {row["run"] for row in ask("forecasts/as-known/", **PERIOD, **query)} == {run.pk}
        assert {row["run"] for row in ask("forecasts/by-lead-time/", **PERIOD, **query, lead_time_hours=0)} == {run.pk}
        assert ask("forecasts/latest/", series="victoria", **query)["id"] == run.pk
    (listed,) = ask("forecast-runs/", adjusts=original.pk)["results"]
    assert (listed["id"], listed["adjusted_by"], listed["publisher"]) == (override.pk, "forecaster", "person")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2014-10-04T14:00:00Z", "2014-10-05T13:00:00Z", 23), ("2014-04-05T13:00:00Z", "2014-04-06T14:00:00Z", 25)],
)
def test_a_local_day_of_another_length_is_answered_whole(
    series: Series, ask: Ask, start: str, end: str, hours: int
) -> None:
    put_run(series, [float(n) for n in range(60)], issued=datetime.fromisoformat(start))
    rows = ask("forecasts/as-known/", series="victoria", start=start, end=end)
    local = {row["local_time"] for row in rows}
    assert len(local) == 2 * hours
    assert {time[:10] for time in local} == {(datetime.fromisoformat(end) - HOUR).strftime("%Y-%m-%d")}


def test_the_answer_comes_in_three_forms(series: Series, service: APIClient) -> None:
    put_run(series, [1.0, 2.0])
    json = service.get(f"{V1}forecasts/as-known/", PERIOD).json()
    parquet = service.get(f"{V1}forecasts/as-known/", PERIOD, headers={"Accept": "application/vnd.apache.parquet"})
    arrow = service.get(f"{V1}forecasts/as-known/", PERIOD, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pq.read_table(pa.BufferReader(parquet.content))
    assert table.to_pylist() == pa.ipc.open_stream(arrow.content).read_all().to_pylist()
    assert table.column("value").to_pylist() == [row["value"] for row in json]
    assert str(table.schema.field("issue_time").type) == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"series": None}, 400, "series"),
        ({"series": "atlantis"}, 404, None),
        ({"start": None}, 400, "start"),
        ({"end": None}, 400, "end"),
        ({"start": "noon"}, 400, "start"),
        ({"end": "2014-11-01T13:00:00Z"}, 400, "end"),
        ({"end": "2015-12-07T13:00:00Z"}, 400, "end"),
        ({"as_of": "2014-11-01T13:00:00"}, 400, "as_of"),
        ({"published_by": "x"}, 400, "published_by"),
        ({"originals": "yes"}, 400, "originals"),
        ({"lead_time_hours": "a day"}, 400, "lead_time_hours"),
        ({"lead_time_hours": "nan"}, 400, "lead_time_hours"),
        ({"lead_time_hours": "-1"}, 400, "lead_time_hours"),
        ({"lead_time_hours": "721"}, 400, "lead_time_hours"),
    ],
)
def test_a_question_that_cannot_be_answered_names_the_parameter(
    series: Series, service: APIClient, problem: Problem, changed: dict[str, Any], status: int, field: str | None
) -> None:
    path = "by-lead-time" if "lead_time_hours" in changed else "as-known"
    query = {name: value for name, value in {**PERIOD, **changed}.items() if value is not None}
    document = problem(service.get(f"{V1}forecasts/{path}/", query), status)
    if field is not None:
        assert [error["field"] for error in document["errors"]] == [field]
        assert field in document["detail"]


def test_the_questions_cost_the_same_queries_however_long_the_period(
    series: Series, ask: Ask, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        put_run(series, [1.0] * 48, issued=ISSUED + number * 4 * HOUR)
    with django_assert_max_num_queries(9):
        rows = ask("forecasts/as-known/", series="victoria", start="2014-11-01T13:00:00Z", end="2015-12-01T00:00:00Z")
    assert len(rows) == 3 * (9 * 8 + 48)


def test_a_run_is_compared_with_the_one_issued_before_it(series: Series, ask: Ask) -> None:
    first = put_run(series, [1.0, 2.0, 3.0, 4.0])
    put_run(series, [1.0, 2.0, 3.0, 4.0], issued=ISSUED - HOUR)
    later = put_run(series, [20.0, 2.0, 4.0, 4.0], issued=ISSUED + STEP, quantiles=(0.5, 0.9))
    answer = ask(f"forecast-runs/{later.pk}/revision/")
    assert (answer["run"]["id"], answer["against"]["id"], answer["unit"]) == (later.pk, first.pk, "MW")
    assert answer["summary"] == {
        "quantile": 0.5,
        "n": 3,
        "mean_absolute_change": pytest.approx((18 + 1 + 0) / 3),
        "mean_change": pytest.approx((18 - 1 + 0) / 3),
        "largest_change": 18.0,
        "largest_change_at": "2014-11-01T13:30:00Z",
    }
    changes = answer["changes"]
    assert {row["quantile"] for row in changes} == {0.5, 0.9}, "those that both have"
    assert (changes[0]["value"], changes[0]["earlier"], changes[0]["change"]) == (20.0, 2.0, 18.0)
    assert changes[0]["local_time"] == "2014-11-02T00:30:00+11:00"


def test_an_adjustment_is_compared_with_what_it_adjusts_and_any_two_runs_can_be(
    series: Series, ask: Ask, make_user: Callable[..., User]
) -> None:
    before = put_run(series, [9.0, 9.0], issued=ISSUED - STEP)
    original = put_run(series, [1.0, 2.0])
    override = put_run(series, [1.0, 3.0], adjusts=original, by=make_user("forecaster"))
    answer = ask(f"forecast-runs/{override.pk}/revision/")
    assert (answer["against"]["id"], answer["summary"]["mean_change"]) == (original.pk, 0.5)
    answer = ask(f"forecast-runs/{override.pk}/revision/", against=before.pk)
    assert (answer["against"]["id"], answer["summary"]["n"]) == (before.pk, 1)


def test_runs_without_a_common_time_have_no_summary(series: Series, ask: Ask) -> None:
    put_run(series, [1.0])
    later = put_run(series, [1.0], issued=ISSUED + HOUR)
    answer = ask(f"forecast-runs/{later.pk}/revision/")
    assert (answer["summary"], answer["changes"]) == (None, [])


def test_a_comparison_that_cannot_be_made_says_why(
    series: Series, make_series: Callable[..., Series], service: APIClient, problem: Problem
) -> None:
    run, foreign = put_run(series, [1.0]), put_run(make_series("tasmania"), [1.0])
    url = f"{V1}forecast-runs/{run.pk}/revision/"
    assert "No forecast of" in problem(service.get(url), 404)["detail"]
    for against, rule in ((foreign.pk, "other_series"), (987654, "unknown_run"), ("x", "unknown_run")):
        (error,) = problem(service.get(url, {"against": against}), 400)["errors"]
        assert (error["field"], error["rule"]) == ("against", rule)
    problem(service.get(f"{V1}forecast-runs/987654/revision/"), 404)


def test_a_revision_comes_as_a_table_too(series: Series, service: APIClient) -> None:
    put_run(series, [1.0, 2.0], issued=ISSUED - STEP)
    run = put_run(series, [5.0, 6.0])
    url = f"{V1}forecast-runs/{run.pk}/revision/"
    answer = service.get(url, headers={"Accept": "application/vnd.apache.parquet"})
    assert pq.read_table(pa.BufferReader(answer.content)).column("change").to_pylist() == [3.0] * 3


def test_the_ledger_is_asked_by_issue_time(series: Series, ask: Ask) -> None:
    put_run(series, [1.0], issued=ISSUED - STEP)
    run = put_run(series, [1.0])
    (found,) = ask("forecast-runs/", series="victoria", issue_time="2014-11-02T00:00:00+11:00")["results"]
    assert found["id"] == run.pk
