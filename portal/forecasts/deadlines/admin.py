"""Deadlines as operators set them, and what became of each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from portal.core.admin import RecordAdmin, badge
from portal.forecasts.deadlines.operations import queue_for_deadline
from portal.forecasts.deadlines.queries import gate_closure
from portal.forecasts.models import DeadlineRecord, PublicationDeadline
from portal.series.models import Series

OUTCOMES = {
    DeadlineRecord.Outcome.MET: ("success", "met"),
    DeadlineRecord.Outcome.GUARDED: ("warning", "guarded"),
    DeadlineRecord.Outcome.MISSED: ("danger", "missed"),
}
"""Outcome → its colour and name in lists."""


class DeadlineForm(ModelForm):
    """A deadline as it is set or changed; the page that takes it is one transaction."""

    def clean(self) -> dict[str, Any] | None:
        """Of two forms at once the second waits here, so that the look for a deadline that follows finds the first."""
        if "series" in self.cleaned_data:
            queue_for_deadline(self.cleaned_data["series"])
        return super().clean()


@admin.register(PublicationDeadline)
class PublicationDeadlineAdmin(SimpleHistoryAdmin, ModelAdmin):
    """By when a forecast must be out; every edit stays in the history."""

    form = DeadlineForm
    list_display = (
        "series",
        "gate_closure",
        "clock",
        "days_ahead",
        "publish_before",
        "guard_before",
        "enabled",
        "next_deadline",
    )
    list_filter = ("enabled",)
    list_select_related = ("series",)
    search_fields = ("series__slug", "series__name")
    fieldsets = (
        (None, {"fields": ("series", ("gate_closure", "days_ahead"), ("publish_before", "guard_before"), "enabled")}),
        ("What follows from it", {"fields": ("next_deadline",)}),
    )
    readonly_fields = ("next_deadline",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The series too, once it is set: a deadline stays with its series."""
        return (*self.readonly_fields, "series") if obj is not None else self.readonly_fields

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Only loads are forecast."""
        kwargs["queryset"] = Series.objects.filter(quantity=Series.Quantity.LOAD)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description="Clock", ordering="series__timezone")
    def clock(self, obj: PublicationDeadline) -> str:
        return str(obj.series.timezone)

    @display(description="Next deadline")
    def next_deadline(self, obj: PublicationDeadline) -> str:
        if obj.pk is None or not obj.enabled:
            return "–"
        gate = gate_closure(obj)
        delivery = gate.next(timezone.now())
        return f"{delivery.deadline.astimezone(gate.zone):%Y-%m-%d %H:%M %Z} for {delivery.day}"


@admin.register(DeadlineRecord)
class DeadlineRecordAdmin(RecordAdmin):
    """What became of the deadlines: read only."""

    list_display = ("series", "delivery_day", "deadline", "outcome_label", "run_link", "reason", "recorded_at")
    list_display_links = ("series", "delivery_day")
    list_filter = ("outcome", "series")
    list_select_related = ("series", "run")
    search_fields = ("series__slug", "reason")
    date_hierarchy = "deadline"
    fieldsets = (
        (None, {"fields": (("series", "delivery_day"), ("outcome_badge", "run_link"), "reason")}),
        ("When", {"fields": (("deadline", "recorded_at"),)}),
    )
    readonly_fields = ("outcome_badge", "run_link")

    @display(description="Outcome", ordering="outcome", label={name: colour for colour, name in OUTCOMES.values()})
    def outcome_label(self, obj: DeadlineRecord) -> str:
        return OUTCOMES[DeadlineRecord.Outcome(obj.outcome)][1]

    @display(description="Outcome")
    def outcome_badge(self, obj: DeadlineRecord) -> str:
        colour, name = OUTCOMES[DeadlineRecord.Outcome(obj.outcome)]
        return badge(name, colour)

    @display(description="Run")
    def run_link(self, obj: DeadlineRecord) -> str:
        if obj.run_id is None:
            return "–"
        page = reverse("admin:forecasts_forecastrun_change", args=(obj.run_id,))
        return format_html('<a href="{}" class="underline">{}</a>', page, f"run {obj.run_id}")
