"""Series and their observations, bitemporal: what happened when, and when it became known."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

DAY = timedelta(days=1)


def validate_timezone(name: str) -> None:
    """An IANA zone such as Australia/Melbourne."""
    if name not in available_timezones():
        raise ValidationError(f"{name} is not an IANA timezone such as Australia/Melbourne.", code="timezone")


def validate_resolution(resolution: timedelta) -> None:
    """Whole minutes that divide a day, so that the grid is the same on every day."""
    if resolution <= timedelta(0) or resolution % timedelta(minutes=1) or resolution > DAY or DAY % resolution:
        raise ValidationError("A resolution is a whole number of minutes that divides a day.", code="resolution")


def validate_options(options: Any) -> None:
    """How a file is read: ``{time_column, time_zone?, columns: [{column, series, scale?}]}``, and nothing else."""
    if not isinstance(options, dict) or set(options) - {"time_column", "time_zone", "columns"}:
        raise ValidationError("Options are time_column, time_zone and columns.", code="options")
    if not _is_name(options.get("time_column")):
        raise ValidationError("time_column names the column of the times.", code="options")
    if "time_zone" in options:
        if not isinstance(options["time_zone"], str):
            raise ValidationError("time_zone is the name of an IANA timezone.", code="options")
        validate_timezone(options["time_zone"])
    columns = options.get("columns")
    if not isinstance(columns, list) or not columns:
        raise ValidationError("columns is a list of {column, series, scale}.", code="options")
    for column in columns:
        if not isinstance(column, dict) or set(column) - {"column", "series", "scale"}:
            raise ValidationError("Each of the columns is {column, series, scale}.", code="options")
        if not _is_name(column.get("column")) or not _is_name(column.get("series")):
            raise ValidationError("Each of the columns names a column and a series.", code="options")
        scale = column.get("scale", 1)
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not isfinite(scale) or scale == 0:
            raise ValidationError("The scale of a column is a number other than 0.", code="options")


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())


class Series(models.Model):
    """One quantity over time, on a regular grid in UTC."""

    class Quantity(models.TextChoices):
        LOAD = "load", "Load"
        TEMPERATURE = "temperature", "Temperature"

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    quantity = models.CharField(max_length=16, choices=Quantity.choices)
    unit = models.CharField(max_length=16, help_text="MW, °C")
    timezone = models.CharField(
        max_length=64, validators=[validate_timezone], help_text="IANA name; days and holidays follow its clock"
    )
    resolution = models.DurationField(validators=[validate_resolution], help_text="Length of an interval")
    country = models.CharField(
        max_length=2, blank=True, validators=[RegexValidator(r"^[A-Z]{2}$", "two capital letters, ISO 3166-1")]
    )
    subdivision = models.CharField(
        max_length=8, blank=True, validators=[RegexValidator(r"^[A-Z0-9]{1,3}$", "ISO 3166-2 without the country")]
    )
    allows_export = models.BooleanField(default=False, help_text="The load may be negative")
    scheduled = models.BooleanField(default=True, help_text="Scheduled runs take this series")
    history = HistoricalRecords()

    class Meta:
        ordering = ("slug",)
        verbose_name_plural = "series"
        constraints = (
            models.CheckConstraint(
                condition=Q(resolution__gt=timedelta(0), resolution__lte=DAY), name="series_resolution_within_a_day"
            ),
        )

    def __str__(self) -> str:
        return self.slug


class Covariate(models.Model):
    """A series that helps to forecast another; several of one name are averaged by weight."""

    of = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="covariates")
    name = models.CharField(
        max_length=64,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*$", "lower-case letters, digits and underscores")],
        help_text="Column in the history of the model: temperature",
    )
    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="helps")
    weight = models.FloatField(default=1.0)

    class Meta:
        ordering = ("of", "name", "series")
        constraints = (
            models.UniqueConstraint(fields=("of", "name", "series"), name="series_covariate_named_once"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="series_covariate_weight_positive"),
            models.CheckConstraint(condition=~Q(of=F("series")), name="series_covariate_of_another"),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.of}: {self.series}"


class Source(models.Model):
    """Where rows come from, and how its columns map to series."""

    class Kind(models.TextChoices):
        FILE = "file", "File"

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.FILE)
    url = models.CharField(max_length=1024)
    options = models.JSONField(
        default=dict,
        validators=[validate_options],
        help_text="time_column, time_zone, columns: [{column, series, scale}]",
    )
    availability_delay = models.DurationField(
        null=True, blank=True, help_text="An archive's rows are known this long after their interval; empty: live"
    )
    enabled = models.BooleanField(default=True)
    scheduled = models.BooleanField(default=True, help_text="Scheduled runs read this source")
    history = HistoricalRecords()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class Observation(models.Model):
    """A value as known from `known_at` on. Rows are only ever added; a correction is a later row of the same time.

    The unique index carries the value, so that reads by series, period and `known_at` never touch the table.
    """

    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="+", db_index=False)
    valid_time = models.DateTimeField(help_text="Start of the interval")
    known_at = models.DateTimeField()
    value = models.FloatField(null=True, help_text="Empty: known to be missing")

    class Meta:
        ordering = ("-valid_time", "-known_at")
        constraints = (
            models.UniqueConstraint(
                fields=("series", "valid_time", "known_at"), include=("value",), name="series_one_value_per_vintage"
            ),
        )

    def __str__(self) -> str:
        return f"{self.series} {self.valid_time:%Y-%m-%d %H:%M}Z"


class QuarantinedRow(models.Model):
    """A row of a source that broke a rule, kept as it came."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="quarantined_rows")
    file = models.CharField(max_length=1024)
    row = models.PositiveBigIntegerField(help_text="Line in the file; the header is line 1")
    rule = models.CharField(max_length=64)
    raw = models.TextField(help_text="The row as it came, as JSON: a text holds what jsonb refuses, a NUL say")
    message = models.TextField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    fingerprint = models.CharField(max_length=64, editable=False, help_text="SHA-256 of file, row, rule and raw")

    class Meta:
        ordering = ("-recorded_at", "-pk")
        constraints = (models.UniqueConstraint(fields=("source", "fingerprint"), name="series_quarantined_once"),)
        indexes = (models.Index(fields=("source", "-recorded_at"), name="series_quarantine_newest"),)

    def __str__(self) -> str:
        return f"{self.source} {self.file}:{self.row} {self.rule}"
