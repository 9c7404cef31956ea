"""One series from its file to the REST answer, and to the mail of a failed check, through real Airflow task runs."""

from __future__ import annotations

import email
import email.policy
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from forecasting import load_model
from stack.airflow_client import FINISHED, AirflowClient, DagRun
from stack.home import CHECKOUT
from stack.lineage import descendants
from stack.mail_sink import kept_mails
from stack.portal_client import PortalClient
from tests.functional.main_job import COMMAND, Report
from tests.functional.town import EMPTY_SOURCE, FROZEN_AS_OF, FROZEN_SOURCE, REPLAY, readings
from tests.functional.waiting import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]


def _run(airflow: AirflowClient, dag_id: str, parameters: dict[str, Any]) -> DagRun:
    return _finished(airflow, airflow.trigger(dag_id, parameters))


def _finished(airflow: AirflowClient, run: DagRun) -> DagRun:
    return until(lambda: (seen := airflow.look(run)).state in FINISHED and seen)


def test_the_rest_answer_is_the_approved_models_forecast_from_what_the_file_said(
    stack: Report, operator: PortalClient
) -> None:
    issue_time = pd.Timestamp(REPLAY.issue_times[-1])
    token = {"Authorization": f"Token {stack.credentials['service_token']}"}
    url = f"{stack.portal_url}/api/v1/forecasts/latest/?series=town&as_of={issue_time:%Y-%m-%dT%H:%M:%SZ}"
    answer = httpx.get(url, headers=token).json()
    model = operator.get(f"models/{answer['model']['id']}/")
    assert (answer["rung"], model["status"]) == ("champion", "champion")

    # The same forecast, made by the library alone from the file and the stored artifact.
    file = readings().rename(columns={"load_mw": "load", "temperature_c": "temperature"}).tz_convert("UTC")
    known = file[
        (file.index + pd.Timedelta(hours=2) <= issue_time) & (file.index >= issue_time - pd.Timedelta(days=35))
    ]
    future = pd.DataFrame({"temperature": np.nan}, index=pd.date_range(issue_time, periods=48, freq="h"))
    artifact = stack.home.artifacts / "town" / model["training_key"]
    expected = load_model(artifact, expected_sha256=model["artifact_sha256"]).predict(known, future)
    assert [value["valid_time"] for value in answer["values"]] == [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in future.index]
    given = np.array([[value[name] for name in ("0.1", "0.5", "0.9")] for value in answer["values"]])
    np.testing.assert_allclose(given, expected.to_numpy(), rtol=1e-12)


def test_the_champion_was_approved_by_another_than_trained_it(operator: PortalClient) -> None:
    champion = operator.get(f"models/{operator.get('series/town/')['champion']['id']}/")
    assert (champion["trained_by"], champion["approved_by"]) == ("forecaster", "approver")
    assert champion["airflow"]["dag_id"] == "train_models"


def test_every_issued_forecast_is_scored_beside_the_naive(operator: PortalClient) -> None:
    issued = {f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in REPLAY.issue_times}
    scores = [score for score in operator.results("scores/", series="town") if score["issue_time"] in issued]
    assert {score["issue_time"] for score in scores} == issued
    assert all(score["n"] == 48 and score["baseline"]["n"] == 48 for score in scores)


def test_checks_of_all_three_engines_ran_and_left_their_reports(operator: PortalClient) -> None:
    run = operator.results("check-runs/", series="town")[0]
    results = operator.get(f"check-runs/{run['id']}/")["results"]
    assert {result["engine"] for result in results} == {"builtin", "deepchecks", "whylogs"}
    assert not [result for result in results if result["status"] == "error"]
    assert {Path(report["name"]).suffix for report in run["reports"]} == {".html", ".bin"}


def test_a_run_without_news_is_a_success_that_skips(airflow: AirflowClient) -> None:
    run = _run(airflow, "ingest_demand", {"sources": ["town-archive"], "as_of": "2001-01-01T00:00:00Z"})
    assert run.state == "success"
    assert airflow.task_states(run) == {"success": 2, "skipped": 1}


def test_a_frozen_meter_fails_its_checks_holds_training_and_mails_the_operator(
    stack: Report, operator: PortalClient, airflow: AirflowClient
) -> None:
    as_of = FROZEN_AS_OF.isoformat()
    ingested = _run(airflow, "ingest_demand", {"sources": [FROZEN_SOURCE], "as_of": as_of})
    assert ingested.state == "success"
    (check,) = until(lambda: airflow.triggered_by(ingested, dag_id="check_data_quality"))
    assert _finished(airflow, check).state == "failed"
    assert [task.task_id for task in airflow.failed_tasks(check)] == ["check"]

    run = operator.results("check-runs/", series="town", status="failed")[0]
    assert run["airflow"] == {"dag_id": "check_data_quality", "run_id": check.run_id}
    mail = until(lambda: [mail for mail in kept_mails(stack.home.mail) if "Fatal: town," in mail.subject])[0]
    assert "operator" in mail.recipients
    message = email.message_from_bytes(mail.path.read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    failed = [r["name"] for r in run["results"] if r["status"] == "failed" and r["severity"] == "fatal"]
    assert "town" in mail.subject
    assert failed
    assert all(name in body.get_content() for name in failed)
    assert f"{stack.portal_url}/admin/quality/checkrun/{run['id']}/" in body.get_content()

    training = _run(airflow, "train_models", {"series": ["town"], "as_of": as_of, "kinds": ["seasonal_naive"]})
    assert training.state == "failed"
    (task,) = airflow.failed_tasks(training)
    assert "TrainingHeld" in (stack.home.airflow / "logs" / task.log).read_text()


def test_an_empty_file_fails_the_run_and_mails_the_operator_and_holds_up_no_other_source(
    stack: Report, operator: PortalClient, airflow: AirflowClient
) -> None:
    as_of = REPLAY.scored_as_of.isoformat()
    ingested = _run(airflow, "ingest_demand", {"sources": [EMPTY_SOURCE, "town-archive"], "as_of": as_of})
    assert ingested.state == "failed"
    (task,) = airflow.failed_tasks(ingested)
    assert task.task_id == "confirm"
    assert f"{EMPTY_SOURCE}: " in (stack.home.airflow / "logs" / task.log).read_text()
    assert until(lambda: airflow.triggered_by(ingested, dag_id="score_forecasts")), "the other's news are told"

    readings = {
        each["source"]: each
        for each in operator.results("ingest-runs/")
        if each["as_of"] == f"{REPLAY.scored_as_of:%Y-%m-%dT%H:%M:%SZ}"
    }
    assert {slug: readings[slug]["state"] for slug in (EMPTY_SOURCE, "town-archive")} == {
        EMPTY_SOURCE: "failed",
        "town-archive": "done",
    }
    mail = until(lambda: [mail for mail in kept_mails(stack.home.mail) if EMPTY_SOURCE in mail.subject])[0]
    message = email.message_from_bytes(mail.path.read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    assert "empty.csv is empty" in " ".join(body.get_content().split())
    assert f"/admin/series/ingestrun/{readings[EMPTY_SOURCE]['id']}/" in body.get_content()


def test_events_of_the_same_moment_reach_their_followers_all(airflow_api: httpx.Client) -> None:
    (asset,) = airflow_api.get("/api/v2/assets", params={"name_pattern": "observations"}).json()["assets"]
    news = {"asset_id": asset["id"], "extra": {"series": [], "as_of": "2023-11-12T23:00:00Z"}}
    with _held_still("airflow scheduler"):
        posted = [airflow_api.post("/api/v2/assets/events", json=news) for _ in range(3)]
    assert [answer.status_code for answer in posted] == [200, 200, 200]
    ids = {answer.json()["id"] for answer in posted}

    def followers() -> list[set[str]] | None:
        query = {"asset_id": asset["id"], "limit": 100}
        events = airflow_api.get("/api/v2/assets/events", params=query).json()["asset_events"]
        found = [{run["dag_id"] for run in event["created_dagruns"]} for event in events if event["id"] in ids]
        return found if all(found) else None

    assert until(followers) == [{"check_data_quality", "score_forecasts"}] * 3


@contextmanager
def _held_still(words: str) -> Iterator[None]:
    """Stop the processes below this one whose command line has the words, and let them go on afterwards."""
    held = [pid for pid in descendants(os.getpid()) if words in _command_line(pid)]
    assert held
    _signal(held, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(held, signal.SIGCONT)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:  # it has just ended, as those of tasks do all the time
        return ""


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_run_killed_half_way_and_run_again_ends_in_the_state_of_one_that_was_not(
    stack: Report, town_environment: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    environment = town_environment("killed")
    said = tmp_path / "said"
    with said.open("wb") as output:
        first = subprocess.Popen(COMMAND, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL, stderr=output)
    artifacts = Path(environment["GRIDCAST_HOME"]) / "artifacts"
    until(lambda: first.poll() is not None or list(artifacts.glob("town/*/manifest.json")), seconds=600)
    assert first.poll() is None, said.read_text()
    # As when the power goes: nobody gets to clean up, or to start anything between two kills.
    stopped: set[int] = set()
    while new := {first.pid, *descendants(first.pid)} - stopped:
        _signal(new, signal.SIGSTOP)
        stopped |= new
    _signal(stopped, signal.SIGKILL)
    first.wait()

    second = subprocess.run(COMMAND, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    undisturbed = stack.state
    assert len(undisturbed["models"]) == 4
    assert len(undisturbed["runs"]) == len(undisturbed["scores"]) == REPLAY.days
    assert json.loads(second.stdout)["state"] == undisturbed
