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
        "mae": 120.5,
        "rmse": 150.25,
        "mape": 2.5,
        "pinball": 40.0,
        "coverage_80": 0.81,
        "bias": -12.0,
        "baseline": {"n": 96, "mae": 300.0, "mape": None},
        "by_lead_time": [{"lead_time_from": 0, "lead_time_to": 6, "mae": 80.0}],
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


def test_a_score_of_the_same_run_and_time_is_brought_up_to_date(service: APIClient, run: int) -> None:
    service.post(BULK, [score(run)])
    again = score(run, mae=100.0, mape=None)
    assert service.post(BULK, [again]).json()["scores"][0]["status"] == "updated"
    kept = ForecastScore.objects.get()
    assert (kept.mae, kept.mape, kept.rmse) == (100.0, None, 150.25)


def test_a_run_is_scored_again_as_of_another_time(service: APIClient, run: int) -> None:
    service.post(BULK, [score(run), score(run, as_of="2014-11-03T14:00:00Z", n=144)])
    assert [kept["n"] for kept in service.get(SCORES).json()["results"]] == [144, 96], "newest first"


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
    ],
)
def test_one_bad_score_keeps_all_of_the_body_out_and_is_named_with_its_row(
    service: APIClient, run: int, problem: Problem, change: dict[str, Any], field: str
) -> None:
    (error,) = problem(service.post(BULK, [score(run), score(run, **change)]), 400)["errors"]
    assert (error["row"], error["field"]) == (1, field)
    assert not ForecastScore.objects.exists()


@pytest.mark.parametrize("body", [{}, "x", None])
def test_a_body_that_is_no_list_is_a_400(service: APIClient, problem: Problem, body: object) -> None:
    problem(service.post(BULK, body, format="json"), 400)


def test_an_empty_list_is_no_trouble(service: APIClient) -> None:
    assert service.post(BULK, []).json() == {"scores": []}


def test_a_nul_in_the_baseline_is_a_400(service: APIClient, run: int, problem: Problem) -> None:
    problem(service.post(BULK, [score(run, baseline={"note": "\0"})]), 400)
