"""When an alert fires, whom it is for, and when it resolves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction

from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.alerts.operations import (
    DEFAULT_RULES,
    NotFiring,
    acknowledge_alert,
    change_rule,
    ensure_default_rules,
)
from portal.alerts.queries import recipients
from portal.core.permissions import NotPermitted
from portal.quality.models import CheckRun
from portal.quality.operations import Finding
from portal.series.models import Series

AT = datetime(2014, 10, 10, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
Check = Callable[..., CheckRun]


def test_a_failed_fatal_check_fires_an_alert_and_writes_a_mail(check: Check, rule: AlertRule) -> None:
    run = check("failed")
    alert = Alert.objects.get()
    assert (alert.rule, alert.series, alert.check_name) == (rule, run.series, "missing_share")
    assert (alert.state, alert.severity, alert.fired_at, alert.first_run) == ("firing", "fatal", AT, run)
    message = OutboxMessage.objects.get()
    assert (message.recipient, message.sent_at, message.next_attempt_at) == ("olga@example.org", None, AT)
    assert list(message.alerts.all()) == [alert]


def test_a_fatal_check_that_could_not_be_run_fires_too(check: Check, rule: AlertRule) -> None:
    check("error")
    assert Alert.objects.get().state == "firing"
    assert "could not be run" in OutboxMessage.objects.get().text


@pytest.mark.parametrize("status", ["passed", "skipped"])
def test_a_check_that_did_not_fail_fires_nothing(check: Check, rule: AlertRule, status: str) -> None:
    check(status)
    assert not Alert.objects.exists()


@pytest.mark.parametrize(("minimum", "alerts"), [("fatal", 0), ("warning", 1)])
def test_a_warning_fires_only_rules_that_ask_for_warnings(
    check: Check, rule: AlertRule, minimum: str, alerts: int
) -> None:
    AlertRule.objects.update(minimum_severity=minimum)
    check("failed", severity="warning")
    assert Alert.objects.count() == alerts


def test_a_disabled_rule_fires_nothing(check: Check, rule: AlertRule) -> None:
    AlertRule.objects.update(enabled=False)
    check("failed")
    assert not Alert.objects.exists()


def test_a_rule_of_another_series_fires_nothing(
    check: Check, rule: AlertRule, make_series: Callable[..., Series]
) -> None:
    AlertRule.objects.filter(pk=rule.pk).update(series=make_series("england-wales"))
    check("failed")
    assert not Alert.objects.exists()


def test_a_check_that_fails_again_adds_neither_alert_nor_mail(check: Check, rule: AlertRule) -> None:
    check("failed")
    newer = check("failed", as_of=AT + HOUR)
    assert Alert.objects.get().latest_run == newer
    assert OutboxMessage.objects.count() == 1


def test_one_mail_tells_of_all_checks_that_failed_in_a_run(check: Check, rule: AlertRule) -> None:
    other = Finding(engine="builtin", name="flat_line", status="failed", severity="fatal", value=48, threshold=8)
    check("failed", extra=(other,))
    assert Alert.objects.count() == 2
    message = OutboxMessage.objects.get()
    assert message.subject == "[Gridcast] Fatal: victoria, 2 checks failed"
    assert "missing_share" in message.text
    assert "flat_line" in message.text


def test_a_later_pass_resolves_with_one_mail_in_the_same_thread(check: Check, rule: AlertRule) -> None:
    check("failed")
    passing = check("passed", as_of=AT + HOUR)
    check("passed", as_of=AT + 2 * HOUR)
    alert = Alert.objects.get()
    assert (alert.state, alert.resolved_by, alert.resolved_at) == ("resolved", passing, AT + HOUR)
    fired, resolved = OutboxMessage.objects.order_by("pk")
    assert resolved.kind == "resolved"
    assert resolved.in_reply_to == fired.message_id
    assert resolved.subject == "[Gridcast] Resolved: victoria, check missing_share passes again"


def test_a_failure_after_the_resolution_is_a_new_alert(check: Check, rule: AlertRule) -> None:
    check("failed")
    check("passed", as_of=AT + HOUR)
    check("failed", as_of=AT + 2 * HOUR)
    assert list(Alert.objects.order_by("pk").values_list("state", flat=True)) == ["resolved", "firing"]
    assert OutboxMessage.objects.count() == 3


def test_the_replay_of_a_good_past_day_resolves_nothing(check: Check, rule: AlertRule) -> None:
    check("failed")
    check("passed", as_of=AT - timedelta(days=30))
    assert Alert.objects.get().state == "firing"


def test_a_pass_as_of_the_same_time_resolves_since_the_data_were_repaired(check: Check, rule: AlertRule) -> None:
    check("failed")
    check("passed")
    assert Alert.objects.get().state == "resolved"


def test_a_skipped_check_does_not_resolve(check: Check, rule: AlertRule) -> None:
    check("failed")
    check("skipped", as_of=AT + HOUR)
    assert Alert.objects.get().state == "firing"


def test_the_alert_of_a_rule_disabled_since_resolves_in_silence(check: Check, rule: AlertRule) -> None:
    check("failed")
    AlertRule.objects.update(enabled=False)
    check("passed", as_of=AT + HOUR)
    assert Alert.objects.get().state == "resolved"
    assert OutboxMessage.objects.count() == 1


def test_alert_and_mail_vanish_with_a_run_that_was_not_recorded(check: Check, rule: AlertRule) -> None:
    def record_and_fail() -> None:
        with transaction.atomic():
            check("failed")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        record_and_fail()
    assert not CheckRun.objects.exists()
    assert not OutboxMessage.objects.exists()


def test_nobody_to_mail_still_leaves_the_alert(check: Check, rule: AlertRule, operator: User) -> None:
    operator.is_active = False
    operator.save()
    check("failed")
    assert Alert.objects.get().state == "firing"
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_ten_failed_runs_at_once_open_one_alert_and_write_one_mail(check: Check, rule: AlertRule) -> None:
    def record(minutes: int) -> None:
        try:
            check("failed", as_of=AT + timedelta(minutes=minutes))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(record, range(10)))
    assert CheckRun.objects.count() == 10
    assert Alert.objects.get().latest_run.as_of == AT + timedelta(minutes=9)
    assert OutboxMessage.objects.count() == 1


def test_a_second_open_alert_of_the_same_check_is_refused_by_the_database(check: Check, rule: AlertRule) -> None:
    check("failed")
    alert = Alert.objects.get()
    alert.pk = None
    with pytest.raises(IntegrityError, match="alerts_one_open_alert_per_check"), transaction.atomic():
        alert.save(force_insert=True)


def test_an_acknowledged_alert_names_who_looks_after_it_and_still_resolves(
    check: Check, rule: AlertRule, operator: User
) -> None:
    check("failed")
    alert = acknowledge_alert(Alert.objects.get(), by=operator, at=AT + HOUR)
    assert (alert.state, alert.acknowledged_by, alert.acknowledged_at) == ("acknowledged", operator, AT + HOUR)
    check("failed", as_of=AT + 2 * HOUR)
    assert OutboxMessage.objects.count() == 1
    check("passed", as_of=AT + 3 * HOUR)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("resolved", operator)


def test_only_a_firing_alert_can_be_acknowledged(check: Check, rule: AlertRule, operator: User) -> None:
    check("failed")
    alert = Alert.objects.get()
    acknowledge_alert(alert, by=operator, at=AT)
    with pytest.raises(NotFiring, match="acknowledged by olga, not firing"):
        acknowledge_alert(alert, by=operator, at=AT + HOUR)
    assert Alert.objects.get().acknowledged_at == AT


def test_acknowledging_needs_the_permission(check: Check, rule: AlertRule, pipeline: User) -> None:
    check("failed")
    with pytest.raises(NotPermitted, match=r"alerts\.acknowledge_alert"):
        acknowledge_alert(Alert.objects.get(), by=pipeline, at=AT)


def test_recipients_are_active_operators_and_named_addresses_each_once(rule: AlertRule, operator: User) -> None:
    for name, active, email in (("omar", True, "omar@example.org"), ("gone", False, "gone@x.org"), ("none", True, "")):
        User.objects.create_user(name, email, is_active=active).groups.add(*operator.groups.all())
    rule.addresses = ["desk@example.org", "OLGA@example.org"]
    assert recipients(rule) == ["desk@example.org", "OLGA@example.org", "omar@example.org"]
    rule.notify_operators = False
    assert recipients(rule) == ["desk@example.org", "OLGA@example.org"]


def test_a_default_rule_per_signal_is_made_once_and_a_changed_one_is_kept(db: None) -> None:
    rules = ensure_default_rules()
    assert {rule.signal: rule.name for rule in rules} == DEFAULT_RULES
    for rule in rules:
        assert (rule.enabled, rule.series, rule.source, rule.notify_operators) == (True, None, None, True)
    AlertRule.objects.filter(signal="check_failed").update(name="Ours", enabled=False)
    assert [rule.name for rule in ensure_default_rules()] == ["Ours", *list(DEFAULT_RULES.values())[1:]]
    assert AlertRule.objects.count() == len(DEFAULT_RULES)


def test_a_change_of_a_rule_keeps_who_changed_what(rule: AlertRule, operator: User, pipeline: User) -> None:
    change_rule(rule, by=operator, changes={"enabled": False})
    newest, oldest = rule.history.all()
    assert (newest.enabled, newest.history_user) == (False, operator)
    assert oldest.enabled is True
    with pytest.raises(NotPermitted):
        change_rule(rule, by=pipeline, changes={"enabled": True})


def test_an_enabled_rule_that_mails_nobody_is_refused(rule: AlertRule) -> None:
    rule.notify_operators = False
    with pytest.raises(ValidationError, match="needs somebody to mail"):
        rule.full_clean()
    with pytest.raises(IntegrityError, match="alerts_enabled_rule_has_recipients"), transaction.atomic():
        rule.save()
