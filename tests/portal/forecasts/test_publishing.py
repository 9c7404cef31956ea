"""``POST forecasts/bulk/``: runs get into the ledger whole, once, or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.forecasts.models import ForecastRun, ForecastValue
from portal.registry.models import ModelVersion
from portal.series.models import Series

BULK = "/api/v1/forecasts/bulk/"
ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP = timedelta(minutes=30)
Forecast = Callable[..., pa.Table]
Publish = Callable[..., list[dict[str, Any]]]
Problem = Callable[..., dict[str, Any]]
Send = Callable[..., Response]


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_run_of_the_champion_is_published_with_its_facts(
    champion: ModelVersion, forecast: Forecast, publish: Publish, service: APIClient, kind: str
) -> None:
    (run,) = publish(forecast(model=champion), kind)
    assert {**run, "id": 0} == {
        "id": 0,
        "series": "victoria",
        "issue_time": "2014-11-01T13:00:00Z",
        "status": "created",
        "deadline": None,
        "minutes_before": None,
    }
    kept = service.get(f"/api/v1/forecast-runs/{run['id']}/").json()
    assert kept.pop("published_at").endswith("Z")
    assert kept == {
        "id": run["id"],
        "series": "victoria",
        "issue_time": "2014-11-01T13:00:00Z",
        "model": {"id": champion.pk, "version": 1, "kind": "arima"},
        "data_cutoff": "2014-11-01T13:00:00Z",
        "rung": "champion",
        "reason": "",
        "publisher": "pipeline",
        "airflow": {},
        "adjusts": None,
        "adjusted_by": None,
        "adjustment": {},
        "quantiles": [0.1, 0.5, 0.9],
        "valid_from": "2014-11-01T13:00:00Z",
        "valid_until": "2014-11-01T14:30:00Z",
        "value_count": 9,
    }


def test_a_fallback_without_a_model_is_published_with_its_reason(
    series: Series, forecast: Forecast, publish: Publish
) -> None:
    publish(forecast(rung="seasonal_naive", reason="no champion"))
    run = ForecastRun.objects.get()
    assert (run.model, run.rung, run.reason) == (None, "seasonal_naive", "no champion")


def test_the_order_of_the_rows_does_not_matter(series: Series, forecast: Forecast, publish: Publish) -> None:
    table = forecast()
    publish(table)
    shuffled = table.take(pa.array([8, 0, 4, 2, 6, 1, 3, 7, 5]))
    assert [run["status"] for run in publish(shuffled)] == ["unchanged"]


def test_the_same_run_again_is_unchanged(champion: ModelVersion, forecast: Forecast, publish: Publish) -> None:
    (first,) = publish(forecast(model=champion))
    (again,) = publish(forecast(model=champion))
    assert (first["status"], again["status"], again["id"]) == ("created", "unchanged", first["id"])
    assert ForecastValue.objects.count() == 9


def test_a_body_is_published_in_as_many_queries_however_many_runs_it_holds(
    series: Series, forecast: Forecast, publish: Publish, django_assert_max_num_queries: Any
) -> None:
    def runs(first: int, count: int) -> pa.Table:
        return pa.concat_tables(forecast(issued=ISSUED + n * STEP) for n in range(first, first + count))

    publish(runs(0, 1))
    for body, created in ((runs(1, 1), 1), (runs(0, 40), 38), (runs(0, 40), 0)):
        with django_assert_max_num_queries(20):
            answered = publish(body)
        assert [run["status"] for run in answered].count("created") == created


def test_runs_of_one_issue_time_are_told_apart_by_model_and_cut_off(
    champion: ModelVersion, forecast: Forecast, publish: Publish
) -> None:
    earlier = {"cutoff": ISSUED - STEP}
    bodies = [forecast(model=champion), forecast(model=champion, **earlier), forecast(), forecast(**earlier)]
    known = [run["id"] for run in publish(pa.concat_tables(bodies[::2]))]
    answered = publish(pa.concat_tables(bodies))
    assert sorted(run["id"] for run in answered if run["status"] == "unchanged") == sorted(known)
    assert len({run["id"] for run in answered}) == 4


def test_the_same_values_for_another_reason_are_unchanged_and_the_first_reason_stays(
    series: Series, forecast: Forecast, publish: Publish
) -> None:
    (first,) = publish(forecast(reason="check run 17 failed"))
    (again,) = publish(forecast(reason="check run 18 failed"))
    assert (again["status"], again["id"]) == ("unchanged", first["id"])
    assert ForecastRun.objects.get().reason == "check run 17 failed"


def test_an_old_day_published_again_after_an_approval_is_unchanged_and_keeps_its_rung(
    champion: ModelVersion, forecast: Forecast, publish: Publish
) -> None:
    (first,) = publish(forecast(model=champion))
    (again,) = publish(forecast(model=champion, rung="previous_champion", reason="champion: trained later"))
    assert (again["status"], again["id"]) == ("unchanged", first["id"])
    assert ForecastRun.objects.get().rung == "champion"


@pytest.mark.parametrize(
    "change",
    [
        {"values": (4000.0, 4100.0, 4200.1)},
        {"values": (4000.0, 4100.0)},
        {"start": ISSUED + STEP},
    ],
)
def test_another_content_for_the_same_facts_is_a_409(
    series: Series,
    forecast: Forecast,
    publish: Publish,
    service: APIClient,
    send: Send,
    problem: Problem,
    change: dict[str, Any],
) -> None:
    (first,) = publish(forecast())
    (error,) = problem(send(service, BULK, forecast(**change)), 409)["errors"]
    assert (error["rule"], error["value"]) == ("published_differently", first["id"])
    assert ForecastRun.objects.count() == 1
    assert ForecastValue.objects.count() == 9


def test_a_conflict_keeps_the_other_runs_of_the_body_out(
    series: Series, forecast: Forecast, publish: Publish, service: APIClient, send: Send, problem: Problem
) -> None:
    publish(forecast())
    table = pa.concat_tables([forecast(issued=ISSUED + STEP), forecast(values=(1000.0,))])
    problem(send(service, BULK, table), 409)
    assert ForecastRun.objects.count() == 1


@pytest.mark.parametrize(
    "another", [{"issued": ISSUED + STEP}, {"cutoff": ISSUED - STEP}, {"slug": "tasmania"}], ids=str
)
def test_other_facts_are_another_run(
    series: Series,
    make_series: Callable[..., Series],
    forecast: Forecast,
    publish: Publish,
    another: dict[str, Any],
) -> None:
    make_series("tasmania")
    runs = publish(pa.concat_tables([forecast(), forecast(**another)]))
    assert [run["status"] for run in runs] == ["created", "created"]
    assert len({run["id"] for run in runs}) == 2


def test_several_runs_go_in_one_body_and_each_is_answered(
    champion: ModelVersion, make_series: Callable[..., Series], forecast: Forecast, publish: Publish
) -> None:
    make_series("tasmania", resolution=timedelta(hours=1))
    table = pa.concat_tables(
        [forecast(slug="tasmania", step=timedelta(hours=1)), forecast(model=champion), forecast(reason="in doubt")]
    )
    publish(forecast(model=champion))
    answers = [(run["series"], run["status"]) for run in publish(table)]
    assert sorted(answers) == [("tasmania", "created"), ("victoria", "created"), ("victoria", "unchanged")]


def _replace(table: pa.Table, row: int, **values: Any) -> pa.Table:
    """The table with some values of one row replaced."""
    for name, value in values.items():
        column = table.column(name).to_pylist()
        column[row] = value
        table = table.set_column(table.column_names.index(name), name, pa.array(column, table.schema.field(name).type))
    return table


@pytest.mark.parametrize(
    ("values", "field", "rule"),
    [
        ({"value": math.nan}, "value", "not_finite"),
        ({"value": None}, "value", "not_finite"),
        ({"value": math.inf}, "value", "not_finite"),
        ({"value": 3000.0}, "value", "crossing"),
        ({"quantile": 0.0}, "quantile", "quantile"),
        ({"quantile": 1.0}, "quantile", "quantile"),
        ({"quantile": None}, "quantile", "quantile"),
        ({"series": "atlantis"}, "series", "unknown_series"),
        ({"series": None}, "series", "unknown_series"),
        ({"rung": "guess"}, "rung", "unknown_rung"),
        ({"rung": "earlier_run"}, "rung", "not_constant"),
        ({"reason": "another"}, "reason", "not_constant"),
        ({"reason": "x" * 2001}, "reason", "reason"),
        ({"reason": "nul\0"}, "reason", "reason"),
        ({"model_id": 12345}, "model_id", "unknown_model"),
        ({"model_id": -1}, "model_id", "unknown_model"),
        ({"valid_time": None}, "valid_time", "missing"),
        ({"issue_time": None}, "issue_time", "missing"),
        ({"data_cutoff": datetime(1800, 1, 1, tzinfo=UTC)}, "data_cutoff", "out_of_range"),
    ],
)
def test_one_bad_row_keeps_the_whole_body_out_and_is_named(
    series: Series,
    forecast: Forecast,
    service: APIClient,
    send: Send,
    problem: Problem,
    values: dict[str, Any],
    field: str,
    rule: str,
) -> None:
    table = pa.concat_tables([_replace(forecast(), 4, **values), forecast(issued=ISSUED + STEP)])
    errors = problem(send(service, BULK, table), 400)["errors"]
    assert {"row": 4, "field": field, "rule": rule}.items() <= errors[0].items()
    assert not ForecastRun.objects.exists()
    assert not ForecastValue.objects.exists()


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (lambda forecast: forecast().slice(0, 8), "uneven"),
        (lambda forecast: _replace(forecast(), 4, quantile=0.6), "uneven"),
        (lambda forecast: forecast().take(pa.array([0, 2, 3, 5, 6, 8])), "no_median"),
        (lambda forecast: pa.concat_tables([forecast(), forecast().slice(0, 1)]), "repeated"),
        (lambda forecast: forecast().take(pa.array([0, 1, 2, 6, 7, 8])), "gap"),
        (lambda forecast: forecast(start=ISSUED + timedelta(minutes=7)), "off_grid"),
        (lambda forecast: forecast(start=ISSUED - STEP), "past"),
        (lambda forecast: forecast(cutoff=ISSUED + STEP), "future"),
        (lambda forecast: forecast(reason=""), "missing"),
        (lambda forecast: forecast(rung="champion", reason=""), "missing"),
        (lambda forecast: forecast(rung="previous_champion"), "missing"),
    ],
)
def test_a_run_that_is_not_whole_and_sound_is_refused(
    series: Series,
    forecast: Forecast,
    service: APIClient,
    send: Send,
    problem: Problem,
    table: Callable[[Forecast], pa.Table],
    rule: str,
) -> None:
    errors = problem(send(service, BULK, table(forecast)), 400)["errors"]
    assert rule in {error["rule"] for error in errors}
    assert not ForecastRun.objects.exists()


def test_equal_quantiles_do_not_cross(series: Series, forecast: Forecast, publish: Publish) -> None:
    publish(forecast(value=pa.array([4000.0] * 9)))


def test_a_model_that_was_never_approved_does_not_publish(
    series: Series,
    register: Callable[..., ModelVersion],
    forecast: Forecast,
    service: APIClient,
    send: Send,
    problem: Problem,
) -> None:
    candidate = register(series)
    for rung in ("champion", "previous_champion", "earlier_run", "seasonal_naive"):
        table = forecast(model=candidate, rung=rung, reason="" if rung == "champion" else "the champion failed")
        errors = problem(send(service, BULK, table), 400)["errors"]
        assert {error["rule"] for error in errors} == {"not_approved"}


def test_a_model_of_another_series_does_not_publish(
    champion: ModelVersion,
    make_series: Callable[..., Series],
    forecast: Forecast,
    service: APIClient,
    send: Send,
    problem: Problem,
) -> None:
    make_series("tasmania")
    errors = problem(send(service, BULK, forecast(slug="tasmania", model=champion)), 400)["errors"]
    assert {error["rule"] for error in errors} == {"foreign_model"}


def test_a_retired_champion_publishes_as_the_previous_one(
    champion: ModelVersion,
    series: Series,
    register: Callable[..., ModelVersion],
    approve: Callable[[ModelVersion], ModelVersion],
    forecast: Forecast,
    publish: Publish,
) -> None:
    approve(register(series, "key-2"))
    champion.refresh_from_db()
    assert champion.status == "retired"
    publish(forecast(model=champion, rung="previous_champion", reason="the champion failed"))
    assert ForecastRun.objects.get().rung == "previous_champion"


@pytest.mark.parametrize("name", ["series", "model_id", "reason", "value"])
def test_a_missing_column_is_a_400_that_names_it(
    series: Series, forecast: Forecast, service: APIClient, send: Send, problem: Problem, name: str
) -> None:
    (error,) = problem(send(service, BULK, forecast().drop_columns(name)), 400)["errors"]
    assert (error["field"], error["rule"]) == (name, "missing_column")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("model_id", pa.string()), ("model_id", pa.float64()), ("value", pa.string()), ("issue_time", pa.timestamp("us"))],
)
def test_a_column_of_another_type_is_a_400_that_names_it(
    series: Series, forecast: Forecast, service: APIClient, send: Send, problem: Problem, name: str, kind: pa.DataType
) -> None:
    (error,) = problem(send(service, BULK, forecast(**{name: pa.nulls(9, kind)})), 400)["errors"]
    assert (error["field"], error["rule"]) == (name, "naive" if name == "issue_time" else "type")


def test_an_empty_table_and_an_empty_body_are_a_400(
    series: Series, forecast: Forecast, service: APIClient, send: Send, problem: Problem
) -> None:
    problem(send(service, BULK, forecast(values=())), 400)
    problem(service.generic("POST", BULK, b"", content_type="application/vnd.apache.parquet"), 400)


def test_a_body_of_a_thousand_errors_lists_no_more(
    series: Series, forecast: Forecast, service: APIClient, send: Send, problem: Problem
) -> None:
    document = problem(send(service, BULK, forecast(values=[math.nan] * 500)), 400)
    assert len(document["errors"]) == 1000
    assert "1000 of 1500" in document["detail"]


def test_the_same_run_from_eight_writers_is_published_once(
    http_of: Callable[[User], httpx.Client],
    make_user: Callable[..., User],
    make_series: Callable[..., Series],
    forecast: Forecast,
    encode: Callable[..., tuple[bytes, str]],
) -> None:
    make_series("victoria")
    http, barrier = http_of(make_user("service")), Barrier(8)
    body, content_type = encode(forecast(values=[4000.0 + number for number in range(96)]))

    def post(_: int) -> httpx.Response:
        barrier.wait()
        return http.post(BULK, content=body, headers={"Content-Type": content_type})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8, [answer.text for answer in answers]
    runs = [answer.json()["runs"][0] for answer in answers]
    assert sorted(run["status"] for run in runs) == ["created"] + ["unchanged"] * 7
    assert len({run["id"] for run in runs}) == 1
    assert ForecastValue.objects.count() == 288
