"""The runs that Airflow is asked for, as operators see them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from portal.core.admin import DELIVERY_COLOURS, RecordAdmin, airflow_link, badge, record_and_page
from portal.pipeline import operations
from portal.pipeline.models import DagRunRequest


@admin.register(DagRunRequest)
class DagRunRequestAdmin(RecordAdmin):
    """Requests, sent and to be sent: read only but for another try."""

    list_display = ("reason", "dag_id", "series", "delivery_label", "attempts", "requested_at", "sent_at")
    list_filter = ("dag_id", ("sent_at", admin.EmptyFieldListFilter), "series")
    list_select_related = ("series",)
    search_fields = ("reason", "series__slug", "last_error", "=run_id")
    search_help_text = "What it follows from, series, words of the error, or id of the Airflow run"
    date_hierarchy = "requested_at"
    actions = ("retry_selected",)
    actions_detail = ("retry",)
    readonly_fields = ("delivery_shown", "airflow_run", "series_shown", "error_shown")
    fieldsets = (
        (None, {"fields": ("reason", ("dag_id", "series_shown"), ("requested_by", "requested_at"))}),
        (
            "Delivery",
            {
                "fields": (
                    ("delivery_shown", "airflow_run"),
                    "remark",
                    "error_shown",
                    ("attempts", "next_attempt_at"),
                    ("sent_at", "leased_until"),
                )
            },
        ),
        ("The run", {"fields": ("run_id", "conf")}),
    )

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("pipeline.change_dagrunrequest")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """The button, on an unsent request only."""
        asked = self.get_object(request, str(object_id))
        if asked is None or asked.sent_at is not None:
            return []
        return super().get_actions_detail(request, object_id)

    @display(description="Delivery", label=DELIVERY_COLOURS)
    def delivery_label(self, obj: DagRunRequest) -> str:
        return obj.delivery

    @display(description="Delivery")
    def delivery_shown(self, obj: DagRunRequest) -> str:
        return badge(obj.delivery, DELIVERY_COLOURS[obj.delivery])

    @display(description="Run in Airflow")
    def airflow_run(self, obj: DagRunRequest) -> str:
        return airflow_link(obj.airflow)

    @display(description="Series")
    def series_shown(self, obj: DagRunRequest) -> str:
        if obj.series is None:
            return "–"
        page = reverse("admin:series_series_change", args=(obj.series.pk,))
        return format_html('<a href="{}" class="underline">{}</a>', page, obj.series)

    @display(description="Last error")
    def error_shown(self, obj: DagRunRequest) -> str:
        return format_html('<span class="gc-error">{}</span>', obj.last_error) if obj.last_error else "–"

    @action(description="Try again now", permissions=["retry"], icon="refresh", variant=ActionVariant.PRIMARY)
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked, page = record_and_page(self, request, object_id, name="request")
        if request.method == "POST":
            self._retry(request, asked)
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Ask Airflow again for {asked.dag_id}",
            "asked": asked,
            "back": page,
        }
        return TemplateResponse(request, "pipeline/retry.html", context)

    @admin.action(description="Try the selected again now", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[DagRunRequest]) -> None:
        for asked in queryset:
            self._retry(request, asked)

    def _retry(self, request: HttpRequest, asked: DagRunRequest) -> None:
        try:
            operations.retry_request(asked, by=cast("User", request.user), at=timezone.now())
        except operations.AlreadySent as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"Airflow is being asked for {asked.run_id} again: look in a moment.")
