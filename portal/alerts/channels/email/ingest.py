"""The mail about a source that could not be read: which one, what was wrong, what it means, where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from portal.alerts.channels.email.content import EmailContent, Moment, compose, url
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.core.airflow import airflow_url
from portal.series.models import Series

if TYPE_CHECKING:
    from portal.series.models import IngestRun

LONGEST_ERROR = 2000
"""Characters; the ingest run's page has the rest."""


def render_ingest(rule: AlertRule, run: IngestRun, *, alert: Alert, kind: OutboxMessage.Kind) -> EmailContent:
    """The mail about the end of `run`, for which `rule` fired `alert` or saw it resolved."""
    source, fired = run.source, kind == OutboxMessage.Kind.FIRED
    timezone = _clock(source.fed)
    facts = {
        "fired": fired,
        "fatal": True,
        "severity": "fatal",
        "rule": rule,
        "source": source,
        "fed": source.fed,
        "run": run,
        "error": run.error if len(run.error) <= LONGEST_ERROR else f"{run.error[:LONGEST_ERROR]}…",
        "timezone": timezone.key,
        "start": Moment.of(run.period_start, timezone) if run.period_start else None,
        "end": Moment.of(run.period_end, timezone) if run.period_end else None,
        "as_of": Moment.of(run.as_of, timezone),
        "stored": run.inserted + run.corrected,
        "run_url": url("admin:series_ingestrun_change", run.pk),
        "source_url": url("admin:series_source_change", source.pk),
        "airflow_url": airflow_url(run.airflow),
        "alert_url": url("admin:alerts_alert_acknowledge", alert.pk),
        "rule_url": url("admin:alerts_alertrule_change", rule.pk),
    }
    subject = (
        f"Fatal: source {source.slug} could not be read" if fired else f"Resolved: source {source.slug} is read again"
    )
    return compose("ingest", subject=subject, facts=facts)


def _clock(slugs: list[str]) -> ZoneInfo:
    """The clock that the series share; UTC where they have several."""
    zones = set(Series.objects.filter(slug__in=slugs).values_list("timezone", flat=True))
    return ZoneInfo(zones.pop()) if len(zones) == 1 else ZoneInfo("UTC")
