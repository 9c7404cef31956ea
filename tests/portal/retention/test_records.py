"""What else grows old: mails, requests, quarantine, ingests, checks and weather forecasts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.pipeline.models import DagRunRequest
from portal.quality.models import CheckReport, CheckResult, CheckRun
from portal.registry.models import ModelVersion
from portal.registry.operations import Training, register_candidate
from portal.retention import operations
from portal.series.models import IngestRun, QuarantinedRow, Series, Source, WeatherForecast
from tests.portal.retention.conftest import DAY, HOUR, NOW

Keep = Callable[..., None]
Delete = Callable[..., dict[str, int]]
Due = Callable[[], dict[str, int | None]]
LONG_AGO = NOW - 400 * DAY


@pytest.fixture
def source(db: None) -> Source:
    return Source.objects.create(slug="files", name="Files", options={"columns": []})


@pytest.fixture
def ingest(source: Source) -> Callable[..., IngestRun]:
    """A reading of the source that ended so many days ago."""

    def make(days: float, state: str = "done", **facts: Any) -> IngestRun:
        at = NOW - days * DAY
        run_id = f"run-{IngestRun.objects.count()}"
        times = {"as_of": at, "started_at": at, "updated_at": at}
        return IngestRun.objects.create(
            **{"source": source, "dag_id": "ingest_demand", "run_id": run_id, "state": state, **times, **facts}
        )

    return make


@pytest.fixture
def check(series: Series, settings: Any, tmp_path: Path) -> Callable[..., CheckRun]:
    """A check run as of so many days ago, with a result and a report."""
    settings.REPORTS_ROOT = tmp_path

    def make(days: float) -> CheckRun:
        at = NOW - days * DAY
        run = CheckRun.objects.create(series=series, period_start=at - DAY, period_end=at, as_of=at, status="passed")
        CheckResult.objects.create(
            run=run, position=1, engine="builtin", name="gaps", status="passed", severity="fatal"
        )
        report = CheckReport(run=run, name="report.html", size=5, sha256="ab" * 32)
        report.file.save("report.html", ContentFile(b"<p>ok"))
        return run

    return make


def mail(sent_days: float | None, *alerts: Alert) -> OutboxMessage:
    rule = AlertRule.objects.first() or AlertRule.objects.create(name="all", signal="ingest_failed")
    message = OutboxMessage.objects.create(
        message_id=f"<{OutboxMessage.objects.count()}@gridcast>",
        kind="fired",
        rule=rule,
        recipient="operator@example.org",
        subject="A source",
        text="…",
        html="…",
        enqueued_at=LONG_AGO,
        next_attempt_at=LONG_AGO,
        sent_at=None if sent_days is None else NOW - sent_days * DAY,
    )
    message.alerts.set(alerts)
    return message


def alert(source: Source, ingest: IngestRun, **facts: Any) -> Alert:
    rule = AlertRule.objects.first() or AlertRule.objects.create(name="all", signal="ingest_failed")
    return Alert.objects.create(
        rule=rule,
        severity="fatal",
        source=source,
        fired_at=LONG_AGO,
        first_ingest=ingest,
        latest_ingest=ingest,
        **facts,
    )


def test_sent_mails_go_and_those_to_be_sent_or_about_open_alerts_stay(
    source: Source, ingest: Callable[..., IngestRun], keep: Keep, delete: Delete
) -> None:
    failed, done = ingest(400, "failed", error="no file"), ingest(399)
    resolved = alert(source, failed, state="resolved", resolved_at=LONG_AGO, resolved_by_ingest=done)
    waiting, recent, open_still = mail(None), mail(300), mail(380, alert(source, failed))
    mail(380, resolved)
    mail(380)
    keep(mails=365)
    assert delete() == {"mails": 2}
    assert set(OutboxMessage.objects.all()) == {waiting, recent, open_still}


def test_requests_that_airflow_has_taken_go(keep: Keep, delete: Delete) -> None:
    for number, sent_at in enumerate((LONG_AGO, None, NOW)):
        DagRunRequest.objects.create(
            dag_id="publish_forecasts",
            run_id=f"approved__{number}",
            reason="approved",
            requested_at=LONG_AGO,
            next_attempt_at=LONG_AGO,
            sent_at=sent_at,
        )
    keep(dag_run_requests=365)
    assert delete() == {"dag_run_requests": 1}
    assert set(DagRunRequest.objects.values_list("sent_at", flat=True)) == {None, NOW}


def test_ingest_runs_that_are_over_go_but_the_newest_and_those_that_something_refers_to(
    source: Source, ingest: Callable[..., IngestRun], keep: Keep, delete: Delete, people: dict[str, User]
) -> None:
    names = ("gone", "gone too", "alerted", "with a row", "running", "newest")
    made = dict(
        zip(
            names,
            [ingest(500), ingest(480), ingest(450), ingest(440), ingest(430, "running"), ingest(420)],
            strict=True,
        )
    )
    alert(source, made["alerted"])
    settled = {"status": "dismissed", "resolved_at": LONG_AGO, "resolved_by": people["operator"]}
    for number, facts in enumerate(({}, settled)):
        QuarantinedRow.objects.create(
            source=source,
            file="a.csv",
            row=number,
            rule="not_a_number",
            raw="x",
            message="…",
            fingerprint=f"{number:064d}",
            last_seen_in=made["with a row"],
            **facts,
        )
    keep(ingest_runs=400, quarantine=100)
    assert delete(confirmed=True) == {"quarantine": 1, "ingest_runs": 2}
    assert set(IngestRun.objects.all()) == {made[name] for name in names[2:]}
    assert QuarantinedRow.objects.get().status == "open"


def test_an_ingest_that_nobody_goes_on_with_fails_and_its_alert_fires(
    source: Source, ingest: Callable[..., IngestRun], keep: Keep, delete: Delete
) -> None:
    AlertRule.objects.create(name="Sources", signal="ingest_failed")
    stale, alive = ingest(2.1, "running"), ingest(1.9, "running")
    keep(stale_ingests=2)
    assert delete() == {"stale_ingests": 1}
    stale.refresh_from_db()
    alive.refresh_from_db()
    assert (stale.state, alive.state) == ("failed", "running")
    assert f"Nothing was heard of this reading since {NOW - 2.1 * DAY:%Y-%m-%d %H:%M}Z" in stale.error
    assert Alert.objects.get().latest_ingest == stale


def test_each_stale_ingest_is_given_up_in_a_transaction_of_its_own(
    ingest: Callable[..., IngestRun], keep: Keep, begin: Callable[..., Any], people: dict[str, User]
) -> None:
    for days in (2.1, 2.2):
        ingest(days, "running")
    keep(stale_ingests=2)
    run = begin()
    for left in (1, 0):
        run = operations.advance_run(run, by=people["airflow"], at=NOW, seconds=0)
        assert IngestRun.objects.filter(state="running").count() == left


def test_check_runs_go_with_results_and_report_files(
    series: Series,
    check: Callable[..., CheckRun],
    keep: Keep,
    delete: Delete,
    begin: Callable[..., Any],
    tmp_path: Path,
) -> None:
    old, alerted, newest = check(500), check(480), check(450)
    rule = AlertRule.objects.create(name="checks", signal="check_failed")
    Alert.objects.create(
        rule=rule,
        severity="fatal",
        series=series,
        engine="builtin",
        check_name="gaps",
        fired_at=LONG_AGO,
        first_run=alerted,
        latest_run=alerted,
    )
    keep(check_runs=400)
    assert begin(dry_run=True).outcomes.get().bytes == 5
    assert delete() == {"check_runs": 1}
    assert set(CheckRun.objects.all()) == {alerted, newest}
    assert CheckResult.objects.count() == CheckReport.objects.count() == 2
    assert {path.name for path in (tmp_path / "checks").iterdir()} == {str(alerted.pk), str(newest.pk)}
    assert not (tmp_path / "checks" / str(old.pk)).exists()


def test_report_files_that_a_cut_short_run_left_go_with_the_next(
    check: Callable[..., CheckRun], keep: Keep, delete: Delete, tmp_path: Path
) -> None:
    run = check(1)
    left = tmp_path / "checks" / "999999"
    left.mkdir()
    (left / "report").write_text("…")
    keep(check_runs=400)
    assert delete() == {"check_runs": 0}
    assert [path.name for path in (tmp_path / "checks").iterdir()] == [str(run.pk)]


@pytest.mark.parametrize("named", ["as a number", "as something else"])
def test_the_check_run_in_a_models_evidence_stays(
    series: Series, check: Callable[..., CheckRun], keep: Keep, delete: Delete, people: dict[str, User], named: str
) -> None:
    in_evidence, other, also_in_evidence = check(500), check(490), check(480)
    check(1)
    for key, evidence in (
        ("a", {"check_run": {"id": in_evidence.pk if named == "as a number" else "none"}}),
        ("b", {"check_run": None}),
        ("c", {"check_run": {"id": None}}),
        ("d", {}),
        ("e", {"check_runs": [{"id": None}, {"id": also_in_evidence.pk}, {}, "none"]}),
        ("f", {"check_runs": "none"}),
    ):
        training = Training(
            kind="arima",
            training_key=key,
            artifact_uri=f"file:///artifacts/{key}",
            artifact_sha256="ab" * 32,
            training_start=LONG_AGO,
            training_end=NOW,
            data_cutoff=NOW,
            trained_by=people["forecaster"],
            evidence=evidence,
        )
        register_candidate(series, training=training, by=people["airflow"])
    keep(check_runs=400)
    deleted = 1 if named == "as a number" else 2
    assert delete(confirmed=True) == {"check_runs": deleted}
    assert CheckRun.objects.filter(pk=in_evidence.pk).exists() is (named == "as a number")
    assert CheckRun.objects.filter(pk=also_in_evidence.pk).exists()
    assert not CheckRun.objects.filter(pk=other.pk).exists()
    assert ModelVersion.objects.count() == 6


def test_weather_forecasts_issued_long_ago_go(series: Series, keep: Keep, delete: Delete) -> None:
    WeatherForecast.objects.bulk_create(
        WeatherForecast(series=series, issue_time=issued, known_at=issued, valid_time=issued + hour * HOUR, value=20.0)
        for issued in (NOW - timedelta(days=days) for days in (800, 740, 720, 1))
        for hour in range(3)
    )
    keep(weather_forecasts=730)
    assert delete() == {"weather_forecasts": 6}
    assert WeatherForecast.objects.filter(issue_time__lt=NOW - 730 * DAY).count() == 0
    assert WeatherForecast.objects.count() == 6
