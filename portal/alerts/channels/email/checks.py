"""The mail about checks, to somebody who is woken by it: what failed, by how much, what it means, where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from portal.alerts.channels.email.content import EmailContent, Moment, compose, url
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.quality.models import shown

if TYPE_CHECKING:
    from portal.quality.models import CheckResult, CheckRun


@dataclass(frozen=True)
class CheckLine:
    """One check as the mail shows it."""

    name: str
    engine: str
    severity: str
    outcome: str
    value: str
    threshold: str
    message: str
    alert_url: str


def render_checks(rule: AlertRule, run: CheckRun, *, alerts: Sequence[Alert], kind: OutboxMessage.Kind) -> EmailContent:
    """The mail about `alerts` of one run of one series that `rule` fired or saw resolved."""
    results = {(result.engine, result.name): result for result in run.results.all()}
    checks = [_line(alert, results[alert.engine, alert.check_name]) for alert in alerts]
    fatal = any(alert.severity == AlertRule.Severity.FATAL for alert in alerts)
    timezone = ZoneInfo(str(run.series.timezone))
    run_url = url("admin:quality_checkrun_change", run.pk)
    facts = {
        "fired": kind == OutboxMessage.Kind.FIRED,
        "fatal": fatal,
        "severity": "fatal" if fatal else "warning",
        "rule": rule,
        "series": run.series,
        "run": run,
        "timezone": timezone.key,
        "start": Moment.of(run.period_start, timezone),
        "end": Moment.of(run.period_end, timezone),
        "as_of": Moment.of(run.as_of, timezone),
        "checks": checks,
        "run_url": run_url,
        "reports_url": f"{run_url}#reports-group",
        "rule_url": url("admin:alerts_alertrule_change", rule.pk),
    }
    return compose("checks", subject=_subject(run, checks, fatal=fatal, kind=kind), facts=facts)


def _subject(run: CheckRun, checks: Sequence[CheckLine], *, fatal: bool, kind: OutboxMessage.Kind) -> str:
    what = f"check {checks[0].name}" if len(checks) == 1 else f"{len(checks)} checks"
    if kind == OutboxMessage.Kind.RESOLVED:
        return f"Resolved: {run.series.slug}, {what} {'passes' if len(checks) == 1 else 'pass'} again"
    return f"{'Fatal' if fatal else 'Warning'}: {run.series.slug}, {what} failed"


def _line(alert: Alert, result: CheckResult) -> CheckLine:
    return CheckLine(
        name=result.name,
        engine=result.engine,
        severity=result.get_severity_display(),
        outcome="could not be run" if result.status == result.Status.ERROR else result.get_status_display().lower(),
        value=shown(result.value),
        threshold=shown(result.threshold),
        message=result.message,
        alert_url=url("admin:alerts_alert_acknowledge", alert.pk),
    )
