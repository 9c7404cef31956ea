"""What is asked of Airflow after a decision, and how operators see it through: operations, REST, admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from portal.config.celery import app as celery_app
from portal.core.permissions import NotPermitted
from portal.pipeline import operations
from portal.pipeline.airflow import outbox
from portal.pipeline.models import DagRunRequest
from portal.pipeline.tasks import sweep_dag_run_requests
from portal.series.models import Observation, Series
from tests.portal.pipeline.conftest import AT

if TYPE_CHECKING:
    from tests.portal.pipeline.conftest import AirflowStandIn

HALF_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)
REQUESTS = "/api/v1/dag-run-requests/"
Ask = Callable[..., DagRunRequest]


def observe(series: Series, valid_time: datetime, *, known_at: datetime | None = None, value: float | None = 5) -> None:
    known_at = known_at or valid_time + HALF_HOUR
    Observation.objects.create(series=series, valid_time=valid_time, known_at=known_at, value=value)


def publication(series: Series, *, at: datetime = AT) -> dict[str, Any] | None:
    request = operations.request_publication(series, key="decision-1", reason="approved", by=None, at=at)
    return None if request is None else request.conf


def test_a_live_series_is_forecast_from_the_decision_to_the_second(series: Series) -> None:
    observe(series, AT - timedelta(hours=47))
    at = AT + timedelta(microseconds=730_000)
    assert publication(series, at=at) == {"series": ["victoria"], "as_of": "2014-12-01T09:00:00+00:00"}


def test_a_replayed_archive_is_forecast_from_when_the_last_of_its_data_became_known(series: Series) -> None:
    end = AT - 3650 * DAY
    observe(series, end - DAY)
    observe(series, end, known_at=end + 3 * HALF_HOUR)
    observe(series, end, known_at=end + 30 * DAY, value=6)  # corrected since
    assert publication(series) == {"series": ["victoria"], "as_of": (end + 3 * HALF_HOUR).isoformat()}


def test_what_became_known_after_the_decision_or_is_missing_carries_no_forecast(series: Series) -> None:
    known = AT - 100 * DAY
    observe(series, known)
    observe(series, AT - HALF_HOUR, known_at=AT + HALF_HOUR)
    observe(series, AT - DAY, value=None)
    assert publication(series) == {"series": ["victoria"], "as_of": (known + HALF_HOUR).isoformat()}


def test_values_ahead_of_the_decision_do_not_put_it_off(series: Series) -> None:
    observe(series, AT + DAY, known_at=AT - DAY)
    assert publication(series) == {"series": ["victoria"], "as_of": AT.isoformat()}


def test_an_archive_that_was_delivered_years_late_is_not_asked_for(
    series: Series, caplog: pytest.LogCaptureFixture
) -> None:
    observe(series, AT - 3650 * DAY, known_at=AT - DAY)
    assert publication(series) is None
    assert "No forecast of victoria is asked for (approved)" in caplog.text


def test_of_a_series_without_data_nothing_is_asked(series: Series, caplog: pytest.LogCaptureFixture) -> None:
    assert publication(series) is None
    assert not DagRunRequest.objects.exists()
    assert "No forecast of victoria is asked for (approved)" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_request_of_a_transaction_that_is_rolled_back_is_never_sent(ask: Ask, airflow: AirflowStandIn) -> None:
    def decide_and_fail() -> None:
        with transaction.atomic():
            ask()
            raise ValueError("refused after all")

    with pytest.raises(ValueError, match="refused after all"):
        decide_and_fail()
    assert outbox.sweep(clock=lambda: AT) == 0
    assert airflow.started == {}


@pytest.mark.django_db(transaction=True)
def test_celery_asks_as_soon_as_the_decision_is_committed(
    ask: Ask, airflow: AirflowStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(celery_app.conf, "task_always_eager", True)
    with transaction.atomic():
        request = ask()
        assert airflow.started == {}
    assert list(airflow.started) == [request.run_id]


def test_a_request_that_celery_never_heard_of_is_swept(ask: Ask, airflow: AirflowStandIn) -> None:
    request = ask()
    swept = {entry["task"] for entry in celery_app.conf.beat_schedule.values() if entry["schedule"] == 60}
    assert sweep_dag_run_requests.name in swept
    assert sweep_dag_run_requests() == 1
    assert list(airflow.started) == [request.run_id]


def test_an_operator_has_a_waiting_request_tried_at_once(ask: Ask, airflow: AirflowStandIn, operator: User) -> None:
    request = ask()
    airflow.stop()
    outbox.sweep(clock=lambda: AT)
    airflow.start()
    soon = AT + timedelta(seconds=5)
    assert outbox.sweep(clock=lambda: soon) == 0
    operations.retry_request(request, by=operator, at=soon)
    assert outbox.sweep(clock=lambda: soon) == 1
    with pytest.raises(operations.AlreadySent, match="decision-7"):
        operations.retry_request(request, by=operator, at=soon)


def test_a_forecaster_cannot_have_it_tried_again(ask: Ask, make_user: Callable[..., User]) -> None:
    with pytest.raises(NotPermitted, match=r"pipeline\.change_dagrunrequest"):
        operations.retry_request(ask(), by=make_user("forecaster"), at=AT)


@pytest.fixture
def api(operator: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(operator)


def test_the_api_lists_what_was_asked_and_how_far_it_came(ask: Ask, airflow: AirflowStandIn, api: APIClient) -> None:
    ask()
    outbox.sweep(clock=lambda: AT)
    ask("decision-8", series=None)
    unsent, sent = api.get(REQUESTS).json()["results"]
    assert (unsent["delivery"], unsent["series"], unsent["airflow_url"]) == ("waiting", None, "")
    assert (sent["delivery"], sent["series"], sent["conf"]["series"]) == ("sent", "victoria", ["victoria"])
    run = "publish_forecasts/runs/portal__publish_forecasts__decision-7"
    assert sent["airflow_url"] == f"https://airflow.example.org/dags/{run}"
    for query, expected in (
        ("series=victoria", [sent]),
        ("sent=true", [sent]),
        ("sent=false", [unsent]),
        (f"run_id={unsent['run_id']}", [unsent]),
        ("dag_id=train_models", []),
    ):
        assert api.get(f"{REQUESTS}?{query}").json()["results"] == expected, query


def test_the_api_tries_again_until_it_is_sent(
    ask: Ask, airflow: AirflowStandIn, api: APIClient, problem: Callable[..., dict[str, Any]]
) -> None:
    request = ask()
    later = datetime(2100, 1, 1, tzinfo=UTC)
    DagRunRequest.objects.update(next_attempt_at=later, last_error="ConnectError", attempts=3)
    answer = api.post(f"{REQUESTS}{request.pk}/retry/")
    assert (answer.status_code, answer.json()["delivery"]) == (200, "failing")
    request.refresh_from_db()
    assert request.next_attempt_at < later
    outbox.sweep(clock=lambda: later)
    assert "already" in problem(api.post(f"{REQUESTS}{request.pk}/retry/"), 409)["detail"]


@pytest.fixture
def pages(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def test_the_page_says_why_airflow_did_not_take_it_and_tries_again(
    ask: Ask, airflow: AirflowStandIn, pages: Client
) -> None:
    request = ask(dag_id="no_such_dag")
    outbox.sweep(clock=lambda: AT)
    address = f"/admin/pipeline/dagrunrequest/{request.pk}/"
    page = pages.get(f"{address}change/").content.decode()
    assert "was not found" in page
    assert "failing" in page
    assert "Try again now" in page
    asked = pages.get(f"{address}retry/")
    assert b"Tried 1 time." in asked.content
    DagRunRequest.objects.update(next_attempt_at=datetime(2100, 1, 1, tzinfo=UTC))
    done = pages.post(f"{address}retry/", follow=True)
    assert "is being asked for portal__no_such_dag__decision-7 again" in done.content.decode()
    request.refresh_from_db()
    assert request.next_attempt_at < datetime(2100, 1, 1, tzinfo=UTC)


def test_the_page_of_a_request_that_was_taken_leads_to_the_run_and_offers_no_retry(
    ask: Ask, airflow: AirflowStandIn, pages: Client
) -> None:
    request = ask()
    outbox.sweep(clock=lambda: AT)
    page = pages.get(f"/admin/pipeline/dagrunrequest/{request.pk}/change/").content.decode()
    assert f'href="https://airflow.example.org/dags/publish_forecasts/runs/{request.run_id}"' in page
    assert "Try again now" not in page
    refused = pages.post(f"/admin/pipeline/dagrunrequest/{request.pk}/retry/", follow=True)
    assert "has taken the run" in refused.content.decode()


def test_several_requests_are_tried_again_from_the_list(ask: Ask, airflow: AirflowStandIn, pages: Client) -> None:
    chosen = [ask(f"decision-{number}").pk for number in range(3)]
    later = datetime(2100, 1, 1, tzinfo=UTC)
    DagRunRequest.objects.update(next_attempt_at=later)
    form = {"action": "retry_selected", "_selected_action": chosen[:2]}
    done = pages.post("/admin/pipeline/dagrunrequest/", form, follow=True)
    assert done.status_code == 200
    assert list(DagRunRequest.objects.filter(next_attempt_at=later).values_list("pk", flat=True)) == chosen[2:]


def test_a_forecaster_sees_the_page_but_no_button(
    ask: Ask, airflow: AirflowStandIn, make_user: Callable[..., User]
) -> None:
    request = ask()
    client = Client()
    client.force_login(make_user("forecaster"))
    page = client.get(f"/admin/pipeline/dagrunrequest/{request.pk}/change/")
    assert page.status_code == 200
    assert b"Try again now" not in page.content
    assert client.post(f"/admin/pipeline/dagrunrequest/{request.pk}/retry/").status_code == 403
    assert "Runs asked of Airflow" in client.get("/admin/").content.decode()
