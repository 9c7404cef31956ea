"""Rules and runs over REST: by whom, when refused, and what the pipeline reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from portal.core.permissions import NotPermitted
from portal.forecasts.models import ForecastRun
from portal.registry.models import ModelVersion
from portal.registry.operations import Training, register_candidate, reject_model
from portal.retention import operations
from portal.retention.models import RetentionRule, RetentionRun
from portal.series.models import Series
from tests.portal.retention.conftest import DAY, NOW

RULES, RUNS, ARTIFACTS = "/api/v1/retention-rules/", "/api/v1/retention-runs/", "/api/v1/registered-artifacts/"
AIRFLOW = {"dag_id": "maintain_store", "run_id": "scheduled__2026-11-26"}
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def airflow(people: dict[str, User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(people["airflow"])


@pytest.fixture
def operator(people: dict[str, User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(people["operator"])


def test_rules_begin_with_defaults_that_delete_nothing_of_the_record(operator: APIClient) -> None:
    operations.ensure_rules()
    rules = {rule["kind"]: rule for rule in operator.get(RULES).json()["results"]}
    assert {kind: rule["keep_days"] for kind, rule in rules.items() if rule["enabled"]} == {
        "stale_ingests": 2,
        "mails": 365,
        "dag_run_requests": 365,
        "orphaned_artifacts": 2,
        "unfinished_studies": 30,
    }
    assert all(rule["keep_days"] is None for rule in rules.values() if not rule["enabled"])
    assert rules["forecast_runs"]["kept"].startswith("The newest run of each series")


def test_making_the_rules_again_leaves_what_people_changed(operator: APIClient, people: dict[str, User]) -> None:
    rule = next(rule for rule in operations.ensure_rules() if rule.kind == "mails")
    answer = operator.patch(f"{RULES}{rule.pk}/", {"keep_days": 30})
    assert (answer.status_code, answer.json()["keep_days"]) == (200, 30)
    operations.ensure_rules()
    rule.refresh_from_db()
    assert rule.keep_days == 30
    assert rule.history.latest().history_user == people["operator"]


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("forecast_runs", {"keep_days": 89}, "kept for at least 90 days"),
        ("forecast_runs", {"enabled": True}, "says after how many days"),
        ("forecast_runs", {"keep_days": 0}, "greater than or equal to 1"),
        ("forecast_runs", {"keep_days": 10**9}, "less than or equal to 36500"),
        ("forecast_runs", {"keep_days": "long"}, "valid integer"),
        ("weather_forecasts", {"keep_days": 365}, "at least 730 days"),
        ("mails", {"kind": "forecast_runs"}, "what can be given is keep_days, enabled"),
        ("mails", {"keep_days": None}, "says after how many days"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    operator: APIClient, problem: Problem, kind: str, changes: dict[str, Any], words: str
) -> None:
    operations.ensure_rules()
    rule = RetentionRule.objects.get(kind=kind)
    answer = problem(operator.patch(f"{RULES}{rule.pk}/", changes), 400)
    assert words in str(answer)
    again = RetentionRule.objects.get(kind=kind)
    assert (again.keep_days, again.enabled) == (rule.keep_days, rule.enabled)


def test_a_dry_run_counts_and_a_run_deletes_when_it_is_advanced(
    airflow: APIClient, series: Series, publish_run: Callable[..., ForecastRun], keep: Callable[..., None]
) -> None:
    for days in (500, 3, 2, 1):
        publish_run(series, days)
    keep(forecast_runs=400)
    body = {"as_of": NOW.isoformat(), "airflow": AIRFLOW}
    dry = airflow.post(RUNS, {**body, "dry_run": True})
    assert dry.status_code == 201, dry.content
    (outcome,) = dry.json()["outcomes"]
    assert dry.json()["state"] == "done"
    assert (outcome["found"], outcome["total"], outcome["deleted"], outcome["held"]) == (1, 4, 0, False)
    assert outcome["cutoff"] == f"{NOW - 400 * DAY:%Y-%m-%dT%H:%M:%SZ}"
    assert outcome["oldest"] == outcome["newest"] == f"{NOW - 500 * DAY:%Y-%m-%dT%H:%M:%SZ}"
    begun = airflow.post(RUNS, {**body, "dry_run": False}).json()
    assert (begun["state"], ForecastRun.objects.count()) == ("running", 4)
    done = airflow.post(f"{RUNS}{begun['id']}/advance/").json()
    assert (done["state"], done["outcomes"][0]["deleted"], ForecastRun.objects.count()) == ("done", 1, 3)
    assert (done["by"], done["airflow"]) == ("airflow", AIRFLOW)
    assert [run["id"] for run in airflow.get(RUNS).json()["results"]] == [begun["id"], dry.json()["id"]]
    assert airflow.get(RUNS, {"dry_run": "true"}).json()["count"] == 1


def test_a_time_yet_to_come_is_refused(airflow: APIClient, problem: Problem) -> None:
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    assert "yet to come" in problem(airflow.post(RUNS, {"as_of": later, "dry_run": False}), 400)["detail"]
    assert RetentionRun.objects.count() == 0


def test_whether_it_is_dry_has_to_be_said(airflow: APIClient, problem: Problem) -> None:
    assert problem(airflow.post(RUNS, {"as_of": NOW.isoformat()}), 400)["errors"][0]["field"] == "dry_run"


def test_a_dry_run_is_never_advanced(airflow: APIClient, keep: Callable[..., None], problem: Problem) -> None:
    keep(mails=365)
    dry = airflow.post(RUNS, {"as_of": NOW.isoformat(), "dry_run": True}).json()
    assert "A dry run deletes nothing" in problem(airflow.post(f"{RUNS}{dry['id']}/advance/"), 409)["detail"]


def test_who_may_not_run_it_is_refused_in_the_operation_too(people: dict[str, User]) -> None:
    with pytest.raises(NotPermitted, match=r"retention\.add_retentionrun"):
        operations.begin_run(as_of=NOW, dry_run=True, by=people["forecaster"], at=NOW, airflow={})


def test_the_pipeline_reports_what_it_found_and_a_second_time_changes_nothing(
    airflow: APIClient, keep: Callable[..., None]
) -> None:
    keep(orphaned_artifacts=2)
    begun = airflow.post(RUNS, {"as_of": NOW.isoformat(), "dry_run": False}).json()
    assert begun["outcomes"][0]["found"] is None
    report = {
        "kind": "orphaned_artifacts",
        "found": 2,
        "total": 9,
        "deleted": 2,
        "bytes": 4096,
        "oldest": NOW.isoformat(),
        "newest": NOW.isoformat(),
        "held": False,
        "finished": True,
        "examples": ["file:///artifacts/victoria/ab"],
    }
    answers = [airflow.patch(f"{RUNS}{begun['id']}/", {"outcomes": [report]}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    (outcome,) = answers[0]["outcomes"]
    assert (outcome["deleted"], outcome["bytes"], outcome["examples"]) == (2, 4096, report["examples"])


@pytest.mark.parametrize(
    ("dry_run", "kind", "code"),
    [(False, "rejected_artifacts", 409), (True, "orphaned_artifacts", 409), (False, "forecast_runs", 400)],
)
def test_a_report_about_what_is_not_the_pipelines_is_refused(
    airflow: APIClient, keep: Callable[..., None], problem: Problem, dry_run: bool, kind: str, code: int
) -> None:
    keep(orphaned_artifacts=2)
    begun = airflow.post(RUNS, {"as_of": NOW.isoformat(), "dry_run": dry_run}).json()
    report = {"kind": kind, "found": 1, "deleted": 1, "finished": True}
    problem(airflow.patch(f"{RUNS}{begun['id']}/", {"outcomes": [report]}), code)


def test_registered_artifacts_name_every_version_and_when_it_was_rejected(
    airflow: APIClient, series: Series, people: dict[str, User]
) -> None:
    models = [
        register_candidate(
            series,
            training=Training(
                kind="arima",
                training_key=key,
                artifact_uri=f"file:///artifacts/victoria/{key}",
                artifact_sha256="ab" * 32,
                training_start=NOW - DAY,
                training_end=NOW,
                data_cutoff=NOW,
                trained_by=people["forecaster"],
                evidence={"heavy": "x" * 1000},
            ),
            by=people["airflow"],
        )[0]
        for key in ("a", "b")
    ]
    reject_model(models[1], by=people["approver"], reason="worse", at=NOW)
    answer = airflow.get(ARTIFACTS, {"page_size": 1}).json()
    assert (answer["count"], answer["results"][0]["training_key"]) == (2, "a")
    found = airflow.get(ARTIFACTS, {"series": "victoria", "training_key": "b"}).json()["results"]
    assert found == [
        {
            "id": models[1].pk,
            "series": "victoria",
            "version": 2,
            "status": "rejected",
            "training_key": "b",
            "artifact_uri": "file:///artifacts/victoria/b",
            "rejected_at": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
        }
    ]
    assert airflow.get(ARTIFACTS, {"status": "candidate"}).json()["results"][0]["rejected_at"] is None
    assert ModelVersion.objects.count() == 2
