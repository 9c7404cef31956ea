"""Alert rules, alerts and the outbox."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords


class AlertRule(models.Model):
    """When to wake whom."""

    class Signal(models.TextChoices):
        CHECK_FAILED = "check_failed", "A data check failed"

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
        help_text="Empty: every series",
    )
    minimum_severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.FATAL)
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
        )

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """A rule that found something: open from the first failure until the check passes again."""

    class State(models.TextChoices):
        FIRING = "firing", "Firing"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        RESOLVED = "resolved", "Resolved"

    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="alerts")
    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="alerts")
    engine = models.CharField(max_length=32)
    check_name = models.CharField(max_length=128)
    severity = models.CharField(max_length=16, choices=AlertRule.Severity.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.FIRING)
    first_run = models.ForeignKey(
        "quality.CheckRun", on_delete=models.PROTECT, related_name="+", help_text="The run that opened it"
    )
    latest_run = models.ForeignKey(
        "quality.CheckRun", on_delete=models.PROTECT, related_name="+", help_text="The newest run that failed"
    )
    fired_at = models.DateTimeField()
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="acknowledged_alerts"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        "quality.CheckRun", on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="What passed"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-fired_at", "-pk")
        permissions = (("acknowledge_alert", "Can acknowledge an alert"),)
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "series", "engine", "check_name"),
                condition=~Q(state="resolved"),
                name="alerts_one_open_alert_per_check",
            ),
            models.CheckConstraint(
                condition=~Q(state="acknowledged") | Q(acknowledged_by__isnull=False, acknowledged_at__isnull=False),
                name="alerts_acknowledged_by_someone",
            ),
            models.CheckConstraint(
                condition=Q(state="resolved", resolved_at__isnull=False, resolved_by__isnull=False)
                | (~Q(state="resolved") & Q(resolved_at__isnull=True, resolved_by__isnull=True)),
                name="alerts_resolved_by_a_run",
            ),
        )
        indexes = (models.Index(fields=("state", "-fired_at"), name="alerts_state_fired_at"),)

    def __str__(self) -> str:
        return f"{self.series}: {self.check_name} {self.state}"


class OutboxMessage(models.Model):
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

    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    claim = models.UUIDField(null=True, blank=True, help_text="Which worker's try holds the lease")
    leased_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-enqueued_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(claim__isnull=True, leased_until__isnull=True)
                | Q(claim__isnull=False, leased_until__isnull=False),
                name="alerts_claim_has_a_lease",
            ),
        )
        indexes = (
            models.Index(fields=("next_attempt_at",), condition=Q(sent_at__isnull=True), name="alerts_outbox_due"),
        )

    def __str__(self) -> str:
        return f"{self.subject} → {self.recipient}"
