"""Series and their observations, bitemporal: what happened when, and when it became known."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from portal.series.validators import DAY, validate_minutes, validate_resolution, validate_timezone


class Series(models.Model):
    """One quantity over time, on a regular grid in UTC."""

    class Quantity(models.TextChoices):
        LOAD = "load", "Load"
        TEMPERATURE = "temperature", "Temperature"
        WEATHER = "weather", "Weather other than temperature"
        LOAD_FORECAST = "load_forecast", "Somebody else's forecast of a load"

    class Preprocessing(models.TextChoices):
        """The profiles of `forecasting.preprocessing`, written out, as the portal loads no library."""

        RAW = "raw", "Raw: as it was measured"
        GAPS = "gaps", "Gaps: short gaps are filled"
        STANDARD = "standard", "Standard: outliers and frozen meters are taken out, short gaps filled"

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
    latitude = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
        help_text="Degrees north; with the longitude, models know the daylight",
    )
    longitude = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)], help_text="Degrees east"
    )
    allows_export = models.BooleanField(default=False, help_text="The load may be negative")
    preprocessing = models.CharField(
        max_length=16,
        choices=Preprocessing.choices,
        default=Preprocessing.RAW,
        help_text="What is done to the history before a model sees it; the stored values stay as they are",
    )
    scheduled = models.BooleanField(default=True, help_text="Scheduled runs take this series")
    external_forecast = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        limit_choices_to={"quantity": "load_forecast"},
        related_name="forecasts_of",
        help_text="Somebody else's forecast of this load, such as the operator's own: ours is scored beside it",
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("slug",)
        verbose_name_plural = "series"
        constraints = (
            models.CheckConstraint(
                condition=Q(resolution__gt=timedelta(0), resolution__lte=DAY), name="series_resolution_within_a_day"
            ),
            models.CheckConstraint(
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(
                    # Said outright: an unknown comparison with a NULL passes a check.
                    latitude__isnull=False,
                    longitude__isnull=False,
                    latitude__range=(-90, 90),
                    longitude__range=(-180, 180),
                ),
                name="series_place_on_earth",
                violation_error_message="A place has a latitude and a longitude, or neither.",
            ),
            models.CheckConstraint(
                condition=Q(external_forecast__isnull=True) | Q(quantity="load"),
                name="series_only_loads_are_forecast",
                violation_error_message="Only a load has somebody else's forecast beside it.",
            ),
        )

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """A series and somebody else's forecast of it fit each other: see `portal.series.external_forecast`."""
        from portal.series.external_forecast import check_series

        check_series(self)


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
        FILE = "file", "Files: CSV or Parquet, in a folder or at an fsspec URL"
        EIA930 = "eia930", "EIA-930: hourly demand of US balancing authorities"
        ENTSOE = "entsoe", "ENTSO-E: load of European areas"
        OPEN_METEO = "open_meteo", "Open-Meteo: weather forecasts and archive"
        SQL = "sql", "Query on a PostgreSQL database"
        AGGREGATE = "aggregate", "Sum of other series, such as feeders of a zone"

    class Feeds(models.TextChoices):
        DEMAND = "demand", "Demand: read by ingest_demand"
        WEATHER = "weather", "Weather: read by ingest_weather"

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.FILE)
    feeds = models.CharField(max_length=16, choices=Feeds.choices, default=Feeds.DEMAND)
    url = models.CharField(
        max_length=1024,
        blank=True,
        help_text="Of files: a path below the data folder, or a whole URL; * stands for any name",
    )
    connection = models.CharField(
        max_length=200, blank=True, help_text="Airflow connection with the address and the secrets; none are kept here"
    )
    options = models.JSONField(default=dict, help_text="What is read, and into which series")
    availability_delay = models.DurationField(
        null=True,
        blank=True,
        validators=[validate_minutes],
        help_text="An archive's rows are known this long after their interval; empty: live",
    )
    enabled = models.BooleanField(default=True)
    scheduled = models.BooleanField(default=True, help_text="Scheduled runs read this source")
    history = HistoricalRecords()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug

    @property
    def fed(self) -> list[str]:
        """The slugs of the series that its columns feed, in their order."""
        columns = self.options.get("columns", []) if isinstance(self.options, dict) else []
        return list(dict.fromkeys(str(column.get("series", "?")) for column in columns if isinstance(column, dict)))

    def clean(self) -> None:
        """What is required, taken and refused depends on the kind: see `portal.series.source_kinds`."""
        from portal.series.source_kinds import check_source

        check_source(kind=self.kind, feeds=self.feeds, url=self.url, connection=self.connection, options=self.options)


class Observation(models.Model):
    """A value as known from `known_at` on. Rows are only ever added; a correction is a later row of the same time.

    The unique index carries the value, so that reads by series, period and `known_at` never touch the table. That the
    series is there is checked by a trigger once per statement (migration 0006): a foreign key's check of each row costs
    more than all else about storing it.
    """

    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
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


class WeatherForecast(models.Model):
    """A value as forecast at `issue_time` and known from `known_at` on. Rows are only ever added."""

    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    issue_time = models.DateTimeField(help_text="When the forecast was made")
    valid_time = models.DateTimeField(help_text="Start of the interval that it is for")
    known_at = models.DateTimeField(help_text="When it could be had")
    value = models.FloatField()

    class Meta:
        ordering = ("-issue_time", "-valid_time")
        constraints = (
            models.UniqueConstraint(
                fields=("series", "valid_time", "issue_time"),
                include=("known_at", "value"),
                name="series_one_value_per_issue",
            ),
            models.CheckConstraint(condition=Q(known_at__gte=F("issue_time")), name="series_known_once_issued"),
        )

    def __str__(self) -> str:
        return f"{self.series} {self.valid_time:%Y-%m-%d %H:%M}Z as of {self.issue_time:%Y-%m-%d %H:%M}Z"


class IngestRun(models.Model):
    """One reading of a source by a run of a DAG: how far it is, and what became of the rows."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="ingest_runs")
    dag_id = models.CharField(max_length=250)
    run_id = models.CharField(max_length=250)
    as_of = models.DateTimeField()
    period_start = models.DateTimeField(null=True, blank=True, help_text="Empty: from the beginning")
    period_end = models.DateTimeField(null=True, blank=True, help_text="Empty: to the end")
    state = models.CharField(max_length=16, choices=State.choices, default=State.RUNNING)
    received = models.PositiveBigIntegerField(default=0)
    inserted = models.PositiveBigIntegerField(default=0)
    corrected = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    notes = models.JSONField(
        default=list, blank=True, help_text="Declared rules that were applied: {rule, count, message}"
    )
    position = models.JSONField(null=True, blank=True, help_text="Where a repetition goes on")
    error = models.TextField(blank=True)
    started_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("-started_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("source", "dag_id", "run_id"), name="series_ingested_once_per_run"),
            models.CheckConstraint(
                condition=Q(state="failed") | Q(error=""), name="series_only_a_failed_ingest_has_an_error"
            ),
            models.CheckConstraint(
                condition=Q(period_start__isnull=True)
                | Q(period_end__isnull=True)
                | Q(period_start__lt=F("period_end")),
                name="series_ingested_period_not_empty",
            ),
        )
        indexes = (models.Index(fields=("source", "-started_at"), name="series_ingest_newest"),)

    def __str__(self) -> str:
        return f"{self.source} as of {self.as_of:%Y-%m-%d %H:%M}Z"

    @property
    def airflow(self) -> dict[str, str]:
        """The Airflow run behind it, as other facts name theirs."""
        return {"dag_id": self.dag_id, "run_id": self.run_id}


class QuarantinedRow(models.Model):
    """A row of a source that broke a rule, kept as it came, and what became of it."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        CORRECTED = "corrected", "Corrected by hand"
        REPLAYED = "replayed", "Accepted as it came"
        PASSED = "passed", "Passed when the source was read again"
        DISMISSED = "dismissed", "Dismissed"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="quarantined_rows")
    file = models.CharField(max_length=1024)
    row = models.PositiveBigIntegerField(help_text="Line in the file, the header being line 1; 0: it has no lines")
    rule = models.CharField(max_length=64)
    raw = models.TextField(help_text="The row as it came, as JSON: a text holds what jsonb refuses, a NUL say")
    message = models.TextField()
    values = models.JSONField(
        default=list, blank=True, help_text="What could be read of it: {series, valid_time, value}, each or none"
    )
    last_seen_in = models.ForeignKey(
        IngestRun,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="bad_rows",
        help_text="Newest reading with it",
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="resolved_quarantined_rows",
    )
    reason = models.TextField(blank=True)
    recorded = models.JSONField(
        default=list, blank=True, help_text="What was stored for it: {series, valid_time, value}"
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    fingerprint = models.CharField(max_length=64, editable=False, help_text="SHA-256 of file, row, rule and raw")

    class Meta:
        ordering = ("-recorded_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("source", "fingerprint"), name="series_quarantined_once"),
            models.CheckConstraint(
                condition=Q(status="open", resolved_at__isnull=True, resolved_by__isnull=True)
                | (~Q(status="open") & Q(resolved_at__isnull=False, resolved_by__isnull=False)),
                name="series_quarantine_resolved_by_somebody",
            ),
        )
        indexes = (
            models.Index(fields=("source", "-recorded_at"), name="series_quarantine_newest"),
            models.Index(fields=("source", "file"), condition=Q(status="open"), name="series_quarantine_open"),
        )

    def __str__(self) -> str:
        return f"{self.source} {self.file}:{self.row} {self.rule}"
