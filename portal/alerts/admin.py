"""Rules, alerts and the outbox as operators see them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from portal.alerts import operations
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.core.admin import DELIVERY_COLOURS, RecordAdmin, badge, record_and_page
from portal.quality.models import shown

STATE_COLOURS = {
    Alert.State.FIRING: "danger",
    Alert.State.ACKNOWLEDGED: "warning",
    Alert.State.RESOLVED: "success",
}


@admin.register(AlertRule)
class AlertRuleAdmin(SimpleHistoryAdmin, ModelAdmin):
    """Who is mailed about what; every edit stays in the history."""

    list_display = ("name", "signal", "scope", "minimum_severity", "notify_operators", "addresses", "enabled")
    list_filter = ("enabled", "signal", "minimum_severity")
    list_select_related = ("series", "source")
    search_fields = ("name", "addresses")
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        ("When", {"fields": ("signal", ("series", "source"), "minimum_severity")}),
        ("Whom to mail", {"fields": ("notify_operators", "addresses")}),
    )

    @display(description="Scope")
    def scope(self, obj: AlertRule) -> str:
        every = "every source" if obj.signal == AlertRule.Signal.INGEST_FAILED else "every series"
        return str(obj.series or obj.source or every)


_CARE = ("Who looks after it", {"fields": (("acknowledged_by", "acknowledged_at"),)})
_CHECK_FIELDS = (
    (None, {"fields": (("series", "state_badge"), ("check_name", "engine"), ("severity", "rule"))}),
    ("What happened", {"fields": (("fired_at", "first_run"), ("latest_run", "resolved_by"), "resolved_at")}),
    _CARE,
)
_INGEST_FIELDS = (
    (None, {"fields": (("source", "state_badge"), ("severity", "rule"), "message")}),
    (
        "What happened",
        {"fields": (("fired_at", "first_ingest"), ("latest_ingest", "resolved_by_ingest"), "resolved_at")},
    ),
    _CARE,
)
_FIELDS_WITHOUT_RUN = (
    (None, {"fields": (("series", "state_badge"), ("check_name", "severity"), "rule", "message")}),
    ("What happened", {"fields": (("fired_at", "resolved_at"),)}),
    _CARE,
)


def _check_that_failed(alert: Alert) -> dict[str, Any]:
    result = alert.latest_run and alert.latest_run.results.filter(engine=alert.engine, name=alert.check_name).first()
    return {
        "result": result,
        "value": shown(result.value if result else None),
        "threshold": shown(result.threshold if result else None),
    }


@admin.register(Alert)
class AlertAdmin(RecordAdmin):
    """Alerts: read only but for the acknowledgement."""

    list_display = ("what", "subject", "state_label", "severity", "fired_at", "acknowledged_by", "resolved_at")
    list_filter = ("state", "severity", "rule", "series", "source")
    list_select_related = ("series", "source", "acknowledged_by")
    search_fields = ("check_name", "series__slug", "source__slug", "message")
    date_hierarchy = "fired_at"
    actions = ("acknowledge_selected",)
    actions_detail = ("acknowledge",)
    readonly_fields = ("state_badge",)

    def get_fieldsets(self, request: HttpRequest, obj: Alert | None = None) -> Any:
        """Of a check, an ingest or what no run tells of, as the alert is about the one or the other."""
        if obj is not None and obj.is_without_run:
            return _FIELDS_WITHOUT_RUN
        return _CHECK_FIELDS if obj is None or obj.series_id else _INGEST_FIELDS

    def has_acknowledge_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("alerts.acknowledge_alert")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """The button, on a firing alert only."""
        alert = self.get_object(request, str(object_id))
        if alert is None or alert.state != Alert.State.FIRING:
            return []
        return super().get_actions_detail(request, object_id)

    @display(description="What", ordering="check_name")
    def what(self, obj: Alert) -> str:
        return obj.check_name or "could not be read"

    @display(description="Of")
    def subject(self, obj: Alert) -> str:
        return str(obj.series or obj.source or "all series")

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_label(self, obj: Alert) -> tuple[str, str]:
        return obj.state, obj.get_state_display()

    @display(description="State")
    def state_badge(self, obj: Alert) -> str:
        return badge(obj.get_state_display(), STATE_COLOURS[Alert.State(obj.state)])

    @action(
        description="Acknowledge",
        permissions=["acknowledge"],
        icon="check",
        variant=ActionVariant.PRIMARY,
    )
    def acknowledge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        alert, page = record_and_page(self, request, object_id, name="alert")
        try:
            operations.require_firing(alert)
        except operations.NotFiring as refusal:
            # The mail's link again, once another operator was there first.
            messages.error(request, str(refusal))
            return HttpResponseRedirect(page)
        if request.method == "POST":
            self._acknowledge(request, alert)
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Acknowledge that {alert.source} was not read" if alert.source else f"Acknowledge {alert.about}",
            "alert": alert,
            "back": page,
            **(_check_that_failed(alert) if alert.latest_run else {}),
        }
        return TemplateResponse(request, "alerts/acknowledge.html", context)

    @admin.action(description="Acknowledge the selected alerts", permissions=["acknowledge"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        for alert in queryset:
            self._acknowledge(request, alert)

    def _acknowledge(self, request: HttpRequest, alert: Alert) -> None:
        try:
            operations.acknowledge_alert(alert, by=cast("User", request.user), at=timezone.now())
        except operations.AlertError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"You look after {alert.about}.")


@admin.register(OutboxMessage)
class OutboxMessageAdmin(RecordAdmin):
    """Mails, sent and to be sent: read only."""

    list_display = ("subject", "recipient", "delivery", "attempts", "enqueued_at", "sent_at")
    list_filter = ("kind", ("sent_at", admin.EmptyFieldListFilter), "rule")
    search_fields = ("subject", "recipient", "message_id")
    date_hierarchy = "enqueued_at"
    fieldsets = (
        (None, {"fields": ("subject", ("recipient", "kind"), "text")}),
        (
            "Delivery",
            {
                "fields": (
                    ("delivery", "attempts"),
                    ("enqueued_at", "sent_at"),
                    ("next_attempt_at", "leased_until"),
                    "last_error",
                    "message_id",
                )
            },
        ),
        ("About", {"fields": ("rule", "alerts")}),
    )

    @display(description="Delivery", label=DELIVERY_COLOURS)
    def delivery(self, obj: OutboxMessage) -> str:
        return obj.delivery
