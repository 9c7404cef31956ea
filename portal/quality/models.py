"""Check runs, their results, and the reports that belong to them."""

from __future__ import annotations

from uuid import uuid4

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from portal.quality.storage import ReportStorage

REPORT_NAME = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]{0,98}\.(html|bin)\Z",
    "lower-case letters, digits, dot, dash and underscore, at most 100, ending in .html or .bin",
)


def report_path(report: CheckReport, filename: str) -> str:
    """The server picks where a report lies: nothing that a client sent becomes part of a path."""
    return f"checks/{report.run_id}/{uuid4().hex}"


def shown(scalar: object) -> str:
    """A measured value or a threshold as people read it, the same on pages and in mails."""
    if scalar is None:
        return "–"
    return f"{scalar:.6g}" if isinstance(scalar, float) else str(scalar)


class CheckRun(models.Model):
    """The checks of one series over one half-open period, seen as of one time."""

    class Stage(models.TextChoices):
        DATA = "data", "Data"

    class Status(models.TextChoices):
        PASSED = "passed", "Passed"
        WARNED = "warned", "Warned"
        FAILED = "failed", "Failed"

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="check_runs")
    stage = models.CharField(max_length=16, choices=Stage.choices, default=Stage.DATA)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    as_of = models.DateTimeField(help_text="The checks saw what was known at this time")
    airflow = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, editable=False)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-as_of", "-pk")
        constraints = (
            models.CheckConstraint(condition=Q(period_start__lt=F("period_end")), name="quality_period_not_empty"),
        )
        indexes = (
            models.Index(fields=("series", "-as_of"), name="quality_series_as_of"),
            models.Index(fields=("status", "-as_of"), name="quality_status_as_of"),
        )

    def __str__(self) -> str:
        return f"{self.series} {self.stage} checks as of {self.as_of:%Y-%m-%d %H:%M}Z"


class CheckResult(models.Model):
    """What one check of a run found."""

    class Status(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"
        ERROR = "error", "Error"

    class Severity(models.TextChoices):
        WARNING = "warning", "Warning"
        FATAL = "fatal", "Fatal"

    run = models.ForeignKey(CheckRun, on_delete=models.CASCADE, related_name="results")
    position = models.PositiveIntegerField(help_text="Place in the run, as reported")
    engine = models.CharField(max_length=32)
    name = models.CharField(max_length=128)
    status = models.CharField(max_length=16, choices=Status.choices)
    severity = models.CharField(max_length=16, choices=Severity.choices, help_text="What a failure means")
    value = models.JSONField(null=True, blank=True)
    threshold = models.JSONField(null=True, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ("run", "position")
        constraints = (
            models.UniqueConstraint(fields=("run", "engine", "name"), name="quality_one_result_per_check"),
            models.UniqueConstraint(fields=("run", "position"), name="quality_one_result_per_position"),
        )

    def __str__(self) -> str:
        return f"{self.engine}: {self.name} {self.status}"


class CheckReport(models.Model):
    """A report or profile of a run, stored under REPORTS_ROOT in a file that the server named."""

    run = models.ForeignKey(CheckRun, on_delete=models.CASCADE, related_name="reports")
    name = models.CharField(max_length=104, validators=[REPORT_NAME])
    file = models.FileField(storage=ReportStorage(), upload_to=report_path, max_length=200)
    size = models.PositiveBigIntegerField(help_text="Bytes")
    sha256 = models.CharField("SHA-256", max_length=64)
    uploaded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("run", "name")
        constraints = (models.UniqueConstraint(fields=("run", "name"), name="quality_one_report_per_name"),)

    def __str__(self) -> str:
        return self.name
