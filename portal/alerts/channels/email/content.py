"""What an alert mail says, to somebody who is woken by it: what failed, by how much, what it means, where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template import Context, Engine
from django.urls import reverse

from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.quality.models import shown

if TYPE_CHECKING:
    from portal.quality.models import CheckResult, CheckRun

_ENGINE = Engine(dirs=[str(Path(__file__).parent / "templates")])
_SUBJECT_LENGTH = 180


@dataclass(frozen=True)
class EmailContent:
    """A mail's subject and its two bodies."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Moment:
    """One time on the series' own clock and in UTC."""

    local: str
    utc: str

    @classmethod
    def of(cls, when: datetime, timezone: ZoneInfo) -> Moment:
        local = when.astimezone(timezone)
        return cls(f"{local:%a %d %b %Y, %H:%M} {local:%Z}", f"{when.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M}Z")


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


def render(rule: AlertRule, run: CheckRun, *, alerts: Sequence[Alert], kind: OutboxMessage.Kind) -> EmailContent:
    """The mail about `alerts` of one run of one series that `rule` fired or saw resolved."""
    results = {(result.engine, result.name): result for result in run.results.all()}
    checks = [_line(alert, results[alert.engine, alert.check_name]) for alert in alerts]
    fatal = any(alert.severity == AlertRule.Severity.FATAL for alert in alerts)
    timezone = ZoneInfo(str(run.series.timezone))
    run_url = _url("admin:quality_checkrun_change", run.pk)
    context: dict[str, Any] = {
        "subject": _subject(run, checks, fatal=fatal, kind=kind),
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
        "rule_url": _url("admin:alerts_alertrule_change", rule.pk),
    }
    return EmailContent(
        context["subject"],
        _ENGINE.get_template("alert.txt").render(Context(context, autoescape=False)).strip() + "\n",
        _ENGINE.get_template("alert.html").render(Context(context)),
    )


def _subject(run: CheckRun, checks: Sequence[CheckLine], *, fatal: bool, kind: OutboxMessage.Kind) -> str:
    what = f"check {checks[0].name}" if len(checks) == 1 else f"{len(checks)} checks"
    if kind == OutboxMessage.Kind.RESOLVED:
        subject = f"[Gridcast] Resolved: {run.series.slug}, {what} {'passes' if len(checks) == 1 else 'pass'} again"
    else:
        subject = f"[Gridcast] {'Fatal' if fatal else 'Warning'}: {run.series.slug}, {what} failed"
    # A check's name comes from outside: whatever it holds, the header stays one line of bearable length.
    subject = " ".join(subject.split())
    return subject if len(subject) <= _SUBJECT_LENGTH else subject[: _SUBJECT_LENGTH - 1] + "…"


def _line(alert: Alert, result: CheckResult) -> CheckLine:
    return CheckLine(
        name=result.name,
        engine=result.engine,
        severity=result.get_severity_display(),
        outcome="could not be run" if result.status == result.Status.ERROR else result.get_status_display().lower(),
        value=shown(result.value),
        threshold=shown(result.threshold),
        message=result.message,
        alert_url=_url("admin:alerts_alert_acknowledge", alert.pk),
    )


def _url(view: str, pk: int) -> str:
    return settings.PORTAL_PUBLIC_URL.rstrip("/") + reverse(view, args=(pk,))
