"""The chain of decisions over all series, what audits found of it, and the rules that approve without asking."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import linebreaksbr
from django.utils import timezone
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from portal.core.admin import RecordAdmin, badge
from portal.registry import operations
from portal.registry.models import ApprovalRule, AuditOutcome, Decision


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    """Every decision in its order, with its place in the chain."""

    list_display = ("number", "at", "decision", "model", "by", "automatic", "reason", "short_sha256")
    list_filter = ("decision", "automatic", "model__series", "by")
    list_select_related = ("model__series", "by")
    search_fields = ("reason", "sha256", "by__username")
    date_hierarchy = "at"
    ordering = ("-number",)
    list_before_template = "registry/last_audit.html"
    fields = (
        ("number", "at"),
        ("decision", "model"),
        ("by", "automatic"),
        "reason",
        "sha256",
        "previous_sha256",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        return super().get_queryset(request).defer("model__evidence", "model__parameters")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown_too = {}
        if request.user.has_perm("registry.view_auditoutcome"):
            shown_too = {"audits": True, "last_audit": AuditOutcome.objects.first()}
        return super().changelist_view(request, {**(extra_context or {}), **shown_too})

    @display(description="SHA-256")
    def short_sha256(self, obj: Decision) -> str:
        return f"{obj.sha256[:12]}…"


@admin.register(AuditOutcome)
class AuditOutcomeAdmin(RecordAdmin):
    """What every audit of the decisions found."""

    list_display = ("at", "verdict", "told", "decision_count", "model_count", "short_head")
    list_filter = ("sound",)
    search_fields = ("faults", "head_sha256")
    date_hierarchy = "at"
    fields = (("at", "verdict_badge"), "told", ("decision_count", "model_count"), "head")

    @display(description="Verdict", ordering="sound", label={"sound": "success", "broken": "danger"})
    def verdict(self, obj: AuditOutcome) -> tuple[str, str]:
        return ("sound", "Sound") if obj.sound else ("broken", "Broken")

    @display(description="Verdict")
    def verdict_badge(self, obj: AuditOutcome) -> str:
        return badge("Sound", "success") if obj.sound else badge("Broken", "danger")

    @display(description="Found")
    def told(self, obj: AuditOutcome) -> str:
        return format_html("{}", linebreaksbr(obj.told, autoescape=True))

    @display(description="Head", ordering="head_number")
    def short_head(self, obj: AuditOutcome) -> str:
        return f"{obj.head_number}:{obj.head_sha256[:12]}…" if obj.head else "–"

    @display(description="Head")
    def head(self, obj: AuditOutcome) -> str:
        return obj.head or "–"


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(SimpleHistoryAdmin, ModelAdmin):
    """Rules per series; who saves one is who it approves in the name of, and every edit stays in the history."""

    list_display = ("series", "enabled", "margin", "set_by", "set_at", "reason")
    list_filter = ("enabled",)
    list_select_related = ("series", "set_by")
    search_fields = ("series__slug", "reason")
    fields = ("series", "enabled", "margin", "reason", ("set_by", "set_at"))

    def get_readonly_fields(self, request: HttpRequest, obj: ApprovalRule | None = None) -> tuple[str, ...]:
        return ("set_by", "set_at") if obj is None else ("series", "set_by", "set_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("registry.approve_modelversion")

    def has_change_permission(self, request: HttpRequest, obj: ApprovalRule | None = None) -> bool:
        return request.user.has_perm("registry.approve_modelversion")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApprovalRule, form: Any, change: bool) -> None:
        rule = operations.set_approval_rule(
            obj.series,
            enabled=obj.enabled,
            margin=obj.margin,
            by=cast("User", request.user),
            reason=obj.reason,
            at=timezone.now(),
        )
        obj.pk = rule.pk
