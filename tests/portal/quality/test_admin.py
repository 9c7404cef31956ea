"""The page of a check run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from portal.quality.models import CheckRun
from portal.quality.operations import Finding, record_check_run, store_report
from portal.series.models import Series


@pytest.fixture
def check_run(series: Series, make_user: object, reports_root: Path) -> CheckRun:
    reporter = make_user("service")  # type: ignore[operator]
    run = record_check_run(
        series,
        stage="data",
        period_start=datetime(2014, 10, 3, 13, tzinfo=UTC),
        period_end=datetime(2014, 10, 10, 13, tzinfo=UTC),
        as_of=datetime(2014, 10, 10, 14, tzinfo=UTC),
        findings=[
            Finding(engine="builtin", name="flat_line", status="passed", severity="fatal", value=3, threshold=8),
            Finding(
                engine="builtin",
                name="missing_share",
                status="failed",
                severity="fatal",
                value=0.1231,
                message="<b>41</b>",
            ),
        ],
        airflow={"dag_id": "check_data_quality", "run_id": "asset/1 +x"},
        by=reporter,
        at=datetime(2014, 10, 10, 14, tzinfo=UTC),
    )
    store_report(run, name="deepchecks.html", content=b"<h1>Drift</h1>", by=reporter)
    return run


def page(user: User, address: str) -> str:
    client = Client()
    client.force_login(user)
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_shows_results_reports_and_the_airflow_run(
    check_run: CheckRun, operator: User, settings: Settings
) -> None:
    settings.AIRFLOW_PUBLIC_URL = "https://airflow.example.org"
    content = page(operator, reverse("admin:quality_checkrun_change", args=(check_run.pk,)))
    text = " ".join(re.sub(r"<[^>]+>", " ", content).split())
    assert re.search(r"Failed missing_share builtin Fatal 0\.1231 – &lt;b&gt;41&lt;/b&gt;", text)
    assert re.search(r"Passed flat_line builtin Fatal 3 8", text)
    assert f'href="/api/v1/check-runs/{check_run.pk}/reports/deepchecks.html"' in content
    assert 'href="https://airflow.example.org/dags/check_data_quality/runs/asset%2F1%20%2Bx"' in content
    assert 'id="reports-group"' in content, "the mail links to this place"


def test_the_list_counts_what_failed(check_run: CheckRun, operator: User) -> None:
    content = page(operator, reverse("admin:quality_checkrun_changelist"))
    assert re.search(r"field-bad[^>]*>\s*1\s*<", content)


def test_a_run_is_not_editable(check_run: CheckRun, operator: User) -> None:
    operator.is_superuser = True
    operator.save()
    client = Client()
    client.force_login(operator)
    address = reverse("admin:quality_checkrun_change", args=(check_run.pk,))
    assert client.post(address, {"stage": "data"}).status_code == 403
    assert (
        client.post(reverse("admin:quality_checkrun_delete", args=(check_run.pk,)), {"post": "yes"}).status_code == 403
    )
