"""The mail about the forecasts of a series: a deadline with nothing published, or accuracy that was lost."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from portal.alerts.channels.email.content import EmailContent, Moment, compose, list_url, url
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.series.models import Series

_TITLES = {
    Alert.PUBLICATION: ("nothing published before the deadline", "published after all", "published in time again"),
    Alert.ACCURACY: ("forecasts are worse than expected", *["forecasts are as good as expected again"] * 2),
}
"""Engine → titles: fired, resolved, resolved on a later occasion than it was fired for."""


def render_forecasts(
    rule: AlertRule, series: Series, *, alert: Alert, kind: OutboxMessage.Kind, at: datetime, later: bool = False
) -> EmailContent:
    """The mail about `alert`, of the forecasts of `series`, which `rule` fired or saw resolved at a time.

    `later`: what resolved it is of a later occasion than what fired it.
    """
    fired = kind == OutboxMessage.Kind.FIRED
    title = _TITLES[alert.engine][0 if fired else 1 + later]
    fatal = alert.severity == AlertRule.Severity.FATAL
    timezone = ZoneInfo(series.timezone)
    facts = {
        "fired": fired,
        "later": later,
        "fatal": fatal,
        "severity": alert.get_severity_display().lower(),
        "rule": rule,
        "series": series,
        "title": title,
        "message": alert.message,
        "about_publication": alert.engine == Alert.PUBLICATION,
        "at": Moment.of(at, timezone),
        "timezone": timezone.key,
        "pages": _pages(alert.engine, series),
        "alert_url": url("admin:alerts_alert_acknowledge", alert.pk),
        "rule_url": url("admin:alerts_alertrule_change", rule.pk),
    }
    severity = str(alert.get_severity_display()) if fired else "Resolved"
    return compose("forecasts", subject=f"{severity}: {series.slug}, {title}", facts=facts)


def _pages(engine: str, series: Series) -> list[tuple[str, str]]:
    ledger = list_url("admin:forecasts_forecastrun_changelist", series__id__exact=series.pk)
    if engine == Alert.ACCURACY:
        return [("Accuracy", url("admin:forecasts_forecastscore_accuracy", series.slug)), ("Ledger", ledger)]
    deadlines = list_url("admin:forecasts_deadlinerecord_changelist", series__id__exact=series.pk)
    return [("Deadlines", deadlines), ("Ledger", ledger)]
