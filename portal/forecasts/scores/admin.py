"""The scores as people see them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.decorators import display

from portal.core.admin import RecordAdmin
from portal.forecasts.models import ForecastScore


@admin.register(ForecastScore)
class ForecastScoreAdmin(RecordAdmin):
    """How good the runs were."""

    list_display = ("series", "issue_time", "as_of", "n", "mae", "naive_mae", "mape", "coverage_80", "bias")
    list_filter = ("forecast_run__series",)
    list_select_related = ("forecast_run__series",)
    date_hierarchy = "as_of"

    @display(description="Series", ordering="forecast_run__series__slug")
    def series(self, score: ForecastScore) -> str:
        return score.forecast_run.series.slug

    @display(description="Issued", ordering="forecast_run__issue_time")
    def issue_time(self, score: ForecastScore) -> Any:
        return score.forecast_run.issue_time

    @display(description="MAE of the seasonal naive")
    def naive_mae(self, score: ForecastScore) -> Any:
        return score.baseline.get("mae")
