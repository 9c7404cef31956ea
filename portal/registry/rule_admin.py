"""The chain of decisions over all series, and the rules that approve without asking."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from portal.core.admin import RecordAdmin
from portal.registry import operations
from portal.registry.models import ApprovalRule, Decision


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    """Every decision in its order, with its place in the chain."""

    list_display = ("number", "at", "decision", "model", "by", "automatic", "reason", "short_sha256")
    list_filter = ("decision", "automatic", "model__series", "by")
    list_select_related = ("model__series", "by")
    search_fields = ("reason", "sha256", "by__username")
    date_hierarchy = "at"
    ordering = ("-number",)
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

    @display(description="SHA-256")
    def short_sha256(self, obj: Decision) -> str:
        return f"{obj.sha256[:12]}…"


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
