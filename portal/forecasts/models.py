"""The ledger of forecasts. A run is whole or not there, and nothing in it ever changes (triggers in the migrations)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ForecastRun(models.Model):
    """One published forecast of one series."""

    class Rung(models.TextChoices):
        CHAMPION = "champion", "Champion"
        PREVIOUS_CHAMPION = "previous_champion", "Previous champion"
        EARLIER_RUN = "earlier_run", "Earlier run"
        SEASONAL_NAIVE = "seasonal_naive", "Seasonal naive"

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
    reason = models.TextField(blank=True, help_text="Why not the champion")
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
                nulls_distinct=False,
                name="forecasts_one_run_per_facts",
            ),
            models.CheckConstraint(
                condition=~Q(rung__in=("champion", "previous_champion")) | Q(model__isnull=False),
                name="forecasts_champions_are_models",
            ),
            models.CheckConstraint(
                condition=Q(rung="champion") | ~Q(reason=""), name="forecasts_fallback_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(valid_from__gte=models.F("issue_time"), valid_until__gt=models.F("valid_from")),
                name="forecasts_of_the_future",
            ),
            models.CheckConstraint(condition=Q(value_count__gt=0), name="forecasts_not_empty"),
        )
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
    """How good a run was against the actuals known at `as_of`. Undefined figures are null."""

    forecast_run = models.ForeignKey(ForecastRun, on_delete=models.PROTECT, related_name="scores")
    as_of = models.DateTimeField()
    n = models.PositiveIntegerField(help_text="Intervals scored")
    mae = models.FloatField(null=True)
    rmse = models.FloatField(null=True)
    mape = models.FloatField(null=True)
    pinball = models.FloatField(null=True)
    coverage_80 = models.FloatField(null=True)
    bias = models.FloatField(null=True)
    baseline = models.JSONField(default=dict, blank=True, help_text="The same figures of the seasonal naive")
    by_lead_time = models.JSONField(default=list, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-as_of", "-pk")
        constraints = (models.UniqueConstraint(fields=("forecast_run", "as_of"), name="forecasts_one_score_per_as_of"),)

    def __str__(self) -> str:
        return f"{self.forecast_run} as of {self.as_of:%Y-%m-%d %H:%M}Z"
