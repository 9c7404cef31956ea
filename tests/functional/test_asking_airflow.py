"""After an approval the portal has Airflow publish by itself: each run once, whatever is down meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from portal.core.outbox import LONGEST_RETRY
from portal.pipeline.airflow import outbox, send
from portal.pipeline.models import DagRunRequest
from portal.pipeline.operations import request_dag_run
from stack.portal_client import PortalClient
from tests.functional.main_job import Report
from tests.functional.town import REPLAY

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]
NOTHING_NEW = {"sources": ["town-archive"], "as_of": "2001-01-01T00:00:00Z"}


def test_the_approval_was_followed_by_a_forecast_of_the_new_champion(
    stack: Report, operator: PortalClient, airflow_api: httpx.Client
) -> None:
    (request,) = operator.results("dag-run-requests/", series="town")
    assert (request["dag_id"], request["delivery"]) == ("publish_forecasts", "sent")
    # An archive that is replayed: from when the last of its data became known.
    assert request["conf"] == {"series": ["town"], "as_of": REPLAY.trained_as_of.isoformat()}
    assert request["requested_by"] == "approver"

    run = airflow_api.get(f"/api/v2/dags/publish_forecasts/dagRuns/{request['run_id']}").json()
    assert (run["state"], run["triggering_user_name"], run["conf"]) == ("success", "airflow", request["conf"])
    assert f"{stack.portal_url}/admin/pipeline/dagrunrequest/{request['id']}/change/" in run["note"]
    assert request["airflow_url"] == f"{stack.airflow_url}/dags/publish_forecasts/runs/{request['run_id']}"

    issued = f"{REPLAY.trained_as_of:%Y-%m-%dT%H:%M:%SZ}"
    (published,) = [run for run in operator.results("forecast-runs/", series="town") if run["issue_time"] == issued]
    champion = operator.get("series/town/")["champion"]
    assert (published["rung"], published["model"]["id"]) == ("champion", champion["id"])


@pytest.fixture
def ask(stack: Report, settings: Settings, transactional_db: None) -> Callable[..., DagRunRequest]:
    """Asks the stack's Airflow from the portal of the tests, with the password of the stack's."""
    settings.AIRFLOW_API_URL = stack.airflow_url
    settings.AIRFLOW_API_PASSWORD = stack.credentials["airflow_api_password"]

    def request(key: str, dag_id: str = "ingest_demand", conf: dict[str, Any] = NOTHING_NEW) -> DagRunRequest:
        at = timezone.now()
        return request_dag_run(dag_id, key=key, conf=conf, reason="A test", series=None, by=None, at=at)

    return request


def _started(airflow_api: httpx.Client, request: DagRunRequest) -> list[dict[str, Any]]:
    found = airflow_api.get(f"/api/v2/dags/{request.dag_id}/dagRuns", params={"limit": 100}).json()["dag_runs"]
    return [run for run in found if run["dag_run_id"] == request.run_id]


def test_what_was_asked_while_airflow_was_down_is_run_once_when_it_is_up(
    ask: Callable[..., DagRunRequest],
    airflow_api: httpx.Client,
    settings: Settings,
) -> None:
    up, settings.AIRFLOW_API_URL = settings.AIRFLOW_API_URL, "http://127.0.0.1:1"
    request = ask("while-down")
    assert outbox.sweep(clock=timezone.now) == 1
    request.refresh_from_db()
    assert "does not answer" in request.last_error
    assert _started(airflow_api, request) == []

    settings.AIRFLOW_API_URL = up
    later = timezone.now() + timedelta(minutes=1)
    for _ in range(2):
        outbox.sweep(clock=lambda: later)
    request.refresh_from_db()
    assert (request.delivery, request.attempts) == ("sent", 2)
    (run,) = _started(airflow_api, request)
    assert run["conf"] == NOTHING_NEW


def test_workers_that_ask_for_the_same_run_at_the_same_moment_start_one(
    ask: Callable[..., DagRunRequest], airflow_api: httpx.Client
) -> None:
    request = ask("twice")

    def work(_: int) -> dict[str, str]:
        try:
            return send(request)  # as when the first outlives its lease
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [{"remark": ""}] * 3
    assert len(_started(airflow_api, request)) == 1


@pytest.mark.parametrize(
    ("dag_id", "conf", "said"),
    [
        ("train_models_of_tomorrow", {}, "with 404"),
        ("ingest_demand", {"sources": "town-archive"}, "with 400"),
        ("ingest_demand", {"as_of": "yesterday"}, "with 400"),
    ],
)
def test_what_airflow_refuses_is_kept_with_its_words(
    ask: Callable[..., DagRunRequest], dag_id: str, conf: dict[str, Any], said: str
) -> None:
    request = ask("refused", dag_id, conf)
    asked_at = timezone.now()
    outbox.sweep(clock=lambda: asked_at)
    request.refresh_from_db()
    assert request.sent_at is None
    assert said in request.last_error
    assert request.next_attempt_at == asked_at + LONGEST_RETRY


def test_a_run_of_a_paused_dag_is_taken_and_said_to_be_queued(
    ask: Callable[..., DagRunRequest], airflow_api: httpx.Client
) -> None:
    dag = "/api/v2/dags/ingest_demand"
    airflow_api.patch(dag, json={"is_paused": True}).raise_for_status()
    try:
        request = ask("paused")
        outbox.sweep(clock=timezone.now)
    finally:
        airflow_api.patch(dag, json={"is_paused": False}).raise_for_status()
    request.refresh_from_db()
    assert request.delivery == "sent"
    assert "queued until somebody unpauses the DAG" in request.remark
