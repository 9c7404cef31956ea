"""The scores as people see them, and the accuracy of a series over time."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from portal.core.admin import RecordAdmin, airflow_link
from portal.forecasts.models import AccuracySignal, ForecastScore
from portal.forecasts.scores.rows import is_figure
from portal.forecasts.scores.shown import WINDOWS, shown_accuracy, shown_score
from portal.series.models import Series

LINK = '<a href="{}" class="underline">{}</a>'


@admin.register(ForecastScore)
class ForecastScoreAdmin(RecordAdmin):
    """How good the runs were: one page per score, and one per series."""

    list_display = (
        "series",
        "issue_time",
        "as_of",
        "scored",
        "mae_shown",
        "naive_mae",
        "skill_shown",
        "bias_shown",
        "accuracy_link",
    )
    list_display_links = ("series", "issue_time")
    list_filter = ("forecast_run__series", "forecast_run__rung")
    list_select_related = ("forecast_run__series",)
    date_hierarchy = "as_of"
    search_fields = ("forecast_run__series__slug", "=airflow__run_id")
    search_help_text = "Series, or id of the Airflow run"
    change_form_outer_before_template = "forecasts/score.html"
    readonly_fields = ("run_link", "scored", "airflow_run", "skill_shown", "accuracy_link")
    fieldsets = (
        (None, {"fields": (("run_link", "accuracy_link"), ("as_of", "recorded_at"), ("scored", "airflow_run"))}),
        (
            "Figures",
            {
                "fields": (
                    ("mae", "skill_shown"),
                    ("peak_mae", "peak_bias", "peak_time_mae_hours"),
                    ("coverage_80", "bias", "pinball"),
                    "actuals_sha256",
                )
            },
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "accuracy/<slug:slug>/",
            self.admin_site.admin_view(self.accuracy_view),
            name="forecasts_forecastscore_accuracy",
        )
        return [page, *super().get_urls()]

    def accuracy_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """The rolling accuracy of a series, of the last `days` days that were scored."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        series = get_object_or_404(Series, slug=slug)
        days = request.GET.get("days", "")
        window = int(days) if days in map(str, WINDOWS) else WINDOWS[1]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Accuracy of {series.name}",
            **shown_accuracy(series, days=window, at=timezone.now()),
        }
        return TemplateResponse(request, "forecasts/accuracy.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        score = self.get_object(request, object_id)
        shown = shown_score(score) if score is not None and self.has_view_permission(request, score) else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @display(description="Series", ordering="forecast_run__series__slug")
    def series(self, score: ForecastScore) -> str:
        return score.forecast_run.series.slug

    @display(description="Issued", ordering="forecast_run__issue_time")
    def issue_time(self, score: ForecastScore) -> Any:
        return score.forecast_run.issue_time

    @display(description="Intervals", ordering="n")
    def scored(self, score: ForecastScore) -> str:
        return f"{score.n} of {score.expected}" if score.expected else str(score.n)

    @display(description="MAE", ordering="mae")
    def mae_shown(self, score: ForecastScore) -> str:
        return _one_digit(score.mae)

    @display(description="Naive")
    def naive_mae(self, score: ForecastScore) -> str:
        return _one_digit(score.baseline.get("mae"))

    @display(description="Bias", ordering="bias")
    def bias_shown(self, score: ForecastScore) -> str:
        return _one_digit(score.bias)

    @display(description="Skill", ordering="skill")
    def skill_shown(self, score: ForecastScore) -> str:
        return "–" if score.skill is None else f"{score.skill:+.0%}"

    @display(description="Run")
    def run_link(self, score: ForecastScore) -> str:
        run = score.forecast_run
        return format_html(LINK, reverse("admin:forecasts_forecastrun_change", args=(run.pk,)), run)

    @display(description="Over time")
    def accuracy_link(self, score: ForecastScore) -> str:
        slug = score.forecast_run.series.slug
        return format_html(LINK, reverse("admin:forecasts_forecastscore_accuracy", args=(slug,)), "accuracy")

    @display(description="Airflow run")
    def airflow_run(self, score: ForecastScore) -> str:
        return airflow_link(score.airflow)


def _one_digit(value: Any) -> str:
    return f"{value:,.1f}" if is_figure(value) else "–"


@admin.register(AccuracySignal)
class AccuracySignalAdmin(RecordAdmin):
    """What the rolling accuracy was, and what followed from it."""

    list_display = ("series", "as_of", "state_label", "n", "mae", "reference_mae", "naive_mae", "retrain", "accuracy")
    list_display_links = ("series", "as_of")
    list_filter = ("state", "retrain", "series")
    list_select_related = ("series",)
    date_hierarchy = "as_of"
    search_fields = ("series__slug", "=airflow__run_id")
    search_help_text = "Series, or id of the Airflow run"
    readonly_fields = ("airflow_run", "accuracy")
    fieldsets = (
        (None, {"fields": (("series", "as_of"), ("state", "retrain"), "message", ("accuracy", "airflow_run"))}),
        ("Figures", {"fields": (("window_days", "n"), ("mae", "reference_mae", "naive_mae"))}),
    )

    @display(
        description="State",
        ordering="state",
        label={
            AccuracySignal.State.OK: "success",
            AccuracySignal.State.DRIFT: "danger",
            AccuracySignal.State.UNKNOWN: "info",
        },
    )
    def state_label(self, signal: AccuracySignal) -> tuple[str, str]:
        return signal.state, signal.get_state_display()

    @display(description="Airflow run")
    def airflow_run(self, signal: AccuracySignal) -> str:
        return airflow_link(signal.airflow)

    @display(description="Accuracy")
    def accuracy(self, signal: AccuracySignal) -> str:
        url = reverse("admin:forecasts_forecastscore_accuracy", args=(signal.series.slug,))
        return format_html(LINK, url, "over time")
