"""Retention as operators see it: rules, a dry run that shows what they would delete, and the deletion itself."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from portal.core.admin import RecordAdmin, airflow_link, badge, record_and_page
from portal.retention import operations
from portal.retention.models import RetentionOutcome, RetentionRule, RetentionRun

SECONDS_PER_CLICK = 10.0
STATE_COLOURS = {"dry run": "info", "running": "warning", "done": "success"}


@admin.register(RetentionRule)
class RetentionRuleAdmin(SimpleHistoryAdmin, ModelAdmin):
    """How long what is kept; every edit stays in the history."""

    list_display = ("about", "enabled", "kept_for", "counted_from", "kept")
    list_display_links = ("about",)
    list_filter = ("enabled",)
    actions_list = ("dry_run",)
    readonly_fields = ("about", "counted_from", "least", "kept")
    fieldsets = (
        (None, {"fields": ("about", ("enabled", "keep_days"))}),
        ("What holds for it", {"fields": (("counted_from", "least"), "kept")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_run_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("retention.add_retentionrun")

    @display(description="What", ordering="pk")
    def about(self, obj: RetentionRule) -> str:
        return str(obj)

    @display(description="Kept")
    def kept_for(self, obj: RetentionRule) -> str:
        return f"{obj.keep_days} days" if obj.enabled else "for good"

    @display(description="Counted from")
    def counted_from(self, obj: RetentionRule) -> str:
        return obj.policy.counted_from

    @display(description="Fewest days allowed")
    def least(self, obj: RetentionRule) -> str:
        return str(obj.policy.at_least)

    @display(description="What stays, however old")
    def kept(self, obj: RetentionRule) -> str:
        return obj.policy.kept

    @action(description="Dry run now …", permissions=["run"], icon="preview", variant=ActionVariant.PRIMARY)
    def dry_run(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            now = timezone.now()
            run = operations.begin_run(as_of=now, dry_run=True, by=cast("User", request.user), at=now, airflow={})
            return HttpResponseRedirect(reverse("admin:retention_retentionrun_change", args=(run.pk,)))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Dry run of the retention",
            "rules": RetentionRule.objects.filter(enabled=True),
            "back": reverse("admin:retention_retentionrule_changelist"),
        }
        return TemplateResponse(request, "retention/dry_run.html", context)


@admin.register(RetentionRun)
class RetentionRunAdmin(RecordAdmin):
    """Runs of the retention: read only, but that a dry run can be followed by the deletion that it shows."""

    list_display = ("as_of", "state_label", "found", "deleted", "held", "by", "started_at", "airflow_run")
    list_display_links = ("as_of",)
    list_filter = ("dry_run", "state")
    list_select_related = ("by",)
    search_fields = ("=airflow__run_id", "by__username")
    search_help_text = "Id of the Airflow run, or who ran it"
    date_hierarchy = "as_of"
    actions_detail = ("delete_now", "go_on")
    change_form_outer_before_template = "retention/outcomes.html"
    readonly_fields = ("state_shown", "airflow_run")
    fieldsets = (
        (
            None,
            {"fields": (("as_of", "state_shown"), ("by", "airflow_run"), ("started_at", "finished_at"), "confirmed")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("outcomes")

    def has_run_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("retention.add_retentionrun")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Delete, on a dry run that found something; go on, on a run that is not done."""
        run = self.get_object(request, str(object_id))
        if run is None:
            return []
        offered = {"delete_now": run.dry_run and bool(_to_delete(run)), "go_on": run.state == run.State.RUNNING}
        return [each for each in super().get_actions_detail(request, object_id) if offered[each.method.__name__]]

    @display(description="State", label=STATE_COLOURS)
    def state_label(self, obj: RetentionRun) -> str:
        return "dry run" if obj.dry_run else obj.state

    @display(description="State")
    def state_shown(self, obj: RetentionRun) -> str:
        return badge(self.state_label(obj), STATE_COLOURS[self.state_label(obj)])

    @display(description="Due")
    def found(self, obj: RetentionRun) -> int:
        return sum(outcome.found or 0 for outcome in obj.outcomes.all())

    @display(description="Deleted")
    def deleted(self, obj: RetentionRun) -> int:
        return sum(outcome.deleted for outcome in obj.outcomes.all())

    @display(description="Held")
    def held(self, obj: RetentionRun) -> str:
        return ", ".join(str(outcome) for outcome in obj.outcomes.all() if outcome.held) or "–"

    @display(description="Airflow run")
    def airflow_run(self, obj: RetentionRun) -> str:
        return airflow_link(obj.airflow)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        outcomes = list(run.outcomes.all()) if run is not None and self.has_view_permission(request, run) else []
        uncounted = any(outcome.found is None for outcome in outcomes)
        shown = {"run": run, "outcomes": outcomes, "uncounted": uncounted}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @action(description="Delete this now …", permissions=["run"], icon="delete_sweep", variant=ActionVariant.DANGER)
    def delete_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks first, with what the dry run found; then counts anew, by its rules and as of its time, and deletes."""
        dry, page = record_and_page(self, request, object_id, name="run of the retention")
        outcomes = _to_delete(dry)
        if not (dry.dry_run and outcomes):
            messages.error(request, "There is nothing to delete: only a dry run that found something leads to it.")
            return HttpResponseRedirect(page)
        now = timezone.now()
        try:
            operations.require_as_shown(dry, at=now)
            if request.method == "POST":
                run = operations.begin_run(
                    as_of=dry.as_of,
                    dry_run=False,
                    confirmed="confirm" in request.POST,
                    shown=dry,
                    by=cast("User", request.user),
                    at=now,
                    airflow={},
                )
                return self._advance(request, run)
        except operations.DryRunOutdated as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Delete what the dry run as of {dry.as_of:%Y-%m-%d %H:%M}Z found?",
            "run": dry,
            "outcomes": outcomes,
            "held": [outcome for outcome in outcomes if outcome.held],
            "back": page,
        }
        return TemplateResponse(request, "retention/delete.html", context)

    @action(description="Go on deleting", permissions=["run"], icon="play_arrow", variant=ActionVariant.PRIMARY)
    def go_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run, page = record_and_page(self, request, object_id, name="run of the retention")
        if request.method == "POST" and not run.dry_run:
            return self._advance(request, run)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Go on with the {str(run).lower()}?",
            "run": run,
            "outcomes": _to_delete(run),
            "held": [],
            "back": page,
        }
        return TemplateResponse(request, "retention/delete.html", context)

    def _advance(self, request: HttpRequest, run: RetentionRun) -> HttpResponse:
        done = operations.advance_run(run, by=cast("User", request.user), at=timezone.now(), seconds=SECONDS_PER_CLICK)
        held = ", ".join(str(outcome) for outcome in done.outcomes.all() if outcome.held)
        if done.state == RetentionRun.State.DONE and held:
            messages.warning(request, f"What was due here is deleted, but for what was held, more than half: {held}.")
        elif done.state == RetentionRun.State.DONE:
            messages.success(request, "Everything that was due here is deleted.")
        else:
            messages.info(request, "A part is deleted. Go on here, or leave the rest to the next maintain_store.")
        return HttpResponseRedirect(reverse("admin:retention_retentionrun_change", args=(run.pk,)))


def _to_delete(run: RetentionRun) -> list[RetentionOutcome]:
    return [each for each in run.outcomes.all() if not each.by_pipeline and each.found and not each.finished]
