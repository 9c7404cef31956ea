"""The ledger as operators see it; scores have their own module."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from portal.core.admin import RecordAdmin, airflow_link, badge
from portal.forecasts.deadlines.admin import DeadlineRecordAdmin, PublicationDeadlineAdmin
from portal.forecasts.ledger.admin import AskableAdmin
from portal.forecasts.ledger.shown import page_of
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.admin import AdjustableAdmin
from portal.forecasts.queries import runs
from portal.forecasts.scores.admin import AccuracySignalAdmin, ForecastScoreAdmin

__all__ = [
    "AccuracySignalAdmin",
    "DeadlineRecordAdmin",
    "ForecastRunAdmin",
    "ForecastScoreAdmin",
    "PublicationDeadlineAdmin",
]

RUNG_COLOURS = {
    ForecastRun.Rung.CHAMPION: "success",
    ForecastRun.Rung.PREVIOUS_CHAMPION: "warning",
    ForecastRun.Rung.EARLIER_RUN: "warning",
    ForecastRun.Rung.SEASONAL_NAIVE: "danger",
    ForecastRun.Rung.OVERRIDE: "info",
}


@admin.register(ForecastRun)
class ForecastRunAdmin(AskableAdmin, AdjustableAdmin, RecordAdmin):
    """What was published: chart, facts, values."""

    list_display = (
        "series",
        "issue_time",
        "rung_label",
        "publisher",
        "model_name",
        "data_cutoff",
        "value_count",
        "published_at",
    )
    list_display_links = ("series", "issue_time")
    list_filter = ("series", "rung", "publisher")
    list_select_related = ("series", "model", "adjusted_by")
    actions_list = ("ask",)
    actions_detail = ("adjust",)
    search_fields = ("series__slug", "reason", "adjusted_by__username", "=airflow__run_id")
    search_help_text = "Series, words of the reason, who adjusted it, or id of the Airflow run"
    date_hierarchy = "issue_time"
    change_form_outer_before_template = "forecasts/run.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("series", "issue_time"),
                    ("rung_badge", "reason"),
                    ("model_link", "data_cutoff"),
                    ("publisher", "adjusted_by", "airflow_run"),
                )
            },
        ),
        ("Extent", {"fields": (("valid_from", "valid_until"), ("value_count", "published_at"), "values_sha256")}),
    )
    readonly_fields = ("rung_badge", "model_link", "airflow_run")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ForecastRun]:
        return super().get_queryset(request).defer("model__evidence", "model__parameters")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        page = None
        if run is not None and self.has_view_permission(request, run):
            page = page_of(run, against=self._against(request, run))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "page": page})

    def _against(self, request: HttpRequest, run: ForecastRun) -> ForecastRun | None:
        """The other run of the series that `?against=` names."""
        text = request.GET.get("against")
        if text is None:
            return None
        if not (text.isdecimal() and len(text) <= 18):
            raise Http404("against is not the number of a run.")
        return get_object_or_404(runs(), series=run.series_id, pk=int(text))

    @display(description="Rung", ordering="rung", label=RUNG_COLOURS)
    def rung_label(self, run: ForecastRun) -> tuple[str, str]:
        return run.rung, run.get_rung_display()

    @display(description="Rung")
    def rung_badge(self, run: ForecastRun) -> str:
        return badge(run.get_rung_display(), RUNG_COLOURS[ForecastRun.Rung(run.rung)])

    @display(description="Airflow run")
    def airflow_run(self, run: ForecastRun) -> str:
        return airflow_link(run.airflow)

    @display(description="Model", ordering="model__version")
    def model_name(self, run: ForecastRun) -> str:
        return f"{run.model.kind} v{run.model.version}" if run.model is not None else "–"

    @display(description="Model")
    def model_link(self, run: ForecastRun) -> str:
        if run.model is None:
            return "–"
        url = reverse("admin:registry_modelversion_change", args=(run.model.pk,))
        return format_html('<a href="{}" class="underline">{} v{}</a>', url, run.model.kind, run.model.version)
