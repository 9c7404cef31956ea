"""Deadlines over the API and in the admin, and the Airflow run that goes with a publication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.forecasts.dashboard import card_of
from portal.forecasts.deadlines.operations import guard_deadlines
from portal.forecasts.models import DeadlineRecord, ForecastRun, PublicationDeadline
from portal.forecasts.operations import publish_forecasts
from portal.series.models import Series
from portal.series.queries import series_with_details
from tests.portal.forecasts.deadlines.conftest import DAY, DEADLINE, GUARD, MINUTE

DEADLINES, BULK = "/api/v1/publication-deadlines/", "/api/v1/forecasts/bulk/"


@pytest.fixture
def api(operator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(operator)


def test_a_deadline_is_set_changed_and_removed_and_its_history_says_by_whom(api: APIClient, series: Series) -> None:
    answer = api.post(DEADLINES, {"series": "victoria", "gate_closure": "12:00", "guard_before": "PT45M"})
    assert answer.status_code == 201, answer.content
    facts = answer.json()
    assert facts == {
        "id": facts["id"],
        "series": "victoria",
        "gate_closure": "12:00:00",
        "days_ahead": 1,
        "publish_before": "PT2H",
        "guard_before": "PT45M",
        "enabled": True,
    }
    page = f"{DEADLINES}{facts['id']}/"
    assert api.patch(page, {"days_ahead": 2}).json() == {**facts, "days_ahead": 2}
    assert api.get("/api/v1/series/victoria/").json()["next_deadline"].keys() == {"delivery_day", "deadline"}
    assert api.delete(page).status_code == 204
    assert api.get("/api/v1/series/victoria/").json()["next_deadline"] is None
    history = PublicationDeadline.history.order_by("history_date", "history_id")
    assert [(each.history_type, each.history_user.username) for each in history] == [
        (kind, "olga") for kind in ("+", "~", "-")
    ]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"series": "warmth"}, "series"),
        ({"days_ahead": 8}, "days_ahead"),
        ({"guard_before": "PT13H"}, ""),
        ({"guard_before": "PT0M"}, ""),
        ({"gate_closure": "25:00"}, "gate_closure"),
        ({"gate": "12:00"}, "gate"),
    ],
)
def test_what_is_no_deadline_is_refused_by_name(
    api: APIClient,
    series: Series,
    make_series: Callable[..., Series],
    problem: Callable[..., dict[str, Any]],
    facts: dict[str, Any],
    field: str,
) -> None:
    make_series("warmth", quantity="temperature", unit="°C")
    answer = problem(api.post(DEADLINES, {"series": "victoria", "gate_closure": "12:00", **facts}), 400)
    assert field in str(answer["errors"])
    assert not PublicationDeadline.objects.exists()


def test_records_are_listed_and_narrowed(api: APIClient, deadline: PublicationDeadline) -> None:
    guard_deadlines(at=DEADLINE)
    (record,) = api.get("/api/v1/deadline-records/", {"outcome": "missed", "day_from": "2014-11-04"}).json()["results"]
    assert (record["series"], record["delivery_day"], record["run"]) == ("victoria", "2014-11-04", None)
    assert api.get("/api/v1/deadline-records/", {"day_to": "2014-11-04"}).json()["count"] == 0


def test_an_operator_sees_deadlines_and_what_became_of_them(
    operator: User, deadline: PublicationDeadline, history: Callable[..., None]
) -> None:
    history()
    guard_deadlines(at=GUARD)
    browser = Client()
    browser.force_login(operator)
    record = DeadlineRecord.objects.get()
    for page, words in (
        (reverse("admin:forecasts_publicationdeadline_changelist"), "Australia/Melbourne"),
        (reverse("admin:forecasts_publicationdeadline_change", args=(deadline.pk,)), "Next deadline"),
        (reverse("admin:forecasts_publicationdeadline_add"), "Gate closure"),
        (reverse("admin:forecasts_deadlinerecord_changelist"), "guarded"),
        (reverse("admin:forecasts_deadlinerecord_change", args=(record.pk,)), f"run {record.run_id}"),
        (reverse("admin:index"), "not published yet"),
    ):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert words in answer.content.decode(), page


@pytest.mark.parametrize("again", ["scheduled__1", "scheduled__2"])
def test_a_run_names_the_airflow_run_that_published_it_first(
    service: APIClient,
    operator: User,
    series: Series,
    forecast: Callable[..., pa.Table],
    send: Callable[..., Response],
    again: str,
) -> None:
    first = send(service, f"{BULK}?dag_id=publish_forecasts&run_id=scheduled__1", forecast())
    other = send(service, f"{BULK}?dag_id=publish_forecasts&run_id={again}", forecast())
    assert [answer.json()["runs"][0]["status"] for answer in (first, other)] == ["created", "unchanged"]
    run = ForecastRun.objects.get()
    assert run.airflow == {"dag_id": "publish_forecasts", "run_id": "scheduled__1"}
    browser = Client()
    browser.force_login(operator)
    found = browser.get(reverse("admin:forecasts_forecastrun_changelist"), {"q": "scheduled__1"}).content.decode()
    assert reverse("admin:forecasts_forecastrun_change", args=(run.pk,)) in found
    page = browser.get(reverse("admin:forecasts_forecastrun_change", args=(run.pk,))).content.decode()
    assert "/dags/publish_forecasts/runs/scheduled__1" in page


@pytest.mark.parametrize("query", ["dag_id=publish_forecasts", "run_id=1", "dag_id=&run_id="])
def test_half_a_name_of_an_airflow_run_is_refused(
    service: APIClient,
    series: Series,
    forecast: Callable[..., pa.Table],
    send: Callable[..., Response],
    problem: Callable[..., dict[str, Any]],
    query: str,
) -> None:
    problem(send(service, f"{BULK}?{query}", forecast()), 400)
    assert not ForecastRun.objects.exists()


def test_an_adjustment_is_not_published_by_a_program(
    service: APIClient,
    series: Series,
    forecast: Callable[..., pa.Table],
    send: Callable[..., Response],
    problem: Callable[..., dict[str, Any]],
) -> None:
    answer = problem(send(service, BULK, forecast(rung="override", reason="I know better")), 400)
    assert {error["rule"] for error in answer["errors"]} == {"unknown_rung"}
    own = forecast().append_column("adjusts", pa.array([1] * 9))
    assert problem(send(service, BULK, own), 400)["errors"][0]["rule"] == "unknown_column"


def test_a_publication_says_how_long_before_the_deadline_it_is(
    deadline: PublicationDeadline, service: APIClient, forecast: Callable[..., pa.Table], send: Callable[..., Response]
) -> None:
    (run,) = send(service, BULK, forecast(issued=GUARD)).json()["runs"]
    assert run["deadline"] == "2014-11-03T01:00:00Z"
    assert run["minutes_before"] < 0, "years late, by the clock of this machine"


def test_a_run_that_is_published_again_says_how_long_before_the_deadline_it_was_the_first_time(
    deadline: PublicationDeadline, make_user: Callable[..., User], forecast: Callable[..., pa.Table]
) -> None:
    table, by = forecast(issued=GUARD), make_user("service", "pipeline-2")
    (first,) = publish_forecasts(table, by=by, at=GUARD)
    (again,) = publish_forecasts(table, by=by, at=GUARD + 30000 * DAY)
    published_at = ForecastRun.objects.get().published_at
    assert (first.status, first.minutes_before) == ("created", 30)
    assert (again.status, again.minutes_before) == ("unchanged", (DEADLINE - published_at) // MINUTE)


def test_the_overview_says_that_a_fallback_is_out_for_the_next_deadline(
    deadline: PublicationDeadline, history: Callable[..., None]
) -> None:
    series = series_with_details().get()
    history()
    guard_deadlines(at=GUARD)
    card = card_of(series, at=GUARD)
    assert (card.delivered, card.stand_in) == (None, ForecastRun.objects.get(publisher="guard"))
    page = render_to_string("admin/index.html", {"gridcast_cards": [card]})
    assert "a fallback of the guard is out" in page
    assert "not published yet" not in page
    assert card_of(series, at=DEADLINE).stand_in is None, "that of the next day"
