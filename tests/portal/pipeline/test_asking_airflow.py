"""Airflow is asked until it has taken a run, and takes each once, whatever breaks between."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from django.db import connections
from pytest_django import Settings

from portal.core.outbox import LEASE, LONGEST_RETRY
from portal.pipeline import airflow as asking
from portal.pipeline.airflow import outbox
from portal.pipeline.models import DagRunRequest
from tests.portal.pipeline.conftest import AT

if TYPE_CHECKING:
    from tests.portal.pipeline.conftest import AirflowStandIn

MINUTE = timedelta(minutes=1)
Ask = Callable[..., DagRunRequest]


def at(when: datetime) -> Callable[[], datetime]:
    return lambda: when


def test_airflow_starts_the_run_with_its_params_and_a_way_back(ask: Ask, airflow: AirflowStandIn) -> None:
    request = ask()
    assert outbox.sweep(clock=at(AT)) == 1
    (run,) = airflow.started.values()
    assert (run["dag_id"], run["dag_run_id"]) == ("publish_forecasts", "portal__publish_forecasts__decision-7")
    assert run["conf"] == {"series": ["victoria"], "as_of": "2014-12-01T09:00:00+00:00"}
    assert run["logical_date"] is None
    page = f"https://portal.example.org/admin/pipeline/dagrunrequest/{request.pk}/change/"
    assert run["note"] == f"anna approved victoria v3\n\n[Asked for by the portal]({page})"
    request.refresh_from_db()
    assert (request.delivery, request.sent_at, request.attempts, request.remark) == ("sent", AT, 1, "")


def test_asking_again_with_the_same_key_is_the_first_request(ask: Ask, airflow: AirflowStandIn) -> None:
    first = ask()
    assert ask(reason="another") == first
    outbox.sweep(clock=at(AT))
    assert ask() == first
    assert outbox.sweep(clock=at(AT + MINUTE)) == 0
    assert airflow.tries == 1


def test_a_worker_killed_before_it_could_mark_the_request_leads_to_no_second_run(
    ask: Ask, airflow: AirflowStandIn
) -> None:
    request = ask()
    claimed = outbox.claim(at=AT)
    assert claimed is not None
    asking.send(claimed)

    assert outbox.sweep(clock=at(AT + MINUTE)) == 0, "the lease still holds"
    assert outbox.sweep(clock=at(AT + LEASE)) == 1
    assert (airflow.tries, len(airflow.started)) == (2, 1)
    request.refresh_from_db()
    assert (request.sent_at, request.last_error) == (AT + LEASE, "")


def test_while_airflow_is_down_the_request_waits_longer_and_longer_and_then_is_taken_once(
    ask: Ask, airflow: AirflowStandIn
) -> None:
    request = ask()
    ask("decision-8")
    airflow.stop()
    assert outbox.sweep(clock=at(AT)) == 1, "the second would not get through either"
    request.refresh_from_db()
    assert request.delivery == "failing"
    assert f"Airflow at {airflow.url} does not answer: ConnectError" in request.last_error
    assert request.next_attempt_at == AT + timedelta(seconds=30)
    outbox.sweep(clock=at(AT + MINUTE))
    airflow.start()
    assert outbox.sweep(clock=at(AT + 5 * MINUTE)) == 2
    assert sorted(airflow.started) == [f"portal__publish_forecasts__decision-{number}" for number in (7, 8)]
    assert airflow.tries == 2


@pytest.mark.parametrize("part", ["token", "publish_forecasts", "dagRuns"])
@pytest.mark.parametrize(("status", "goes_on"), [(500, True), (503, False), (302, True), (429, True)])
def test_an_airflow_that_is_unwell_is_asked_again(
    ask: Ask, airflow: AirflowStandIn, part: str, status: int, *, goes_on: bool
) -> None:
    request = ask()
    ask("decision-8")
    airflow.instead[part] = (status, "<html>no database</html>")
    assert outbox.sweep(clock=at(AT)) == (2 if goes_on else 1)
    request.refresh_from_db()
    said = "" if part == "token" else ": <html>no database</html>"
    assert request.last_error.endswith(f"with {status}{said}")
    assert request.next_attempt_at == AT + timedelta(seconds=30)
    airflow.instead.clear()
    outbox.sweep(clock=at(AT + MINUTE))
    request.refresh_from_db()
    assert (request.sent_at, request.last_error) == (AT + MINUTE, "")


@pytest.mark.parametrize("said", ["<html>Welcome</html>", "[]", "{}"])
def test_another_server_in_airflows_place_is_not_taken_for_it(ask: Ask, airflow: AirflowStandIn, said: str) -> None:
    request = ask()
    airflow.instead["dagRuns"] = (200, said)
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert request.sent_at is None
    assert "dagRuns with 200" in request.last_error


def test_an_airflow_that_does_not_answer_in_time_has_started_one_run_in_the_end(
    ask: Ask, airflow: AirflowStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask()
    monkeypatch.setattr(asking, "TIMEOUT", httpx.Timeout(0.5))
    airflow.released.clear()
    assert outbox.sweep(clock=at(AT)) == 1
    request.refresh_from_db()
    assert "ReadTimeout" in request.last_error
    airflow.released.set()
    outbox.sweep(clock=at(AT + MINUTE))
    request.refresh_from_db()
    assert (request.delivery, len(airflow.started), airflow.tries) == ("sent", 1, 2)


def test_a_wrong_password_is_said_in_the_words_of_the_settings(
    ask: Ask, airflow: AirflowStandIn, settings: Settings
) -> None:
    request = ask()
    settings.AIRFLOW_API_PASSWORD = "forgotten"
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert "does not let airflow in: are AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD" in request.last_error


def test_without_a_password_nothing_is_asked_and_the_setting_is_named(
    ask: Ask, airflow: AirflowStandIn, settings: Settings
) -> None:
    request = ask()
    settings.AIRFLOW_API_PASSWORD = ""
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert "AIRFLOW_API_PASSWORD is not set" in request.last_error


def test_the_password_is_not_kept_where_airflow_repeats_it(
    ask: Ask, airflow: AirflowStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    request = ask()
    sent = {"username": "airflow", "password": "known to both"}
    airflow.instead["token"] = (422, json.dumps({"detail": [{"loc": ["body"], "input": sent}]}))
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert request.last_error.endswith("/auth/token with 422")
    assert "known to both" not in caplog.text


def test_a_token_that_airflow_no_longer_takes_is_replaced_at_the_next_try(ask: Ask, airflow: AirflowStandIn) -> None:
    request = ask()
    airflow.instead["token"] = (201, '{"access_token": "of yesterday"}')
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert "with 401: Invalid JWT token" in request.last_error
    airflow.instead.clear()
    outbox.sweep(clock=at(AT + MINUTE))
    request.refresh_from_db()
    assert request.delivery == "sent"


def test_a_dag_that_is_deployed_later_is_asked_for_slowly_and_holds_up_no_other(
    ask: Ask, airflow: AirflowStandIn
) -> None:
    unknown = ask("drift-1", dag_id="train_models")
    ask()
    assert outbox.sweep(clock=at(AT)) == 2
    unknown.refresh_from_db()
    assert "with 404: The Dag with ID: `train_models` was not found" in unknown.last_error
    assert unknown.next_attempt_at == AT + LONGEST_RETRY
    assert list(airflow.started) == ["portal__publish_forecasts__decision-7"]
    airflow.paused["train_models"] = False
    outbox.sweep(clock=at(AT + LONGEST_RETRY))
    assert len(airflow.started) == 2


@pytest.mark.parametrize("status", [400, 403, 422])
def test_params_that_the_dags_form_refuses_are_kept_with_airflows_words(
    ask: Ask, airflow: AirflowStandIn, status: int
) -> None:
    request = ask()
    airflow.instead["dagRuns"] = (status, '{"detail": "Invalid input for param as_of"}')
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert f"with {status}: Invalid input for param as_of" in request.last_error
    assert request.next_attempt_at == AT + LONGEST_RETRY


def test_of_a_paused_dag_it_is_said_that_the_run_is_queued(ask: Ask, airflow: AirflowStandIn) -> None:
    request = ask()
    airflow.paused["publish_forecasts"] = True
    outbox.sweep(clock=at(AT))
    request.refresh_from_db()
    assert request.delivery == "sent"
    assert "was paused" in request.remark
    assert "queued until somebody unpauses the DAG" in request.remark


def test_a_long_reason_fits_into_airflows_note(ask: Ask, airflow: AirflowStandIn) -> None:
    ask(reason="because " * 500)
    outbox.sweep(clock=at(AT))
    (run,) = airflow.started.values()
    assert len(run["note"]) <= 1000
    assert run["note"].endswith(")")


@pytest.mark.django_db(transaction=True)
def test_workers_that_ask_at_once_ask_for_each_run_once(ask: Ask, airflow: AirflowStandIn) -> None:
    for number in range(12):
        ask(f"decision-{number}")

    def sweep(_: int) -> int:
        try:
            return outbox.sweep(clock=at(AT))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        tries = list(pool.map(sweep, range(4)))
    assert sum(tries) == airflow.tries == len(airflow.started) == 12
    assert not DagRunRequest.objects.filter(sent_at=None).exists()
