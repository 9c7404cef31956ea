"""Reports: stored under names of the server's own, served so that they cannot act as who reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.quality import operations
from portal.quality.models import CheckReport, CheckRun
from portal.series.models import Series

PAGE = b"<!DOCTYPE html><script>document.title = document.cookie</script><h1>Drift</h1>"


@pytest.fixture
def check_run(series: Series) -> CheckRun:
    return CheckRun.objects.create(
        series=series,
        period_start=datetime(2014, 10, 3, 13, tzinfo=UTC),
        period_end=datetime(2014, 10, 10, 13, tzinfo=UTC),
        as_of=datetime(2014, 10, 10, 14, tzinfo=UTC),
        status=CheckRun.Status.PASSED,
    )


@pytest.fixture
def put(pipeline: APIClient, check_run: CheckRun, reports_root: Path) -> Callable[..., Response]:
    def send(name: str, content: bytes = PAGE, content_type: str = "text/html") -> Response:
        return pipeline.put(url(check_run, name), data=content, content_type=content_type)

    return send


@pytest.fixture
def reader(operator: User) -> Client:
    """A browser of somebody who is logged in."""
    client = Client()
    client.force_login(operator)
    return client


def url(run: CheckRun, name: str) -> str:
    return f"/api/v1/check-runs/{run.pk}/reports/{name}"


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def stored(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_stored_report_is_served_as_it_came(
    put: Callable[..., Response], reader: Client, check_run: CheckRun
) -> None:
    response = put("deepchecks.html")
    assert response.status_code == 201, response.content
    assert response.json()["sha256"] == hashlib.sha256(PAGE).hexdigest()
    assert response.json()["url"] == f"http://testserver{url(check_run, 'deepchecks.html')}"
    served = reader.get(url(check_run, "deepchecks.html"))
    assert body(served) == PAGE
    assert served["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("accept", ["text/html", "application/xhtml+xml", "image/png"])
def test_a_report_is_served_as_what_it_is_whatever_form_was_asked_for(
    put: Callable[..., Response], reader: Client, check_run: CheckRun, accept: str
) -> None:
    put("deepchecks.html")
    served = reader.get(url(check_run, "deepchecks.html"), headers={"Accept": accept})
    assert served.status_code == 200
    assert body(served) == PAGE


def test_the_script_of_a_report_runs_in_an_origin_of_its_own(
    put: Callable[..., Response], reader: Client, check_run: CheckRun
) -> None:
    put("deepchecks.html")
    served = reader.get(url(check_run, "deepchecks.html"))
    directives = [directive.strip() for directive in served["Content-Security-Policy"].split(";")]
    assert directives[0] == "sandbox allow-scripts"
    assert "default-src 'none'" in directives
    assert "allow-same-origin" not in served["Content-Security-Policy"]
    assert served["X-Content-Type-Options"] == "nosniff"
    served.close()


def test_a_profile_is_a_download_whatever_it_holds(
    put: Callable[..., Response], reader: Client, check_run: CheckRun
) -> None:
    put("whylogs.bin", PAGE, "text/html")
    served = reader.get(url(check_run, "whylogs.bin"))
    assert served["Content-Type"] == "application/octet-stream"
    assert served["Content-Disposition"].startswith("attachment;")
    assert served["X-Content-Type-Options"] == "nosniff"
    assert body(served) == PAGE


def test_strangers_see_no_report(put: Callable[..., Response], check_run: CheckRun) -> None:
    put("deepchecks.html")
    response = Client().get(url(check_run, "deepchecks.html"))
    assert response.status_code == 401
    assert b"Drift" not in response.content


def test_the_same_bytes_again_change_nothing(put: Callable[..., Response], reports_root: Path) -> None:
    put("deepchecks.html")
    before = stored(reports_root)
    assert put("deepchecks.html").status_code == 200
    assert stored(reports_root) == before


@pytest.mark.django_db(transaction=True)
def test_other_bytes_replace_the_report_and_its_file(
    put: Callable[..., Response], reader: Client, check_run: CheckRun, reports_root: Path
) -> None:
    put("deepchecks.html")
    assert put("deepchecks.html", PAGE + b"<p>again").status_code == 200
    (file,) = stored(reports_root)
    assert file.read_bytes() == PAGE + b"<p>again"
    assert CheckReport.objects.get().size == len(PAGE) + 8


def test_the_server_names_the_file(put: Callable[..., Response], check_run: CheckRun, reports_root: Path) -> None:
    put("deepchecks.html")
    (file,) = stored(reports_root)
    assert file.parent == reports_root / "checks" / str(check_run.pk)
    assert "deepchecks" not in file.name
    assert file.suffix == ""


@pytest.mark.parametrize(
    "name",
    [
        "report.svg",
        "report",
        ".html",
        "-x.html",
        "Report.html",
        "a b.html",
        "x" * 101 + ".html",
        "..%2Fx.html",
        "é.html",
    ],
)
def test_a_name_that_is_no_plain_file_name_is_refused(
    put: Callable[..., Response], reports_root: Path, name: str
) -> None:
    assert put(name).status_code in (400, 404)
    assert stored(reports_root) == []


def test_an_empty_report_is_refused(put: Callable[..., Response]) -> None:
    assert put("deepchecks.html", b"").status_code == 400


def test_a_report_over_the_limit_is_refused(
    put: Callable[..., Response], monkeypatch: pytest.MonkeyPatch, reports_root: Path
) -> None:
    monkeypatch.setattr(operations, "MAX_REPORT_BYTES", 100)
    assert put("deepchecks.html", b"x" * 101).status_code == 413
    assert put("deepchecks.html", b"x" * 100).status_code == 201


def test_a_report_of_no_run_is_a_404(pipeline: APIClient, reports_root: Path, reader: Client) -> None:
    missing = "/api/v1/check-runs/999999/reports/deepchecks.html"
    assert pipeline.put(missing, data=PAGE, content_type="text/html").status_code == 404
    assert reader.get(missing).status_code == 404


def test_only_the_pipeline_stores_reports(
    operator: User, client_of: Callable[[User], APIClient], check_run: CheckRun, reports_root: Path
) -> None:
    response = client_of(operator).put(url(check_run, "x.html"), data=PAGE, content_type="text/html")
    assert response.status_code == 403
    assert stored(reports_root) == []
