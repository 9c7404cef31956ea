"""``/api/v1/check-runs/`` over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.alerts.models import Alert, OutboxMessage
from portal.alerts.operations import ensure_default_rules
from portal.quality.models import CheckRun
from portal.quality.operations import Finding, derive_status
from portal.series.models import Series

RUNS = "/api/v1/check-runs/"


def result(
    name: str = "missing_share", status: str = "passed", severity: str = "fatal", **facts: Any
) -> dict[str, Any]:
    found = {"value": 0.01, "threshold": 0.05, "message": "few values are missing"}
    return {"engine": "builtin", "name": name, "status": status, "severity": severity, **found, **facts}


def run(*results: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {
        "series": "victoria",
        "stage": "data",
        "period_start": "2014-10-03T13:00:00Z",
        "period_end": "2014-10-10T13:00:00Z",
        "as_of": "2014-10-10T14:00:00Z",
        "airflow": {"dag_id": "check_data_quality", "run_id": "asset__1"},
        "results": list(results or [result()]),
        **facts,
    }


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    return response.json()


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([("passed", "fatal"), ("passed", "warning")], "passed"),
        ([("skipped", "fatal")], "passed"),
        ([("failed", "warning"), ("passed", "fatal")], "warned"),
        ([("error", "warning")], "warned"),
        ([("failed", "fatal"), ("failed", "warning")], "failed"),
        ([("error", "fatal")], "failed"),
    ],
)
def test_the_status_of_a_run_follows_from_its_results(outcomes: list[tuple[str, str]], status: str) -> None:
    findings = [
        Finding(engine="builtin", name=f"check-{number}", status=outcome, severity=severity)
        for number, (outcome, severity) in enumerate(outcomes)
    ]
    assert derive_status(findings) == status


def test_a_recorded_run_can_be_read_back_whole_and_in_order(pipeline: APIClient, series: Series) -> None:
    sent = run(
        result("z_last_in_the_alphabet", "failed", "warning", value=3, threshold=None),
        result("a_first", "skipped", "warning", value=None, threshold=None, message=""),
        result("text_value", value="UTC", threshold="Australia/Melbourne"),
    )
    response = pipeline.post(RUNS, sent)
    assert response.status_code == 201, response.content
    answer = response.json()
    assert sent.items() <= answer.items()
    assert (answer["status"], answer["reports"]) == ("warned", [])
    assert pipeline.get(f"{RUNS}{answer['id']}/").json() == answer


def test_a_run_may_leave_out_what_was_not_measured(pipeline: APIClient, series: Series) -> None:
    bare = {"engine": "whylogs", "name": "profile", "status": "skipped", "severity": "warning"}
    (stored,) = pipeline.post(RUNS, run(bare)).json()["results"]
    assert stored == {**bare, "value": None, "threshold": None, "message": ""}


def test_a_repeated_report_with_its_key_is_recorded_once_and_alarms_once(
    pipeline: APIClient, series: Series, operator: User
) -> None:
    ensure_default_rules()
    body = run(result(status="failed"))
    first, again = (pipeline.post(RUNS, body, headers={"Idempotency-Key": "batch-1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert (CheckRun.objects.count(), Alert.objects.count(), OutboxMessage.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (run(series="atlantis"), "series"),
        (run(stage="moon"), "stage"),
        (run(period_end="2014-10-03T13:00:00Z"), "period_end"),
        (run(as_of="soon"), "as_of"),
        (run(as_of="2014-10-10T14:00:00"), "as_of"),
        (run(as_of="9999-12-31T23:59:59Z"), "as_of"),
        (run(as_of="0001-01-01T00:00:00+14:00"), "as_of"),
        (run(results=[]), "results"),
        (run(results="none"), "results"),
        (run(result(status="great")), "results"),
        (run(result(severity="mild")), "results"),
        (run(result(value=[1])), "results"),
        (run(result(value={"a": 1})), "results"),
        (run(result(name="")), "results"),
        (run(result(), result()), "results"),
        (run(airflow={"dag_id": "x"}), "airflow"),
    ],
)
def test_a_bad_report_is_refused_by_name(pipeline: APIClient, series: Series, body: dict[str, Any], field: str) -> None:
    document = problem(pipeline.post(RUNS, body), 400)
    assert document["errors"][0]["field"].split(".")[0] == field
    assert not CheckRun.objects.exists()


def test_the_list_narrows_by_series_and_status_newest_first(
    pipeline: APIClient, series: Series, make_series: Callable[..., Series]
) -> None:
    make_series("england-wales")
    for slug, as_of, status in (
        ("victoria", "2014-10-10T14:00:00Z", "passed"),
        ("victoria", "2014-10-12T14:00:00Z", "failed"),
        ("victoria", "2014-10-11T14:00:00Z", "passed"),
        ("england-wales", "2014-10-09T14:00:00Z", "failed"),
    ):
        pipeline.post(RUNS, run(result(status=status), series=slug, as_of=as_of))

    def days(**query: str) -> list[str]:
        return [found["as_of"][8:10] for found in pipeline.get(RUNS, query).json()["results"]]

    assert days() == ["12", "11", "10", "09"]
    assert days(series="victoria") == ["12", "11", "10"]
    assert days(status="failed") == ["12", "09"]
    assert days(series="victoria", status="failed") == ["12"]
    problem(pipeline.get(RUNS, {"status": "great"}), 400)


def test_only_the_pipeline_records_runs(operator: User, client_of: Callable[[User], APIClient], series: Series) -> None:
    document = problem(client_of(operator).post(RUNS, run()), 403)
    assert "quality.add_checkrun" in document["detail"]
    problem(APIClient().post(RUNS, run()), 401)
