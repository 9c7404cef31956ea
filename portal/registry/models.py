"""Versions of models, the decisions about them, and the rules by which a decision may be taken without a person.

The database itself keeps what matters (by constraints here and triggers in the migrations): one champion per series;
who puts a model live did not train it and may do so; no status without the decision that says so; facts that never
change; decisions that are only added, each bound to the one before by a hash; what every audit of them found.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords


class ModelVersion(models.Model):
    """One trained model of one series. Everything but its status and its approval is fixed at registration."""

    class Status(models.TextChoices):
        CANDIDATE = "candidate", "Candidate"
        CHAMPION = "champion", "Champion"
        REJECTED = "rejected", "Rejected"
        RETIRED = "retired", "Retired"

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="model_versions")
    version = models.PositiveIntegerField(help_text="1, 2, … per series, in the order of registration")
    kind = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.CANDIDATE)

    training_key = models.CharField(max_length=128, help_text="What identifies the training; unique in its series")
    artifact_uri = models.CharField(max_length=1024)
    artifact_sha256 = models.CharField(
        "artifact SHA-256", max_length=64, validators=[RegexValidator(r"^[0-9a-f]{64}$", "64 lower-case hex digits")]
    )
    training_start = models.DateTimeField()
    training_end = models.DateTimeField(help_text="The training period is half-open: this time is not in it")
    data_cutoff = models.DateTimeField(help_text="The training saw what was known at this time")
    parameters = models.JSONField(default=dict, blank=True)
    features = models.JSONField(default=list, blank=True)
    evidence = models.JSONField(default=dict, blank=True, help_text="The backtest report")
    library_versions = models.JSONField(default=dict, blank=True)
    code_version = models.CharField(max_length=128, blank=True)
    airflow = models.JSONField(default=dict, blank=True, help_text="The Airflow run that trained it: dag_id, run_id")

    trained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="trained_models", help_text="Who triggered it"
    )
    registered_at = models.DateTimeField(db_default=Now(), editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approved_models", null=True, blank=True
    )
    approved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("series", "-version")
        permissions = (
            ("approve_modelversion", "Can put a candidate live"),
            ("reject_modelversion", "Can reject a candidate"),
            ("rollback_modelversion", "Can make an earlier champion champion again"),
        )
        constraints = (
            models.UniqueConstraint(fields=("series", "version"), name="registry_one_model_per_version"),
            models.UniqueConstraint(fields=("series", "training_key"), name="registry_one_model_per_training"),
            models.UniqueConstraint(
                fields=("series",), condition=Q(status="champion"), name="registry_one_champion_per_series"
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("trained_by")), name="registry_four_eyes"
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True, approved_at__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="registry_approval_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("candidate", "rejected"), approved_by__isnull=True)
                | Q(status__in=("champion", "retired"), approved_by__isnull=False),
                name="registry_live_models_are_approved",
            ),
            models.CheckConstraint(
                condition=Q(training_start__lt=F("training_end")), name="registry_training_period_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(artifact_sha256__regex=r"^[0-9a-f]{64}$"), name="registry_artifact_sha256_is_hex"
            ),
        )
        indexes = (models.Index(fields=("status", "series"), name="registry_status_series"),)

    def __str__(self) -> str:
        return f"{self.series} v{self.version} ({self.kind})"


class Decision(models.Model):
    """One decision about one model version. Decisions are only ever added.

    The database numbers them and binds each to the one before; `portal.registry.audit` says over what.
    """

    class Kind(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"
        RETIRE = "retire", "Retired"
        WITHDRAW = "withdraw", "Rolled back from"
        ROLLBACK = "rollback", "Rolled back to"

    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="decisions")
    decision = models.CharField(max_length=16, choices=Kind.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="model_decisions")
    reason = models.TextField()
    at = models.DateTimeField()
    automatic = models.BooleanField(default=False, help_text="Taken by the approval rule that the person had set")
    number = models.PositiveBigIntegerField(
        unique=True, editable=False, db_default=0, help_text="1, 2, … over all series, without holes"
    )
    previous_sha256 = models.CharField("previous SHA-256", max_length=64, editable=False, db_default="")
    sha256 = models.CharField(
        "SHA-256", max_length=64, editable=False, db_default="", help_text="Over the decision and the previous SHA-256"
    )

    class Meta:
        ordering = ("number",)
        constraints = (models.CheckConstraint(condition=~Q(reason=""), name="registry_decision_has_reason"),)

    def __str__(self) -> str:
        return f"{self.get_decision_display()} {self.model}"


class AuditOutcome(models.Model):
    """What an audit of the decisions found. Outcomes are only ever added: the next audit starts from the newest head.

    Of an audit that could not be done nothing but that is known.
    """

    at = models.DateTimeField()
    decision_count = models.PositiveIntegerField(null=True, blank=True)
    model_count = models.PositiveIntegerField(null=True, blank=True)
    head_number = models.PositiveBigIntegerField(null=True, blank=True, help_text="The newest decision")
    head_sha256 = models.CharField("head SHA-256", max_length=64, blank=True)
    faults = ArrayField(models.TextField(), default=list, blank=True, help_text="What is broken; none: it is sound")
    sound = models.GeneratedField(
        expression=Q(faults__len=0),  # type: ignore[arg-type]  # a condition is an expression
        output_field=models.BooleanField(),
        db_persist=True,
        editable=False,
    )

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name = "audit"
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    decision_count__isnull=False,
                    model_count__isnull=False,
                    head_number__isnull=False,
                    head_sha256__regex=r"^[0-9a-f]{64}$",
                )
                | Q(
                    decision_count__isnull=True,
                    model_count__isnull=True,
                    head_number__isnull=True,
                    head_sha256="",
                    faults__len__gt=0,
                ),
                name="registry_audit_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(faults__len__gt=0) | Q(decision_count=F("head_number")),
                name="registry_sound_audit_has_no_holes",
            ),
        )

    def __str__(self) -> str:
        return f"Audit of {self.at:%Y-%m-%d %H:%M}Z: {'sound' if self.sound else 'broken'}"

    @property
    def head(self) -> str:
        """As ``verify_audit --head`` takes it; empty where the audit could not be done."""
        return f"{self.head_number}:{self.head_sha256}" if self.head_sha256 else ""

    @property
    def told(self) -> str:
        """What was found, a fault a line."""
        if self.faults:
            return "\n".join(self.faults)
        return f"{self.decision_count} decisions about {self.model_count} models follow from each other"


class ApprovalRule(models.Model):
    """Approve a candidate of a series without asking, if it beats the champion by a margin on every segment."""

    series = models.OneToOneField("series.Series", on_delete=models.PROTECT, related_name="approval_rule")
    enabled = models.BooleanField(default=False)
    margin = models.FloatField(
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="By which fraction each error must be less than the champion's: 0.05 is 5 % less",
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="In whose name it approves"
    )
    set_at = models.DateTimeField()
    reason = models.TextField()
    history = HistoricalRecords()

    class Meta:
        ordering = ("series",)
        constraints = (
            models.CheckConstraint(
                condition=Q(margin__gte=0.0, margin__lte=1.0), name="registry_rule_margin_is_a_fraction"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="registry_rule_has_reason"),
        )

    def __str__(self) -> str:
        return f"{self.series}: {self.margin:.1%} on every segment{'' if self.enabled else ' (off)'}"
