"""Alert rules, alerts and the outbox."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from portal.core.models import OutboxEntry


def _about(model: str, help_text: str) -> models.ForeignKey[Any, Any]:
    """The reference of an alert to a run that changed it."""
    return models.ForeignKey(
        model, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text=help_text
    )


class AlertRule(models.Model):
    """When to wake whom."""

    class Signal(models.TextChoices):
        CHECK_FAILED = "check_failed", "A data check failed"
        INGEST_FAILED = "ingest_failed", "A source could not be read"
        DEADLINE_NEAR = "deadline_near", "A publication deadline is near and nothing is published"
        ACCURACY_LOST = "accuracy_lost", "Forecasts have become worse than expected"
        AUDIT_BROKEN = "audit_broken", "The record of decisions about models is broken"

    class Severity(models.TextChoices):
        WARNING = "warning", "Warning"
        FATAL = "fatal", "Fatal"

    name = models.CharField(max_length=120, unique=True)
    signal = models.CharField(max_length=32, choices=Signal.choices, default=Signal.CHECK_FAILED)
    series = models.ForeignKey(
        "series.Series",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="alert_rules",
        help_text="Of all but ingests; empty: every series",
    )
    source = models.ForeignKey(
        "series.Source",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="alert_rules",
        help_text="Of ingests; empty: every source",
    )
    minimum_severity = models.CharField(
        max_length=16,
        choices=Severity.choices,
        default=Severity.FATAL,
        help_text="Of checks; every other signal has one severity",
    )
    notify_operators = models.BooleanField(default=True, help_text="Mail every active member of the group “operator”")
    addresses = ArrayField(
        models.EmailField(), default=list, blank=True, help_text="Further people, separated by commas"
    )
    enabled = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(notify_operators=True) | Q(addresses__len__gt=0),
                name="alerts_enabled_rule_has_recipients",
                violation_error_message="An enabled rule needs somebody to mail: the operators, an address, or both.",
            ),
            models.CheckConstraint(
                condition=~Q(signal="ingest_failed") & Q(source__isnull=True)
                | Q(signal="ingest_failed", series__isnull=True),
                name="alerts_rule_scope_fits_its_signal",
                violation_error_message="A rule on ingests is narrowed by source, any other by series.",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """A rule that found something, open from the first failure until all is well again.

    It is about a check of a series and stands on check runs, or about the ingest of a source and stands on ingest runs,
    or about what no run tells of, which `engine` then names in a check's place: *publication* or *accuracy* of the
    forecasts of a series, *audit* of the decisions about its models or, without a series, of all of them.
    """

    PUBLICATION, ACCURACY, AUDIT = "publication", "accuracy", "audit"

    class State(models.TextChoices):
        FIRING = "firing", "Firing"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        RESOLVED = "resolved", "Resolved"

    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="alerts")
    severity = models.CharField(max_length=16, choices=AlertRule.Severity.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.FIRING)
    fired_at = models.DateTimeField()
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="acknowledged_alerts"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, null=True, blank=True, related_name="alerts")
    engine = models.CharField(max_length=32, blank=True)
    check_name = models.CharField(max_length=128, blank=True)
    first_run = _about("quality.CheckRun", "The check run that opened it")
    latest_run = _about("quality.CheckRun", "The newest check run that failed")
    resolved_by = _about("quality.CheckRun", "The check run that passed")

    source = models.ForeignKey("series.Source", on_delete=models.PROTECT, null=True, blank=True, related_name="alerts")
    message = models.TextField(blank=True, help_text="What was wrong when it was looked at last")
    occasion = models.CharField(
        max_length=64,
        blank=True,
        help_text="Of forecasts: the delivery day; of an audit: the SHA-256 of its faults. On a new one it fires again",
    )
    first_ingest = _about("series.IngestRun", "The ingest run that opened it")
    latest_ingest = _about("series.IngestRun", "The newest ingest run that failed")
    resolved_by_ingest = _about("series.IngestRun", "The ingest run that was done")

    class Meta:
        ordering = ("-fired_at", "-pk")
        permissions = (("acknowledge_alert", "Can acknowledge an alert"),)
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "series", "engine", "check_name"),
                condition=~Q(state="resolved"),
                name="alerts_one_open_alert_per_check",
            ),
            models.UniqueConstraint(
                fields=("rule", "source"), condition=~Q(state="resolved"), name="alerts_one_open_alert_per_source"
            ),
            models.UniqueConstraint(
                fields=("rule",),
                condition=Q(engine="audit", series__isnull=True) & ~Q(state="resolved"),
                name="alerts_one_open_alert_about_all_decisions",
            ),
            models.CheckConstraint(
                condition=Q(
                    series__isnull=False,
                    first_run__isnull=False,
                    latest_run__isnull=False,
                    source__isnull=True,
                    first_ingest__isnull=True,
                    latest_ingest__isnull=True,
                    resolved_by_ingest__isnull=True,
                )
                | Q(
                    source__isnull=False,
                    first_ingest__isnull=False,
                    latest_ingest__isnull=False,
                    series__isnull=True,
                    engine="",
                    check_name="",
                    first_run__isnull=True,
                    latest_run__isnull=True,
                    resolved_by__isnull=True,
                )
                | (Q(series__isnull=False, engine__in=("publication", "accuracy")) | Q(engine="audit"))
                & Q(
                    source__isnull=True,
                    first_run__isnull=True,
                    latest_run__isnull=True,
                    resolved_by__isnull=True,
                    first_ingest__isnull=True,
                    latest_ingest__isnull=True,
                    resolved_by_ingest__isnull=True,
                ),
                name="alerts_about_one_thing",
            ),
            models.CheckConstraint(
                condition=~Q(state="acknowledged") | Q(acknowledged_by__isnull=False, acknowledged_at__isnull=False),
                name="alerts_acknowledged_by_someone",
            ),
            models.CheckConstraint(
                condition=Q(state="resolved", resolved_at__isnull=False)
                & (
                    Q(resolved_by__isnull=False)
                    | Q(resolved_by_ingest__isnull=False)
                    | Q(engine__in=("publication", "accuracy", "audit"), first_run__isnull=True)
                )
                | ~Q(state="resolved")
                & Q(resolved_at__isnull=True, resolved_by__isnull=True, resolved_by_ingest__isnull=True),
                name="alerts_resolved_by_a_run",
            ),
        )
        indexes = (models.Index(fields=("state", "-fired_at"), name="alerts_state_fired_at"),)

    def __str__(self) -> str:
        return f"{self.about} {self.state}"

    @property
    def about(self) -> str:
        """What it is about, as a sentence has it."""
        if self.source_id:
            return f"the ingest of {self.source}"
        if self.is_without_run:
            return f"the {self.check_name} of {self.series}" if self.series_id else f"the {self.check_name}"
        return f"“{self.check_name}” of {self.series}"

    @property
    def is_without_run(self) -> bool:
        """About forecasts or decisions, rather than about a check or an ingest."""
        return self.engine in (self.PUBLICATION, self.ACCURACY, self.AUDIT) and self.first_run_id is None


class OutboxMessage(OutboxEntry):
    """One mail to one recipient, written in the transaction that changed the alerts it tells of.

    The content and the Message-ID are fixed here, so that every try sends the same bytes.
    """

    class Kind(models.TextChoices):
        FIRED = "fired", "Fired"
        RESOLVED = "resolved", "Resolved"

    message_id = models.CharField("Message-ID", max_length=255, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="messages")
    alerts = models.ManyToManyField(Alert, related_name="messages")
    recipient = models.EmailField()
    subject = models.CharField(max_length=255)
    text = models.TextField()
    html = models.TextField("HTML")
    in_reply_to = models.CharField(
        max_length=255, blank=True, help_text="Message-ID of the mail that this one follows up"
    )
    enqueued_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(OutboxEntry.Meta):
        ordering = ("-enqueued_at", "-pk")

    def __str__(self) -> str:
        return f"{self.subject} → {self.recipient}"
