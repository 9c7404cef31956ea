"""The audit that the portal makes by itself: what it keeps, whom it tells, and that only the sound passes for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from celery.schedules import crontab
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.alerts.operations import acknowledge_alert, ensure_default_rules
from portal.config.celery import app as celery_app
from portal.registry.daily_audit import record_audit
from portal.registry.models import AuditOutcome, Decision, ModelVersion
from portal.registry.operations import approve_model
from portal.registry.tasks import audit_decisions
from portal.series.models import Series
from tests.portal.registry.tampering import tampering

AT = datetime(2014, 11, 10, 2, 35, tzinfo=UTC)
DAY = timedelta(days=1)
Register = Callable[..., ModelVersion]
ALTER = "UPDATE registry_decision SET reason = %s WHERE number = 4"
KEEP = "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM registry_decision WHERE number > 4"
REMOVE = (
    KEEP,
    "DELETE FROM registry_decision WHERE number > 4",
    "UPDATE registry_modelversion SET status = 'retired' WHERE version = 1",
    "UPDATE registry_modelversion SET status = 'champion' WHERE version = 2",
)
PUT_BACK = (
    "INSERT INTO registry_decision SELECT * FROM kept",
    "UPDATE registry_modelversion SET status = 'retired' WHERE version = 2",
    "UPDATE registry_modelversion SET status = 'champion' WHERE version = 1",
)
pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def operator(make_user: Callable[..., User]) -> User:
    """Olga, whom the rules that come with the portal mail."""
    operator = make_user("operator", "olga", email="olga@example.org")
    ensure_default_rules()
    return operator


def tamper(*statements: str) -> None:
    with tampering() as execute:
        for statement in statements:
            execute(statement)


def alter(reason: str) -> None:
    with tampering() as execute:
        execute(ALTER, [reason])


def alerts() -> list[tuple[str | None, str]]:
    return list(Alert.objects.order_by("pk").values_list("series__slug", "state"))


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_sound_record_is_kept_with_its_head_which_leaves_with_the_log(
    history: list[ModelVersion], caplog: pytest.LogCaptureFixture
) -> None:
    newest = Decision.objects.get(number=6)
    with caplog.at_level(logging.INFO, logger="portal.registry"):
        outcome = record_audit(at=AT)
    stored = AuditOutcome.objects.get()
    assert (outcome, outcome.sound) == (stored, True)
    assert (stored.at, stored.sound, stored.faults, stored.decision_count, stored.model_count) == (AT, True, [], 6, 4)
    assert stored.head == f"6:{newest.sha256}"
    (line,) = [record for record in caplog.records if record.name == "portal.registry.daily_audit"]
    assert (line.levelname, f"sound, head 6:{newest.sha256}: 6 decisions" in line.message) == ("INFO", True)
    assert not Alert.objects.exists()


def test_a_record_without_decisions_is_sound_on_every_day(db: None) -> None:
    assert [record_audit(at=AT + number * DAY).sound for number in range(2)] == [True, True]
    assert set(AuditOutcome.objects.values_list("head_number", "head_sha256")) == {(0, "0" * 64)}


def test_decisions_taken_since_the_last_audit_leave_the_record_sound(
    history: list[ModelVersion], people: dict[str, User]
) -> None:
    record_audit(at=AT)
    approve_model(history[3], by=people["approver"], reason="better", at=AT)
    assert (record_audit(at=AT + DAY).told, Alert.objects.count()) == (
        "8 decisions about 4 models follow from each other",
        0,
    )


def test_an_altered_decision_mails_the_operators_and_a_repaired_record_resolves_it(
    history: list[ModelVersion], caplog: pytest.LogCaptureFixture
) -> None:
    good = record_audit(at=AT)
    alter("worse")
    broken = record_audit(at=AT + DAY)
    assert (broken.sound, len(broken.faults)) == (False, 1)
    assert "ERROR" in {record.levelname for record in caplog.records if good.head in record.message}
    alert = Alert.objects.select_related("series", "rule").get()
    assert (alert.series, alert.state, alert.severity, alert.fired_at) == (
        *(history[0].series, "firing", "fatal"),
        AT + DAY,
    )
    mail = OutboxMessage.objects.get()
    assert (mail.recipient, mail.subject) == (
        "olga@example.org",
        "[Gridcast] Fatal: victoria, the record of decisions is broken",
    )
    for body in (mail.text, mail.html):
        assert "decision 4 (reject victoria v3) is not what was recorded" in words(body)
        assert f"The record was last found sound at 2014-11-10 02:35Z, with head {good.head}" in words(body)
        assert "Tue 11 Nov 2014, 13:35 AEDT" in body
        assert f"/admin/alerts/alert/{alert.pk}/acknowledge/" in body
        assert "/admin/registry/auditoutcome/" in body
        assert f"/admin/registry/decision/?model__series__id__exact={alert.series_id}" in body
        assert "do not rely on what the portal says about who approved which model" in words(body)
    record_audit(at=AT + 2 * DAY)
    assert OutboxMessage.objects.count() == 1, "nothing new was found"

    alter("bad")
    assert record_audit(at=AT + 3 * DAY).sound
    alert.refresh_from_db()
    assert (alert.state, alert.resolved_at) == ("resolved", AT + 3 * DAY)
    resolved = OutboxMessage.objects.get(kind="resolved")
    assert (resolved.subject, resolved.in_reply_to) == (
        "[Gridcast] Resolved: victoria, the record of decisions is sound again",
        mail.message_id,
    )
    assert f"6 decisions about 4 models follow from each other (head {good.head})" in words(resolved.text)
    assert "Acknowledge" not in resolved.text + resolved.html


def test_newest_decisions_that_were_removed_with_their_traces_are_missed_until_they_are_back(
    history: list[ModelVersion],
) -> None:
    AlertRule.objects.filter(signal="audit_broken").update(series=history[0].series)
    record_audit(at=AT)
    tamper(*REMOVE)
    call_command("verify_audit")  # nothing in the database tells, but for what was kept
    fault = "decision 6 is missing: it was noted, and the chain ends at decision 4"
    assert [record_audit(at=AT + number * DAY).faults for number in (1, 2)] == [[fault], [fault]]
    assert alerts() == [(None, "firing")], "it may have been about any series, so a rule of one hears of it"
    mail = OutboxMessage.objects.get()
    assert mail.subject == "[Gridcast] Fatal: the record of decisions is broken"
    assert fault in words(mail.text)
    assert "About models of any series" in words(mail.text)
    assert "/admin/registry/decision/\n" in mail.text
    assert "Tue 11 Nov 2014, 02:35 UTC" in mail.text
    tamper(*PUT_BACK)
    assert record_audit(at=AT + 3 * DAY).sound
    assert alerts() == [(None, "resolved")]
    assert OutboxMessage.objects.get(kind="resolved").subject.endswith(
        "Resolved: the record of decisions is sound again"
    )


def test_a_record_rewritten_with_new_hashes_is_another_than_the_one_kept(history: list[ModelVersion]) -> None:
    record_audit(at=AT)
    tamper(
        "UPDATE registry_decision SET reason = 'worse' WHERE number = 6",
        "UPDATE registry_decision d SET sha256 = registry_decision_sha256(d) WHERE number = 6",
    )
    (fault,) = record_audit(at=AT + DAY).faults
    assert fault.startswith("decision 6 is another than the one noted")


def test_what_is_found_while_somebody_looks_after_a_break_is_told_again(
    history: list[ModelVersion], operator: User
) -> None:
    alter("worse")
    record_audit(at=AT)
    acknowledge_alert(Alert.objects.get(), by=operator, at=AT)
    record_audit(at=AT + DAY)
    assert (alerts(), OutboxMessage.objects.count()) == ([("victoria", "acknowledged")], 1)
    tamper("UPDATE registry_modelversion SET status = 'candidate' WHERE version = 3")
    record_audit(at=AT + 2 * DAY)
    assert (alerts(), OutboxMessage.objects.count()) == ([("victoria", "firing")], 2)
    assert "victoria v3 is candidate" in Alert.objects.get().message


def test_each_series_has_its_alert_and_none_resolves_before_the_whole_record_is_sound(
    history: list[ModelVersion], candidate: Register, make_series: Callable[..., Series]
) -> None:
    candidate("e", of=make_series("england-wales"))
    alter("worse")
    record_audit(at=AT)
    approved = "UPDATE registry_modelversion SET status = {} WHERE version = 1 AND series_id <> %s"
    with tampering() as execute:
        execute(ALTER, ["bad"])
        execute(approved.format("'rejected'"), [history[0].series_id])
    record_audit(at=AT + DAY)
    assert alerts() == [("victoria", "firing"), ("england-wales", "firing")]
    with tampering() as execute:
        execute(approved.format("'candidate'"), [history[0].series_id])
    record_audit(at=AT + 2 * DAY)
    assert alerts() == [("victoria", "resolved"), ("england-wales", "resolved")]


def test_a_rule_of_another_series_does_not_hear_of_it(
    history: list[ModelVersion], make_series: Callable[..., Series]
) -> None:
    AlertRule.objects.filter(signal="audit_broken").update(series=make_series("england-wales"))
    alter("worse")
    assert not record_audit(at=AT).sound
    assert alerts() == []


def test_hundreds_of_faults_are_all_kept_and_the_mail_stays_readable(candidate: Register) -> None:
    for number in range(25):
        candidate(f"key-{number}")
    tamper("UPDATE registry_modelversion SET status = 'rejected'")
    assert len(record_audit(at=AT).faults) == 25
    text = OutboxMessage.objects.get().text
    assert "victoria v20 is rejected" in text
    assert "victoria v21 is rejected" not in text
    assert "and 5 more, which the audit lists" in text


def test_an_audit_that_cannot_be_done_is_not_taken_for_sound(history: list[ModelVersion]) -> None:
    good = record_audit(at=AT)
    tamper("UPDATE registry_decision SET at = 'infinity' WHERE number = 4")
    outcome = record_audit(at=AT + DAY)
    assert (outcome.sound, outcome.head, outcome.decision_count) == (False, "", None)
    (fault,) = outcome.faults
    assert fault.startswith("the audit could not be done: DataError: ")
    assert alerts() == [(None, "firing")]
    assert f"with head {good.head}" in words(OutboxMessage.objects.get().text)


def test_an_audit_that_cannot_be_kept_leaves_nothing(history: list[ModelVersion]) -> None:
    alter("worse")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE alerts_outboxmessage ADD CONSTRAINT full_disk CHECK (id IS NULL)")
    with pytest.raises(IntegrityError, match="full_disk"), transaction.atomic():
        record_audit(at=AT)
    assert not AuditOutcome.objects.exists()
    assert not Alert.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_audits_at_once_are_each_kept_and_alert_once(history: list[ModelVersion]) -> None:
    record_audit(at=AT)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(ALTER, ["worse"])
    barrier = Barrier(4)

    def beat(number: int) -> bool:
        barrier.wait()
        try:
            return record_audit(at=AT + DAY).sound
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(beat, range(4))) == [False] * 4
    assert (AuditOutcome.objects.filter(sound=False).count(), alerts()) == (4, [("victoria", "firing")])
    assert OutboxMessage.objects.count() == 1


def test_celery_audits_once_a_day_in_utc(history: list[ModelVersion]) -> None:
    (schedule,) = [
        entry["schedule"]
        for entry in celery_app.conf.beat_schedule.values()
        if entry["task"] == "portal.registry.tasks.audit_decisions"
    ]
    assert isinstance(schedule, crontab)
    assert (len(schedule.hour), len(schedule.minute), len(schedule.day_of_month), len(schedule.day_of_week)) == (
        *(1, 1),
        *(31, 7),
    )
    assert str(celery_app.conf.timezone) == "UTC"
    assert celery_app.tasks["portal.registry.tasks.audit_decisions"] is not None
    assert audit_decisions() is True
    assert AuditOutcome.objects.get().decision_count == 6


@pytest.mark.parametrize(
    "statement", ["UPDATE registry_auditoutcome SET faults = '{}'", "DELETE FROM registry_auditoutcome"]
)
def test_what_was_found_can_be_neither_changed_nor_deleted(history: list[ModelVersion], statement: str) -> None:
    record_audit(at=AT)
    with (
        pytest.raises(IntegrityError, match="is part of the record and cannot be changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"decision_count": 5, "model_count": 4, "head_number": 6, "head_sha256": "a" * 64}, "has_no_holes"),
        ({"decision_count": 6, "model_count": 4, "head_number": 6, "head_sha256": "A" * 64}, "is_whole"),
        ({}, "is_whole"),
    ],
)
def test_the_database_takes_nothing_unsound_for_sound(db: None, facts: dict[str, Any], rule: str) -> None:
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        AuditOutcome.objects.create(at=AT, **facts)
