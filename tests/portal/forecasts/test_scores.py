"""``scores/``: how good the runs were, one score per run and time of judging."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from rest_framework.test import APIClient

from portal.forecasts.models import ForecastScore
from portal.series.models import Series

BULK, SCORES = "/api/v1/scores/bulk/", "/api/v1/scores/"
ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def run(series: Series, forecast: Callable[..., pa.Table], publish: Callable[..., Any]) -> int:
    """The id of a published run."""
    return int(publish(forecast())[0]["id"])


def score(run: int, **changes: Any) -> dict[str, Any]:
    return {
        "forecast_run": run,
        "as_of": "2014-11-02T14:00:00Z",
        "n": 96,
        "expected": 96,
        "actuals_sha256": "ab" * 32,
        "mae": 120.5,
        "rmse": 150.25,
        "mape": 2.5,
        "pinball": 40.0,
        "coverage_80": 0.81,
        "bias": -12.0,
        "peak_mae": 90.0,
        "peak_bias": -90.0,
        "peak_time_mae_hours": 0.5,
        "skill": 0.6,
        "baseline": {"n": 96, "mae": 300.0, "mape": None},
        "external": {"series": "operator", "n": 90, "mae": 130.0, "skill": 0.1, "known": "issue_time"},
        "stability": {"against_run": 7, "n": 48, "mean_absolute_change": 20.0, "relative": None},
        "attribution": {"n": 96, "mae": 120.5, "model_mae": 100.0, "weather_mae": 20.5},
        "by_lead_time": [{"lead_time_from": 0, "lead_time_to": 6, "mae": 80.0}],
        "by_day": [{"date": "2014-11-02", "n": 48, "mae": 80.0, "peak_error": None}],
        "airflow": {"dag_id": "score_forecasts", "run_id": "manual__1"},
        **changes,
    }


def test_a_score_is_kept_and_read_back_whole(service: APIClient, run: int) -> None:
    response = service.post(BULK, [score(run)])
    assert response.status_code == 200, response.content
    (recorded,) = response.json()["scores"]
    assert recorded == {
        "id": recorded["id"],
        "forecast_run": run,
        "as_of": "2014-11-02T14:00:00Z",
        "status": "created",
    }
    (kept,) = service.get(SCORES).json()["results"]
    assert score(run).items() <= kept.items()
    assert (kept["series"], kept["issue_time"]) == ("victoria", "2014-11-01T13:00:00Z")


def test_the_same_score_again_is_unchanged(service: APIClient, run: int) -> None:
    service.post(BULK, [score(run)])
    assert service.post(BULK, [score(run)]).json()["scores"][0]["status"] == "unchanged"


def test_a_score_of_the_same_run_and_time_stays_as_it_was(service: APIClient, run: int) -> None:
    service.post(BULK, [score(run)])
    again = score(run, mae=100.0, mape=None, actuals_sha256="cd" * 32)
    assert service.post(BULK, [again]).json()["scores"][0]["status"] == "unchanged"
    kept = ForecastScore.objects.get()
    assert (kept.mae, kept.mape) == (120.5, 2.5)


def test_a_run_whose_actuals_changed_is_scored_again_and_both_scores_are_kept(service: APIClient, run: int) -> None:
    service.post(BULK, [score(run), score(run, as_of="2014-11-03T14:00:00Z", n=144, actuals_sha256="cd" * 32)])
    assert [kept["n"] for kept in service.get(SCORES).json()["results"]] == [144, 96], "newest first"


def test_a_score_on_the_same_actuals_says_nothing_new(service: APIClient, run: int) -> None:
    (first,) = service.post(BULK, [score(run)]).json()["scores"]
    (again,) = service.post(BULK, [score(run, as_of="2014-11-03T14:00:00Z")]).json()["scores"]
    assert (again["id"], again["status"]) == (first["id"], "unchanged")
    assert ForecastScore.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"attribution": {"n": 96, "observed_share": 1.0, "model_mae": 90.0}},
        {"external": {"series": "another operator", "n": 96, "mae": 1.0}},
    ],
)
def test_the_same_actuals_with_other_weather_or_beside_another_forecast_are_kept(
    service: APIClient, run: int, change: dict[str, Any]
) -> None:
    service.post(BULK, [score(run)])
    later = score(run, as_of="2014-11-03T14:00:00Z", **change)
    assert service.post(BULK, [later]).json()["scores"][0]["status"] == "created"
    again = score(run, as_of="2014-11-04T14:00:00Z", **change)
    assert service.post(BULK, [again]).json()["scores"][0]["status"] == "unchanged"


@pytest.mark.parametrize("attribution", [{"skipped": "no weather"}, {"n": 96, "observed_share": 0.5}])
def test_a_score_that_lacks_weather_is_followed_by_one_that_has_looked_at_what_came(
    service: APIClient, run: int, attribution: dict[str, Any]
) -> None:
    times = ("2014-11-02T14:00:00Z", "2014-11-03T14:00:00Z")
    service.post(BULK, [score(run, as_of=at, attribution=attribution) for at in times])
    assert ForecastScore.objects.count() == 2


def test_actuals_that_come_back_to_what_they_were_count_as_changed(service: APIClient, run: int) -> None:
    times = ("2014-11-02T14:00:00Z", "2014-11-03T14:00:00Z", "2014-11-04T14:00:00Z")
    hashes = ("ab" * 32, "cd" * 32, "ab" * 32)
    service.post(BULK, [score(run, as_of=at, actuals_sha256=sha) for at, sha in zip(times, hashes, strict=True)])
    assert ForecastScore.objects.count() == 3


def test_a_score_as_of_an_earlier_time_is_compared_with_what_was_known_before_it_only(
    service: APIClient, run: int
) -> None:
    service.post(BULK, [score(run, as_of="2014-11-05T14:00:00Z")])
    (recorded,) = service.post(BULK, [score(run, n=10)]).json()["scores"]
    assert recorded["status"] == "created"


def test_the_newest_score_of_each_run_as_of_a_time_and_whether_it_is_complete(service: APIClient, run: int) -> None:
    late = {"as_of": "2014-11-03T14:00:00Z", "actuals_sha256": "cd" * 32}
    service.post(BULK, [score(run, n=50), score(run, **late)])

    def counts(**query: Any) -> list[int]:
        return [kept["n"] for kept in service.get(SCORES, query).json()["results"]]

    assert counts() == [96, 50]
    assert counts(newest="true") == [96]
    assert counts(newest="true", as_of="2014-11-03T00:00:00Z") == [50]
    assert counts(complete="true") == [96]
    assert counts(complete="false") == [50]
    assert counts(newest="true", complete="false") == [], "its newest is complete"
    assert counts(rung="champion") == []
    assert counts(rung="seasonal_naive", issued_from="2014-11-01T13:00:00Z", newest="true") == [96]
    assert counts(issued_to="2014-11-01T13:00:00Z") == []


def test_undefined_figures_are_null(service: APIClient, run: int) -> None:
    figures = ("mae", "rmse", "mape", "pinball", "coverage_80", "bias")
    service.post(BULK, [score(run, n=0, **dict.fromkeys(figures))])
    (kept,) = service.get(SCORES).json()["results"]
    assert [kept[name] for name in figures] == [None] * 6


def test_scores_narrow_by_series_and_run(
    service: APIClient,
    run: int,
    make_series: Callable[..., Series],
    forecast: Callable[..., pa.Table],
    publish: Callable[..., Any],
) -> None:
    make_series("tasmania")
    (other,) = publish(forecast(slug="tasmania", issued=ISSUED + timedelta(days=1)))
    service.post(BULK, [score(run), score(other["id"])])

    def runs(**query: Any) -> list[int]:
        return [kept["forecast_run"] for kept in service.get(SCORES, query).json()["results"]]

    assert sorted(runs()) == sorted([run, other["id"]])
    assert runs(series="tasmania") == [other["id"]]
    assert runs(forecast_run=run) == [run]
    assert runs(series="atlantis") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"forecast_run": 999_999}, "forecast_run"),
        ({"forecast_run": 2**63}, "forecast_run"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": None}, "as_of"),
        ({"n": -1}, "n"),
        ({"n": 2**31}, "n"),
        ({"mae": "bad"}, "mae"),
        ({"mae": "Infinity"}, "mae"),
        ({"mae": "nan"}, "mae"),
        ({"baseline": [1]}, "baseline"),
        ({"baseline": {"mae": "x" * 2001}}, "baseline"),
        ({"baseline": {"mae": {"deep": 1}}}, "baseline"),
        ({"baseline": {"mae": "much"}}, "baseline"),
        ({"baseline": {"mae": 1e300}}, "baseline"),
        ({"external": {"mae": "much"}}, "external"),
        ({"external": {"n": -1}}, "external"),
        ({"external": {"series": 7}}, "external"),
        ({"stability": {"against_run": "x"}}, "stability"),
        ({"attribution": {"model_mae": "x"}}, "attribution"),
        ({"skill": 1.1}, "skill"),
        ({"coverage_80": 80}, "coverage_80"),
        ({"peak_mae": -1}, "peak_mae"),
        ({"expected": -1}, "expected"),
        ({"actuals_sha256": "short"}, "actuals_sha256"),
        ({"by_day": "none"}, "by_day"),
        ({"airflow": {"dag_id": "score_forecasts"}}, "airflow.run_id"),
    ],
)
def test_one_bad_score_keeps_all_of_the_body_out_and_is_named_with_its_row(
    service: APIClient, run: int, problem: Problem, change: dict[str, Any], field: str
) -> None:
    (error,) = problem(service.post(BULK, [score(run), score(run, **change)]), 400)["errors"]
    assert error["row"] == 1
    assert error["field"].startswith(field)
    assert not ForecastScore.objects.exists()


@pytest.mark.parametrize("body", [{}, "x", None])
def test_a_body_that_is_no_list_is_a_400(service: APIClient, problem: Problem, body: object) -> None:
    problem(service.post(BULK, body, format="json"), 400)


def test_an_empty_list_is_no_trouble(service: APIClient) -> None:
    assert service.post(BULK, []).json() == {"scores": []}


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"date": None, "n": 48},
        {"date": "yesterday"},
        {"date": "9999-12-31"},
        {"date": 20141102},
        {"date": "2014-11-02", "n": "48"},
        {"date": "2014-11-02", "n": 4.5},
        {"date": "2014-11-02", "n": -48},
        {"date": "2014-11-02", "n": True},
        {"date": "2014-11-02", "external_n": 2**31},
        {"date": "2014-11-02", "mae": "x"},
        {"date": "2014-11-02", "mae": 10**30},
        {"date": "2014-11-02", "peak_error": [1]},
        {"date": "2014-11-02", "naive_mae": True},
    ],
)
def test_a_day_of_what_is_no_figure_is_a_400(
    service: APIClient, run: int, problem: Problem, row: dict[str, Any]
) -> None:
    (error,) = problem(service.post(BULK, [score(run, by_day=[row])], format="json"), 400)["errors"]
    assert error["field"].startswith("by_day")


@pytest.mark.parametrize("change", [{"lead_time_from": None}, {"lead_time_to": "6"}, {"mae": "x"}, {"n": -1}])
def test_a_block_of_lead_time_of_what_is_no_figure_is_a_400(
    service: APIClient, run: int, problem: Problem, change: dict[str, Any]
) -> None:
    block = {"lead_time_from": 0, "lead_time_to": 6, "n": 12, "mae": 80.0, **change}
    (error,) = problem(service.post(BULK, [score(run, by_lead_time=[block])], format="json"), 400)["errors"]
    assert error["field"].startswith("by_lead_time")


def test_a_nul_in_the_baseline_is_a_400(service: APIClient, run: int, problem: Problem) -> None:
    problem(service.post(BULK, [score(run, baseline={"note": "\0"})]), 400)
