"""Sources as data engineers edit them, with what each kind takes, and how the last reading went."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from portal.core.admin import airflow_link
from portal.core.resolution import format_duration
from portal.series.ingests.admin import state_badge
from portal.series.models import IngestRun, Source
from portal.series.source_form import SourceForm
from portal.series.source_kinds.kinds import KINDS
from portal.series.source_kinds.reference import reference


@admin.register(Source)
class SourceAdmin(SimpleHistoryAdmin, ModelAdmin):
    """Sources; every edit stays in the history."""

    form = SourceForm
    list_display = ("slug", "name", "kind_word", "feeds_word", "last_ingest", "delay", "enabled", "scheduled")
    list_filter = ("kind", "feeds", "enabled", "scheduled")
    list_select_related = False
    search_fields = ("slug", "name", "url", "connection")
    readonly_fields = ("newest_ingest",)
    fieldsets = (
        (None, {"fields": (("slug", "name"), ("kind", "feeds"), "url", "connection", "options")}),
        ("Use", {"fields": ("availability_delay", ("enabled", "scheduled"))}),
    )
    change_form_outer_after_template = "series/source_kinds.html"

    class Media:
        css = {"all": ("series/source_kinds.css",)}  # noqa: RUF012  # as Django has it
        js = ("series/source_kinds.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        newest = IngestRun.objects.filter(source=OuterRef("pk")).order_by("-started_at", "-pk")
        return (
            super()
            .get_queryset(request)
            .annotate(
                **{f"newest_{name}": Subquery(newest.values(name)[:1]) for name in ("id", "state", "as_of")},
            )
        )

    def get_fieldsets(self, request: HttpRequest, obj: Source | None = None) -> Any:
        """How the last reading went comes first, once there may be one."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else ((None, {"fields": ("newest_ingest",)}), *fieldsets)

    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The form, and the reference of the kinds below it, open at the one that is chosen."""
        labels = dict(Source.Kind.choices)
        form = context["adminform"].form
        context["kinds"] = [(str(labels[name]), reference(name)) for name in KINDS]
        context["chosen_kind"] = form["kind"].value() if "kind" in form.fields else getattr(form.instance, "kind", "")
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Kind", ordering="kind")
    def kind_word(self, source: Source) -> str:
        return source.kind

    @display(description="Feeds", ordering="feeds")
    def feeds_word(self, source: Source) -> str:
        return source.feeds

    @display(description="Last reading", ordering="newest_as_of")
    def last_ingest(self, source: Any) -> str:
        if source.newest_state is None:
            return "never read"
        page = reverse("admin:series_ingestrun_change", args=(source.newest_id,))
        return format_html(
            '<a href="{}" class="whitespace-nowrap">{} as of {}</a>',
            page,
            state_badge(source.newest_state),
            f"{source.newest_as_of:%Y-%m-%d %H:%M}Z",
        )

    @display(description="Last reading")
    def newest_ingest(self, source: Source) -> str:
        run = source.ingest_runs.first() if source.pk else None
        if run is None:
            return "never read"
        page = reverse("admin:series_ingestrun_change", args=(run.pk,))
        counts = f"{run.received} rows received, {run.inserted} new, {run.corrected} corrected, {run.quarantined} bad"
        return format_html(
            '{} <a href="{}" class="underline">as of {}</a>: {}<br>{}{}',
            state_badge(run.state),
            page,
            f"{run.as_of:%Y-%m-%d %H:%M}Z",
            counts,
            format_html('<span class="gc-error">{}</span><br>', run.error) if run.error else "",
            airflow_link(run.airflow),
        )

    @display(description="Availability delay", ordering="availability_delay")
    def delay(self, source: Source) -> str:
        return "live" if source.availability_delay is None else format_duration(source.availability_delay)
