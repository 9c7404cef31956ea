"""How long what is kept, and what each run of the retention found and deleted."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from portal.retention.kinds import PIPELINE_KINDS, POLICIES, Kind, Policy

LONGEST_KEPT_DAYS = 36_500


class RetentionRule(models.Model):
    """How long one kind of record is kept. A rule that is not enabled deletes nothing."""

    kind = models.CharField(max_length=32, choices=Kind.choices, unique=True)
    keep_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(LONGEST_KEPT_DAYS)],
        help_text="Older than so many days is deleted; empty: kept for good",
    )
    enabled = models.BooleanField(default=False)
    history = HistoricalRecords()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(keep_days__isnull=False, keep_days__gte=1),
                name="retention_enabled_rules_say_how_long",
                violation_error_message="A rule that is enabled says after how many days.",
            ),
        )

    def __str__(self) -> str:
        return str(self.get_kind_display())

    @property
    def policy(self) -> Policy:
        return POLICIES[Kind(self.kind)]

    def clean(self) -> None:
        """Raises ValidationError for fewer days than the kind allows."""
        if self.keep_days is not None and self.keep_days < self.policy.at_least:
            raise ValidationError({"keep_days": f"{self} are kept for at least {self.policy.at_least} days."})


class RetentionRun(models.Model):
    """One run of the retention as of a time: counted when it begins; then deleted in batches, unless it is dry."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    as_of = models.DateTimeField()
    dry_run = models.BooleanField(help_text="Counted only, nothing is deleted")
    confirmed = models.BooleanField(
        default=False, help_text="Somebody said that rules which take more than half of all records may"
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.RUNNING)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="retention_runs")
    airflow = models.JSONField(default=dict, blank=True, help_text="The Airflow run behind it: dag_id, run_id")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(state="done", finished_at__isnull=False) | Q(state="running", finished_at__isnull=True),
                name="retention_done_runs_have_an_end",
            ),
        )

    def __str__(self) -> str:
        return f"{'Dry run' if self.dry_run else 'Retention'} as of {self.as_of:%Y-%m-%d %H:%M}Z"


class RetentionOutcome(models.Model):
    """What one rule found in a run, and how much of it is deleted."""

    run = models.ForeignKey(RetentionRun, on_delete=models.CASCADE, related_name="outcomes")
    kind = models.CharField(max_length=32, choices=Kind.choices)
    keep_days = models.PositiveIntegerField(help_text="As the rule said then")
    cutoff = models.DateTimeField(help_text="What is older is due")
    found = models.PositiveBigIntegerField(null=True, help_text="Due; empty: not looked at yet")
    total = models.PositiveBigIntegerField(null=True, help_text="Of so many in all")
    deleted = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(null=True, help_text="Of the files that are due, where there are any")
    oldest = models.DateTimeField(null=True)
    newest = models.DateTimeField(null=True)
    held = models.BooleanField(default=False, help_text="More than half of all: deleted only once confirmed")
    finished = models.BooleanField(default=False)
    examples = models.JSONField(default=list, blank=True, help_text="The first of what was found, by name")

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("run", "kind"), name="retention_one_outcome_per_kind"),)

    def __str__(self) -> str:
        return str(self.get_kind_display())

    @property
    def by_pipeline(self) -> bool:
        """Whether it is the pipeline that looks and deletes."""
        return self.kind in PIPELINE_KINDS
