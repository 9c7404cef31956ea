"""Check runs as operators see them: what failed, by how much, and the reports."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from portal.core.admin import RecordAdmin, RecordInline, airflow_link, badge
from portal.quality.models import CheckReport, CheckResult, CheckRun, shown

RUN_COLOURS = {
    CheckRun.Status.PASSED: "success",
    CheckRun.Status.WARNED: "warning",
    CheckRun.Status.FAILED: "danger",
}
RESULT_COLOURS = {
    CheckResult.Status.PASSED: "success",
    CheckResult.Status.SKIPPED: "info",
    CheckResult.Status.FAILED: "danger",
    CheckResult.Status.ERROR: "danger",
}


class ResultInline(RecordInline):
    """The results of a run, in the order of the run."""

    model = CheckResult
    fields = ("outcome", "name", "engine", "severity", "measured", "limit", "message")
    readonly_fields = fields
    verbose_name_plural = "Results"

    @display(description="Outcome")
    def outcome(self, obj: CheckResult) -> str:
        colour = RESULT_COLOURS[CheckResult.Status(obj.status)]
        if obj.status == CheckResult.Status.FAILED and obj.severity == CheckResult.Severity.WARNING:
            colour = "warning"
        return badge(obj.get_status_display(), colour)

    @display(description="Value")
    def measured(self, obj: CheckResult) -> str:
        return shown(obj.value)

    @display(description="Threshold")
    def limit(self, obj: CheckResult) -> str:
        return shown(obj.threshold)


class ReportInline(RecordInline):
    """The reports of a run, each opened in a sandbox of its own."""

    model = CheckReport
    fields = ("open", "weight", "uploaded_at")
    readonly_fields = fields
    verbose_name_plural = "Reports"

    @display(description="Report")
    def open(self, obj: CheckReport) -> str:
        url = reverse("check-run-report", args=(obj.run_id, obj.name))
        return format_html('<a href="{}" target="_blank" rel="noopener" class="underline">{}</a>', url, obj.name)

    @display(description="Size")
    def weight(self, obj: CheckReport) -> str:
        return f"{obj.size / 1e6:.1f} MB" if obj.size >= 1e5 else f"{obj.size / 1e3:.1f} kB"


@admin.register(CheckRun)
class CheckRunAdmin(RecordAdmin):
    """Check runs: read only."""

    list_display = ("series", "stage", "status_label", "bad", "period_start", "period_end", "as_of")
    list_filter = ("status", "series", "stage")
    list_select_related = ("series",)
    date_hierarchy = "as_of"
    search_fields = ("series__slug", "results__name", "airflow__run_id")
    search_help_text = "Series, name of a check, or id of the Airflow run"
    inlines = (ResultInline, ReportInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("series", "stage"),
                    ("status_badge", "as_of"),
                    ("period_start", "period_end"),
                    ("airflow_run", "recorded_at"),
                )
            },
        ),
    )
    readonly_fields = ("status_badge", "airflow_run", "recorded_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CheckRun]:
        bad = Q(results__status__in=(CheckResult.Status.FAILED, CheckResult.Status.ERROR))
        return super().get_queryset(request).annotate(bad_results=Count("results", filter=bad))

    @display(description="Status", ordering="status", label=RUN_COLOURS)
    def status_label(self, obj: CheckRun) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Status")
    def status_badge(self, obj: CheckRun) -> str:
        return badge(obj.get_status_display(), RUN_COLOURS[CheckRun.Status(obj.status)])

    @display(description="Failed checks", ordering="bad_results")
    def bad(self, obj: Any) -> int:
        return obj.bad_results

    @display(description="Airflow run")
    def airflow_run(self, obj: CheckRun) -> str:
        return airflow_link(obj.airflow)
