"""What changes rules and alerts. A mail is enqueued in the transaction that changes the alert it tells of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from portal.alerts.channels.email import render_checks, render_decisions, render_forecasts, render_ingest
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.alerts.outbox import enqueue
from portal.core.permissions import require

if TYPE_CHECKING:
    from portal.quality.models import CheckResult, CheckRun
    from portal.series.models import IngestRun, Series

logger = logging.getLogger(__name__)

DEFAULT_RULES = {
    AlertRule.Signal.CHECK_FAILED: "A failed check mails the operators",
    AlertRule.Signal.INGEST_FAILED: "A source that cannot be read mails the operators",
    AlertRule.Signal.DEADLINE_NEAR: "A deadline with nothing published mails the operators",
    AlertRule.Signal.ACCURACY_LOST: "Forecasts that become worse mail the operators",
    AlertRule.Signal.AUDIT_BROKEN: "A broken record of decisions mails the operators",
}

SIGNALS_WITHOUT_RUN = {
    AlertRule.Signal.DEADLINE_NEAR: (Alert.PUBLICATION, "deadline", AlertRule.Severity.FATAL),
    AlertRule.Signal.ACCURACY_LOST: (Alert.ACCURACY, "rolling accuracy", AlertRule.Severity.WARNING),
    AlertRule.Signal.AUDIT_BROKEN: (Alert.AUDIT, "record of decisions", AlertRule.Severity.FATAL),
}
"""Signal → what stands in the place of an engine, of a check's name, and the severity."""


class AlertError(Exception):
    """An operation on alerts that was refused; the message says why and is fit to be shown."""


class NotFiring(AlertError):
    """Only a firing alert can be acknowledged."""


def ensure_default_rules() -> list[AlertRule]:
    """A rule per signal that mails the operators, each made where no rule for its signal exists yet."""
    return [
        AlertRule.objects.filter(signal=signal).order_by("pk").first()
        or AlertRule.objects.create(signal=signal, name=name)
        for signal, name in DEFAULT_RULES.items()
    ]


def change_rule(rule: AlertRule, *, by: User, changes: Mapping[str, Any]) -> AlertRule:
    """Change validated fields of a rule; who did it stays in the rule's history. Raises NotPermitted."""
    require(by, "alerts.change_alertrule", doing="change alert rules")
    with transaction.atomic():
        locked = AlertRule.objects.select_for_update(no_key=True).get(pk=rule.pk)
        for name, value in changes.items():
            setattr(locked, name, value)
        locked._history_user = by  # type: ignore[attr-defined]  # where simple_history looks for it
        locked.save()
    return locked


def require_firing(alert: Alert) -> None:
    """Raise NotFiring, with what became of `alert`, unless somebody still has to look after it."""
    if alert.state != Alert.State.FIRING:
        by = f" by {alert.acknowledged_by}" if alert.state == Alert.State.ACKNOWLEDGED else ""
        raise NotFiring(f"The alert about {alert.about} is {alert.state}{by}, not firing.")


def acknowledge_alert(alert: Alert, *, by: User, at: datetime) -> Alert:
    """Say that somebody looks after a firing alert. Raises NotPermitted, NotFiring."""
    require(by, "alerts.acknowledge_alert", doing="acknowledge alerts")
    with transaction.atomic():
        alerts = Alert.objects.select_related("series", "source")
        locked = alerts.select_for_update(of=("self",), no_key=True).get(pk=alert.pk)
        require_firing(locked)
        locked.state = Alert.State.ACKNOWLEDGED
        locked.acknowledged_by = by
        locked.acknowledged_at = at
        locked.save(update_fields=("state", "acknowledged_by", "acknowledged_at"))
    return locked


def evaluate_check_run(run: CheckRun, *, at: datetime) -> None:
    """Fire and resolve alerts by the results of a run. To be called in the transaction that records the run.

    A check that fails again leaves its open alert alone. A run resolves an alert only if it saw the data as of the same
    time as the newest failure or later: the replay of a good past day says nothing about today.
    """
    results = list(run.results.all())
    scope = Q(enabled=True, signal=AlertRule.Signal.CHECK_FAILED) & (Q(series=None) | Q(series=run.series_id))
    # A rule that was disabled or narrowed since still has its open alerts resolved.
    open_here = _open_about_checks(run)
    rules = AlertRule.objects.filter(scope | Q(pk__in=open_here.values("rule")))
    for rule in rules.select_for_update(no_key=True).order_by("pk"):
        asked = rule.enabled and rule.signal == AlertRule.Signal.CHECK_FAILED
        in_scope = asked and rule.series_id in (None, run.series_id)
        _apply_rule(rule, run, results, in_scope=in_scope, at=at)


def _open_about_checks(run: CheckRun) -> QuerySet[Alert]:
    """Those about the forecasts of the series are none."""
    about_checks = Alert.objects.filter(series=run.series_id, first_run__isnull=False)
    return about_checks.exclude(state=Alert.State.RESOLVED)


def _apply_rule(rule: AlertRule, run: CheckRun, results: list[CheckResult], *, in_scope: bool, at: datetime) -> None:
    open_alerts = {
        (alert.engine, alert.check_name): alert
        for alert in _open_about_checks(run).filter(rule=rule).select_related("latest_run")
    }
    fired: list[Alert] = []
    resolved: list[Alert] = []
    for result in results:
        alert = open_alerts.get((result.engine, result.name))
        if result.status in (result.Status.FAILED, result.Status.ERROR):
            if alert is not None:
                _fail_again(alert, run, result)
            elif in_scope and _severe_enough(result, rule):
                fired.append(_fire(rule, run, result, at=at))
        elif result.status == result.Status.PASSED and alert is not None and run.as_of >= alert.latest_run.as_of:
            resolved.append(_resolve(alert, run, at=at))
    if fired:
        _mail_about_checks(rule, run, fired, OutboxMessage.Kind.FIRED, at=at)
    if resolved and rule.enabled:
        _mail_about_checks(rule, run, resolved, OutboxMessage.Kind.RESOLVED, at=at)


def _mail_about_checks(
    rule: AlertRule, run: CheckRun, alerts: list[Alert], kind: OutboxMessage.Kind, *, at: datetime
) -> None:
    enqueue(rule, render_checks(rule, run, alerts=alerts, kind=kind), alerts=alerts, kind=kind, at=at)


def _severe_enough(result: CheckResult, rule: AlertRule) -> bool:
    return result.severity == AlertRule.Severity.FATAL or rule.minimum_severity == AlertRule.Severity.WARNING


def _fire(rule: AlertRule, run: CheckRun, result: CheckResult, *, at: datetime) -> Alert:
    return Alert.objects.create(
        rule=rule,
        series_id=run.series_id,
        engine=result.engine,
        check_name=result.name,
        severity=result.severity,
        first_run=run,
        latest_run=run,
        fired_at=at,
    )


def _fail_again(alert: Alert, run: CheckRun, result: CheckResult) -> None:
    if run.as_of >= alert.latest_run.as_of:
        alert.latest_run = run
        alert.severity = result.severity
        alert.save(update_fields=("latest_run", "severity"))


def _resolve(alert: Alert, run: CheckRun, *, at: datetime) -> Alert:
    alert.state = Alert.State.RESOLVED
    alert.resolved_by = run
    alert.resolved_at = at
    alert.save(update_fields=("state", "resolved_by", "resolved_at"))
    return alert


def evaluate_ingest_run(run: IngestRun, *, at: datetime) -> None:
    """Fire and resolve alerts by the end of an ingest run. To be called in the transaction that ends the run.

    A source has one open alert per rule. A run that is done resolves it only if it read the source as of the same time
    as the newest failure or later: a backfill of a good past day says nothing about today.
    """
    scope = Q(enabled=True, signal=AlertRule.Signal.INGEST_FAILED) & (Q(source=None) | Q(source=run.source_id))
    open_here = Alert.objects.filter(source=run.source_id).exclude(state=Alert.State.RESOLVED)
    # A rule that was disabled or narrowed since still has its open alert resolved.
    rules = AlertRule.objects.filter(scope | Q(pk__in=open_here.values("rule")))
    for rule in rules.select_for_update(no_key=True).order_by("pk"):
        in_scope = rule.enabled and rule.source_id in (None, run.source_id)
        alert = open_here.filter(rule=rule).select_related("latest_ingest").first()
        if run.state == run.State.FAILED:
            if alert is not None:
                _fail_to_read_again(alert, run)
            elif in_scope:
                _mail_about_ingest(rule, run, _fire_about(rule, run, at=at), OutboxMessage.Kind.FIRED, at=at)
        elif alert is not None and run.as_of >= _newest_failure(alert):
            _resolve_by_ingest(alert, run, at=at)
            if rule.enabled:
                _mail_about_ingest(rule, run, alert, OutboxMessage.Kind.RESOLVED, at=at)


def _fire_about(rule: AlertRule, run: IngestRun, *, at: datetime) -> Alert:
    return Alert.objects.create(
        rule=rule,
        source=run.source,
        severity=AlertRule.Severity.FATAL,
        message=run.error,
        first_ingest=run,
        latest_ingest=run,
        fired_at=at,
    )


def _fail_to_read_again(alert: Alert, run: IngestRun) -> None:
    if run.as_of >= _newest_failure(alert):
        alert.latest_ingest, alert.message = run, run.error
        alert.save(update_fields=("latest_ingest", "message"))


def _resolve_by_ingest(alert: Alert, run: IngestRun, *, at: datetime) -> None:
    alert.state = Alert.State.RESOLVED
    alert.resolved_by_ingest, alert.resolved_at = run, at
    alert.save(update_fields=("state", "resolved_by_ingest", "resolved_at"))


def _newest_failure(alert: Alert) -> datetime:
    return alert.latest_ingest.as_of


def _mail_about_ingest(
    rule: AlertRule, run: IngestRun, alert: Alert, kind: OutboxMessage.Kind, *, at: datetime
) -> None:
    enqueue(rule, render_ingest(rule, run, alert=alert, kind=kind), alerts=[alert], kind=kind, at=at)


def evaluate_forecasts(
    signal: AlertRule.Signal, series: Series, *, failing: bool, message: str, at: datetime, occasion: str = ""
) -> list[Alert]:
    """Fire or resolve the alerts about the forecasts of `series`, one open alert per rule.

    To be called in the transaction of the facts that say so; the mails are written in it. `message` says what is wrong,
    or why all is well again; `at` is the time of the facts. An open alert whose `occasion` was another fires again,
    whoever looked after it then. Returns the alerts that were fired, fired again or resolved.
    """
    return _evaluate(signal, series, failing=failing, message=message, at=at, occasion=occasion)


def evaluate_decisions(
    series: Series | None, *, failing: bool, message: str, at: datetime, occasion: str = ""
) -> list[Alert]:
    """As `evaluate_forecasts`, of the record of decisions about the models of `series`.

    None is the whole record. A fault in it may be about any series, so rules that are narrowed to one hear of it too.
    """
    signal = AlertRule.Signal.AUDIT_BROKEN
    return _evaluate(signal, series, failing=failing, message=message, at=at, occasion=occasion)


def _evaluate(
    signal: AlertRule.Signal, series: Series | None, *, failing: bool, message: str, at: datetime, occasion: str
) -> list[Alert]:
    engine, name, severity = SIGNALS_WITHOUT_RUN[signal]
    scope = Q(enabled=True, signal=signal)
    if series is not None:
        scope &= Q(series=None) | Q(series=series)
    open_here = Alert.objects.filter(series=series, engine=engine, check_name=name, first_run=None).exclude(
        state=Alert.State.RESOLVED
    )
    changed = []
    rules = AlertRule.objects.filter(scope | Q(pk__in=open_here.values("rule")))
    for rule in rules.select_for_update(no_key=True).order_by("pk"):
        concerned = series is None or rule.series_id in (None, series.pk)
        in_scope = rule.enabled and rule.signal == signal and concerned
        alert = open_here.filter(rule=rule).first()
        if failing and alert is not None:
            if _fail_once_more(alert, message=message, occasion=occasion, in_scope=in_scope):
                _mail_about(rule, alert, series, OutboxMessage.Kind.FIRED, at=at)
                changed.append(alert)
        elif failing and in_scope:
            facts = {"engine": engine, "check_name": name, "severity": severity, "message": message}
            fired = Alert.objects.create(rule=rule, series=series, fired_at=at, occasion=occasion, **facts)
            _mail_about(rule, fired, series, OutboxMessage.Kind.FIRED, at=at)
            changed.append(fired)
        elif not failing and alert is not None:
            alert.state, alert.resolved_at, alert.message = Alert.State.RESOLVED, at, message
            alert.save(update_fields=("state", "resolved_at", "message"))
            if rule.enabled:
                later = alert.occasion != occasion
                _mail_about(rule, alert, series, OutboxMessage.Kind.RESOLVED, at=at, later=later)
            changed.append(alert)
    return changed


def _fail_once_more(alert: Alert, *, message: str, occasion: str, in_scope: bool) -> bool:
    """Whether people are to hear of it: the first time on an occasion."""
    tell = in_scope and alert.occasion != occasion
    alert.message, alert.occasion = message, occasion
    if tell:
        alert.state, alert.acknowledged_by, alert.acknowledged_at = Alert.State.FIRING, None, None
    alert.save(update_fields=("message", "occasion", "state", "acknowledged_by", "acknowledged_at"))
    return tell


def _mail_about(
    rule: AlertRule, alert: Alert, series: Series | None, kind: OutboxMessage.Kind, *, at: datetime, later: bool = False
) -> None:
    if series is None or alert.engine == Alert.AUDIT:
        content = render_decisions(rule, series, alert=alert, kind=kind, at=at)
    else:
        content = render_forecasts(rule, series, alert=alert, kind=kind, at=at, later=later)
    enqueue(rule, content, alerts=[alert], kind=kind, at=at)
