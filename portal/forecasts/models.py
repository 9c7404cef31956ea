"""The ledger of forecasts. A run is whole or not there, and nothing in it ever changes (triggers in the migrations)."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from portal.series.validators import validate_minutes


class ForecastRun(models.Model):
    """One published forecast of one series.

    What a person changes of a run is a run of its own, on the rung *override*: it names the run that it adjusts, which
    stays as it was, and both are scored.
    """

    class Rung(models.TextChoices):
        CHAMPION = "champion", "Champion"
        PREVIOUS_CHAMPION = "previous_champion", "Previous champion"
        EARLIER_RUN = "earlier_run", "Earlier run"
        SEASONAL_NAIVE = "seasonal_naive", "Seasonal naive"
        OVERRIDE = "override", "Adjusted by a person"

    class Publisher(models.TextChoices):
        PIPELINE = "pipeline", "Pipeline"
        GUARD = "guard", "Deadline guard"
        PERSON = "person", "Person"

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="forecast_runs")
    issue_time = models.DateTimeField()
    model = models.ForeignKey(
        "registry.ModelVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="forecast_runs",
        help_text="Empty: a fallback without a model",
    )
    data_cutoff = models.DateTimeField(help_text="The forecast saw what was known at this time")
    rung = models.CharField(max_length=24, choices=Rung.choices, help_text="Step of the fallback ladder")
    reason = models.TextField(blank=True, help_text="Why not the champion, or why it was adjusted")
    publisher = models.CharField(max_length=16, choices=Publisher.choices, default=Publisher.PIPELINE)
    airflow = models.JSONField(default=dict, blank=True, help_text="The Airflow run that published it: dag_id, run_id")
    adjusts = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="adjustments",
        help_text="The run that a person adjusted",
    )
    adjusted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="adjusted_forecasts"
    )
    adjustment = models.JSONField(
        default=dict, blank=True, help_text="What was changed: kind (percentage or values), start, end, percentage"
    )
    quantiles = ArrayField(models.FloatField())
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(help_text="The period is half-open: this time is not in it")
    value_count = models.PositiveIntegerField()
    values_sha256 = models.CharField(
        "values' SHA-256", max_length=64, help_text="Of rung, valid times, quantiles and values"
    )
    published_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-issue_time", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("series", "issue_time", "model", "data_cutoff"),
                condition=Q(adjusts__isnull=True),
                nulls_distinct=False,
                name="forecasts_one_run_per_facts",
            ),
            models.UniqueConstraint(fields=("adjusts", "values_sha256"), name="forecasts_adjusted_so_once"),
            models.CheckConstraint(
                condition=Q(rung="override", publisher="person", adjusts__isnull=False, adjusted_by__isnull=False)
                | ~Q(rung="override") & ~Q(publisher="person") & Q(adjusts__isnull=True, adjusted_by__isnull=True),
                name="forecasts_overrides_are_by_people",
            ),
            models.CheckConstraint(
                condition=~Q(rung__in=("champion", "previous_champion")) | Q(model__isnull=False),
                name="forecasts_champions_are_models",
            ),
            models.CheckConstraint(
                condition=Q(rung="champion") | ~Q(reason=""), name="forecasts_fallback_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(valid_from__gte=F("issue_time"), valid_until__gt=F("valid_from")),
                name="forecasts_of_the_future",
            ),
            models.CheckConstraint(condition=Q(value_count__gt=0), name="forecasts_not_empty"),
        )
        permissions = (("override_forecastrun", "Can adjust a published forecast"),)
        indexes = (models.Index(fields=("series", "-issue_time", "-id"), name="forecasts_latest"),)

    def __str__(self) -> str:
        return f"{self.series} issued {self.issue_time:%Y-%m-%d %H:%M}Z"


class ForecastValue(models.Model):
    """One quantile of one interval, in the unit of the series."""

    pk = models.CompositePrimaryKey("run_id", "valid_time", "quantile")
    run = models.ForeignKey(ForecastRun, on_delete=models.PROTECT, related_name="values", db_index=False)
    valid_time = models.DateTimeField()
    quantile = models.FloatField()
    value = models.FloatField()

    class Meta:
        ordering = ("run_id", "valid_time", "quantile")
        constraints = (
            models.CheckConstraint(condition=Q(quantile__gt=0, quantile__lt=1), name="forecasts_quantile_within_0_1"),
        )

    def __str__(self) -> str:
        return f"{self.valid_time:%Y-%m-%d %H:%M}Z q{self.quantile}"


class ForecastScore(models.Model):
    """How good a run was against the actuals known at `as_of`. Undefined figures are null.

    A run is scored anew when its actuals have changed; the earlier scores stay. Errors are in the unit of the series.
    """

    forecast_run = models.ForeignKey(ForecastRun, on_delete=models.PROTECT, related_name="scores")
    as_of = models.DateTimeField()
    n = models.PositiveIntegerField(help_text="Intervals scored")
    expected = models.PositiveIntegerField(default=0, help_text="Intervals of the run")
    actuals_sha256 = models.CharField(
        "actuals' SHA-256", max_length=64, blank=True, help_text="Of the actuals it was scored on"
    )
    mae = models.FloatField(null=True)
    rmse = models.FloatField(null=True)
    mape = models.FloatField(null=True)
    pinball = models.FloatField(null=True)
    coverage_80 = models.FloatField(null=True)
    bias = models.FloatField(null=True)
    peak_mae = models.FloatField(null=True, help_text="Mean absolute error of the daily peak")
    peak_bias = models.FloatField(null=True)
    peak_time_mae_hours = models.FloatField(null=True, help_text="By how many hours the daily peak's time was missed")
    skill = models.FloatField(null=True, help_text="1 − MAE / MAE of the seasonal naive")
    baseline = models.JSONField(default=dict, blank=True, help_text="The same figures of the seasonal naive")
    external = models.JSONField(
        default=dict, blank=True, help_text="Those of somebody else's forecast: series, n, mae, …, skill against it"
    )
    stability = models.JSONField(
        default=dict, blank=True, help_text="Against the run issued before: against_run, n, mean_absolute_change"
    )
    attribution = models.JSONField(
        default=dict, blank=True, help_text="The error with the weather that happened: n, mae, model_mae, weather_mae"
    )
    by_lead_time = models.JSONField(default=list, blank=True)
    by_day = models.JSONField(default=list, blank=True, help_text="Per local day: error, peak, weather and model")
    airflow = models.JSONField(default=dict, blank=True, help_text="The Airflow run that scored it: dag_id, run_id")
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-as_of", "-pk")
        constraints = (models.UniqueConstraint(fields=("forecast_run", "as_of"), name="forecasts_one_score_per_as_of"),)
        indexes = (models.Index(fields=("-as_of", "-id"), name="forecasts_newest_scores"),)

    def __str__(self) -> str:
        return f"{self.forecast_run} as of {self.as_of:%Y-%m-%d %H:%M}Z"


class AccuracySignal(models.Model):
    """The rolling accuracy of a series at a time, and what follows from it: nothing, an alert, a new training."""

    class State(models.TextChoices):
        OK = "ok", "As expected"
        DRIFT = "drift", "Worse than expected"
        UNKNOWN = "unknown", "Too few scores"

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="accuracy_signals")
    as_of = models.DateTimeField()
    window_days = models.PositiveIntegerField()
    n = models.PositiveIntegerField(help_text="Scored runs in the window")
    mae = models.FloatField(null=True)
    naive_mae = models.FloatField(null=True, help_text="Of the seasonal naive in the window")
    reference_mae = models.FloatField(null=True, help_text="Of the champion's backtest: what was expected")
    state = models.CharField(max_length=16, choices=State.choices)
    retrain = models.BooleanField(default=False, help_text="A training was asked for")
    message = models.TextField(blank=True)
    airflow = models.JSONField(default=dict, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-as_of", "-pk")
        constraints = (models.UniqueConstraint(fields=("series", "as_of"), name="forecasts_one_signal_per_as_of"),)

    def __str__(self) -> str:
        return f"{self.series} {self.state} as of {self.as_of:%Y-%m-%d %H:%M}Z"


class PublicationDeadline(models.Model):
    """By when a series' forecast of a delivery day must be out: a gate closure on the clock of the series."""

    series = models.OneToOneField("series.Series", on_delete=models.PROTECT, related_name="publication_deadline")
    gate_closure = models.TimeField(help_text="Time of day on the clock of the series")
    days_ahead = models.PositiveSmallIntegerField(
        default=1,
        validators=[MaxValueValidator(7)],
        help_text="The delivery day is so many local days after that of the gate closure; the pipeline's horizon"
        " must reach to its end",
    )
    publish_before = models.DurationField(
        default=timedelta(hours=2),
        null=True,
        blank=True,
        validators=[validate_minutes],
        help_text="So long before the deadline Airflow is asked for the forecast of the day, if the series is "
        "scheduled; empty: never, only its own schedule publishes",
    )
    guard_before = models.DurationField(
        default=timedelta(minutes=30),
        validators=[validate_minutes],
        help_text="So long before the deadline the guard publishes a fallback",
    )
    enabled = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ("series",)
        constraints = (
            models.CheckConstraint(
                condition=Q(guard_before__gt=timedelta(0), guard_before__lte=timedelta(hours=12)),
                name="forecasts_guard_within_half_a_day",
                violation_error_message="The guard acts at most 12 hours before the deadline.",
            ),
            models.CheckConstraint(
                condition=Q(publish_before=None)
                | Q(publish_before__gt=F("guard_before"), publish_before__lte=timedelta(days=1)),
                name="forecasts_publication_before_the_guard",
                violation_error_message="The forecast is asked for before the guard acts, and at most 24 hours before"
                " the deadline.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.series} by {self.gate_closure:%H:%M}"


class DeadlineRecord(models.Model):
    """What was there for a delivery day when the guard looked: one row per series and delivery day."""

    class Outcome(models.TextChoices):
        MET = "met", "Published in time"
        GUARDED = "guarded", "The guard published a fallback"
        MISSED = "missed", "Nothing was out in time"

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="deadline_records")
    delivery_day = models.DateField(help_text="On the clock of the series")
    deadline = models.DateTimeField()
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    run = models.ForeignKey(
        ForecastRun, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="What covers the day"
    )
    reason = models.TextField(blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ("-deadline", "series")
        constraints = (
            models.UniqueConstraint(fields=("series", "delivery_day"), name="forecasts_one_record_per_delivery_day"),
            models.CheckConstraint(
                condition=Q(outcome="missed") | Q(run__isnull=False), name="forecasts_deadlines_are_met_by_runs"
            ),
        )

    def __str__(self) -> str:
        return f"{self.series} for {self.delivery_day}: {self.outcome}"


class DeadlineNotice(models.Model):
    """What nobody could be told yet about a delivery day. The guard tries it again, and deletes it once it is told."""

    series = models.ForeignKey("series.Series", on_delete=models.PROTECT, related_name="+")
    delivery_day = models.DateField(help_text="On the clock of the series")
    failing = models.BooleanField(help_text="An alert is to fire; else to resolve")
    message = models.TextField()
    at = models.DateTimeField(help_text="When it was so")

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("series", "delivery_day"), name="forecasts_one_notice_per_delivery_day"),
        )

    def __str__(self) -> str:
        return f"{self.series} for {self.delivery_day}: {self.message}"
