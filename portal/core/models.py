"""The answers given to requests that carried an idempotency key, and the base of everything that is sent later."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class IdempotencyRecord(models.Model):
    """The first answer to a key. It is written in the transaction of the work that it tells of."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    endpoint = models.CharField(max_length=255, help_text="Method and path")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(
        max_length=64, help_text="SHA-256 of the query string, the content type and the body"
    )
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(default="null", help_text="JSON")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "endpoint", "key"), name="core_one_answer_per_idempotency_key"),
        )
        indexes = (models.Index(fields=("recorded_at",), name="core_idempotency_age"),)

    def __str__(self) -> str:
        return f"{self.endpoint} {self.key}"


class OutboxEntry(models.Model):
    """Something to be sent, written in the transaction of what it tells of; a worker's try holds a lease on it."""

    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    claim = models.UUIDField(null=True, blank=True, help_text="Which worker's try holds the lease")
    leased_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints = (
            models.CheckConstraint(
                condition=Q(claim__isnull=True, leased_until__isnull=True)
                | Q(claim__isnull=False, leased_until__isnull=False),
                name="%(app_label)s_claim_has_a_lease",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_attempt_at",), condition=Q(sent_at__isnull=True), name="%(app_label)s_outbox_due"
            ),
        )

    @property
    def delivery(self) -> str:
        """``sent``, ``failing`` once a try has failed, or ``waiting``."""
        if self.sent_at is not None:
            return "sent"
        return "failing" if self.last_error else "waiting"
