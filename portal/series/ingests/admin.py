"""Ingest runs as data engineers see them: how far, what became of the rows, what was wrong."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from portal.core.admin import RecordAdmin, airflow_link, badge
from portal.series.models import IngestRun

STATE_COLOURS = {
    IngestRun.State.RUNNING: "info",
    IngestRun.State.DONE: "success",
    IngestRun.State.FAILED: "danger",
}


def state_badge(state: str) -> SafeString:
    """A state in its colour."""
    return badge(str(IngestRun.State(state).label), STATE_COLOURS[IngestRun.State(state)])


def period_in_words(run: IngestRun) -> str:
    """The half-open period that was asked for."""
    start = f"{run.period_start:%Y-%m-%d %H:%M}Z" if run.period_start else "the beginning"
    end = f"{run.period_end:%Y-%m-%d %H:%M}Z" if run.period_end else "the end"
    return f"{start} to {end}"


@admin.register(IngestRun)
class IngestRunAdmin(RecordAdmin):
    """Ingest runs: read only."""

    list_display = (
        "source",
        "state_label",
        "as_of",
        "received",
        "inserted",
        "corrected",
        "unchanged",
        "quarantined",
        "updated_at",
    )
    list_filter = ("state", "source")
    list_select_related = ("source",)
    date_hierarchy = "as_of"
    search_fields = ("source__slug", "run_id", "error")
    search_help_text = "Source, id of the Airflow run, or words of the error"
    readonly_fields = (
        "state_shown",
        "error_shown",
        "period",
        "airflow_run",
        "bad_rows",
        "notes_shown",
        "position_shown",
    )
    fieldsets = (
        (None, {"fields": (("source", "state_shown"), "error_shown", ("as_of", "period"), "airflow_run")}),
        (
            "Rows",
            {
                "fields": (
                    ("received", "inserted"),
                    ("corrected", "unchanged"),
                    ("quarantined", "bad_rows"),
                    "notes_shown",
                )
            },
        ),
        ("Course", {"fields": (("started_at", "updated_at"), "position_shown")}),
    )

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_label(self, obj: IngestRun) -> tuple[str, str]:
        return obj.state, obj.get_state_display()

    @display(description="State")
    def state_shown(self, obj: IngestRun) -> str:
        return state_badge(obj.state)

    @display(description="What was wrong")
    def error_shown(self, obj: IngestRun) -> str:
        return format_html('<span class="gc-error">{}</span>', obj.error) if obj.error else "–"

    @display(description="Period")
    def period(self, obj: IngestRun) -> str:
        return period_in_words(obj)

    @display(description="Airflow run")
    def airflow_run(self, obj: IngestRun) -> str:
        return airflow_link(obj.airflow)

    @display(description="Rows in quarantine last seen here")
    def bad_rows(self, obj: IngestRun) -> str:
        """How many by rule, each with the way to them."""
        page = reverse("admin:series_quarantinedrow_changelist")
        by_rule = obj.bad_rows.order_by("rule").values_list("rule").annotate(rows=Count("pk"))
        links = [(f"{page}?last_seen_in__id__exact={obj.pk}&rule={rule}", rule, rows) for rule, rows in by_rule]
        return format_html_join(", ", '<a href="{}" class="underline">{}: {}</a>', links) or "none"

    @display(description="Declared rules that were applied")
    def notes_shown(self, obj: IngestRun) -> str:
        notes = [(note["rule"], note["count"], note["message"]) for note in obj.notes]
        return (
            format_html_join("", "<div>{} × {}: {}</div>", [(count, rule, text) for rule, count, text in notes])
            or "none"
        )

    @display(description="Where a repetition goes on")
    def position_shown(self, obj: IngestRun) -> str:
        return "the beginning" if obj.position is None else str(obj.position)
