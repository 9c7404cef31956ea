"""The mail about the record of decisions about models, which an audit found broken, or sound again."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from portal.alerts.channels.email.content import EmailContent, Moment, compose, list_url, url
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.series.models import Series


def render_decisions(
    rule: AlertRule, series: Series | None, *, alert: Alert, kind: OutboxMessage.Kind, at: datetime
) -> EmailContent:
    """The mail about `alert`, of the decisions about the models of `series` (None: of all), at the time of an audit."""
    fired = kind == OutboxMessage.Kind.FIRED
    title = "the record of decisions is broken" if fired else "the record of decisions is sound again"
    timezone = ZoneInfo(series.timezone if series else "UTC")
    narrowed = {"model__series__id__exact": series.pk} if series else {}
    facts = {
        "fired": fired,
        "fatal": alert.severity == AlertRule.Severity.FATAL,
        "severity": alert.get_severity_display().lower(),
        "rule": rule,
        "series": series,
        "title": title,
        "message": alert.message,
        "at": Moment.of(at, timezone),
        "timezone": timezone.key,
        "pages": [
            ("Audits", list_url("admin:registry_auditoutcome_changelist")),
            ("Decisions", list_url("admin:registry_decision_changelist", **narrowed)),
        ],
        "alert_url": url("admin:alerts_alert_acknowledge", alert.pk),
        "rule_url": url("admin:alerts_alertrule_change", rule.pk),
    }
    severity = str(alert.get_severity_display()) if fired else "Resolved"
    about = f"{series.slug}, {title}" if series else title
    return compose("decisions", subject=f"{severity}: {about}", facts=facts)
