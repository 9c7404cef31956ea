"""The registry as approvers see it: figures first, then the facts, then what was decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from portal.core.admin import RecordAdmin, RecordInline, airflow_link, badge, record_and_page
from portal.registry import operations, rule_admin
from portal.registry.evidence import figures, shown
from portal.registry.forms import DecisionForm, RollbackForm
from portal.registry.models import Decision, ModelVersion
from portal.registry.queries import case_for, champion_of, retired_last_first

__all__ = ["rule_admin"]

STATUS_COLOURS = {
    ModelVersion.Status.CANDIDATE: "info",
    ModelVersion.Status.CHAMPION: "success",
    ModelVersion.Status.REJECTED: "danger",
    ModelVersion.Status.RETIRED: "warning",
}


@dataclass(frozen=True)
class Verb:
    """A decision that a person takes, and how the pages word it."""

    name: str
    title: str
    done: str
    consequence: str
    operation: Callable[..., ModelVersion]
    puts_live: bool = True


APPROVE = Verb(
    "approve",
    "Approve",
    "is the champion now",
    "It becomes the champion: the next forecasts of its series are its own. The champion so far, if any, retires.",
    operations.approve_model,
)
REJECT = Verb(
    "reject",
    "Reject",
    "is rejected",
    "It will never publish. The champion so far stays.",
    operations.reject_model,
    puts_live=False,
)
ROLL_BACK = Verb(
    "roll_back",
    "Roll back",
    "is the champion again",
    "The version chosen is the champion again: the next forecasts of its series are its own. The present one retires.",
    operations.roll_back,
)
VERBS_BY_STATUS = {
    ModelVersion.Status.CANDIDATE: ("approve", "reject"),
    ModelVersion.Status.CHAMPION: ("roll_back",),
    ModelVersion.Status.RETIRED: ("roll_back",),
}


class DecisionInline(RecordInline):
    """What was decided, by whom, when and why, and where in the chain of decisions it stands."""

    model = Decision
    fields = ("number", "at", "decision", "by", "automatic", "reason", "link")
    readonly_fields = fields
    verbose_name_plural = "Decisions"

    @display(description="SHA-256")
    def link(self, obj: Decision) -> str:
        return format_html('<code title="{}">{}…</code>', obj.sha256, obj.sha256[:12])


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin):
    """Model versions: read only but for the decisions about them."""

    list_display = ("name", "kind", "status_label", "mae", "trained_by", "data_cutoff", "registered_at")
    list_display_links = ("name",)
    list_filter = ("status", "series", "kind")
    list_select_related = ("series", "trained_by")
    search_fields = ("series__slug", "kind", "training_key", "artifact_sha256", "=airflow__run_id")
    search_help_text = "Series, kind, training key, artifact hash, or id of the Airflow run"
    actions = ("approve_selected", "reject_selected")
    actions_detail = ("approve", "reject", "roll_back")
    change_form_outer_before_template = "registry/evidence.html"
    inlines = (DecisionInline,)
    readonly_fields = ("status_badge", "approved_how", "airflow_run")
    fieldsets = (
        (None, {"fields": (("series", "version"), ("kind", "status_badge"), ("approved_how", "approved_at"))}),
        (
            "Training",
            {
                "fields": (
                    ("training_start", "training_end"),
                    ("data_cutoff", "registered_at"),
                    ("trained_by", "airflow_run"),
                    "features",
                    "parameters",
                )
            },
        ),
        (
            "Artifact and code",
            {"fields": ("artifact_uri", "artifact_sha256", "training_key", "code_version", "library_versions")},
        ),
    )

    def has_approve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("registry.approve_modelversion")

    def has_reject_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("registry.reject_modelversion")

    def has_roll_back_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("registry.rollback_modelversion")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """The buttons of what can be decided about the model as it is now."""
        model = self.get_object(request, str(object_id))
        verbs = VERBS_BY_STATUS.get(ModelVersion.Status(model.status), ()) if model else ()
        if model is not None and "roll_back" in verbs and not retired_last_first(model.series_id).exists():
            verbs = ()
        names = {f"{self.opts.app_label}_{self.opts.model_name}_{verb}" for verb in verbs}
        return [each for each in super().get_actions_detail(request, object_id) if each.action_name in names]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        model = self.get_object(request, object_id)
        shown_too: dict[str, Any] = {}
        if model is not None and self.has_view_permission(request, model):
            shown_too = {"case": case_for(model), "airflow_run": airflow_link(model.airflow)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown_too})

    @display(description="Model", ordering="series__slug")
    def name(self, obj: ModelVersion) -> str:
        return f"{obj.series.slug} v{obj.version}"

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def status_label(self, obj: ModelVersion) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Status")
    def status_badge(self, obj: ModelVersion) -> str:
        return badge(obj.get_status_display(), STATUS_COLOURS[ModelVersion.Status(obj.status)])

    @display(description="Approved by")
    def approved_how(self, obj: ModelVersion) -> str:
        if obj.approved_by is None:
            return "–"
        by_rule = obj.decisions.filter(decision=Decision.Kind.APPROVE, automatic=True).exists()
        return format_html("{} {}", obj.approved_by, badge("automatic", "info") if by_rule else "")

    @display(description="Airflow run")
    def airflow_run(self, obj: ModelVersion) -> str:
        return airflow_link(obj.airflow)

    @display(description="MAE (against the baseline)")
    def mae(self, obj: ModelVersion) -> str:
        for figure in figures(obj.evidence, champion=None, unit=obj.series.unit):
            if figure.metric.key == "mae" and figure.model is not None:
                against = f" ({figure.against_baseline.text})" if figure.against_baseline else ""
                return f"{shown(figure.model)} {figure.unit}{against}"
        return "–"

    @action(description="Approve …", permissions=["approve"], icon="check", variant=ActionVariant.PRIMARY)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide_one(request, object_id, APPROVE)

    @action(description="Reject …", permissions=["reject"], icon="close", variant=ActionVariant.DANGER)
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide_one(request, object_id, REJECT)

    @action(description="Roll back …", permissions=["roll_back"], icon="undo", variant=ActionVariant.DANGER)
    def roll_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        model, page = record_and_page(self, request, object_id, name="model")
        earlier = retired_last_first(model.series_id)
        to = earlier.filter(pk=model.pk).first() or earlier.first()
        champion = champion_of(model.series_id)
        if to is None or champion is None:
            messages.error(request, f"{model.series} has no earlier champion to roll back to.")
            return HttpResponseRedirect(page)
        initial = {"to": to.pk, "champion": champion.pk}
        form = RollbackForm(request.POST or None, series_id=model.series_id, initial=initial)
        if request.method == "POST":
            sound, chosen = form.is_valid(), form.cleaned_data
            if sound:
                self._decide(request, [chosen["champion"]], ROLL_BACK, chosen["reason"], to=chosen["to"])
                return HttpResponseRedirect(page)
            try:
                operations.require_champion(chosen.get("champion", champion))
            except operations.AlreadyDecided as refusal:
                messages.error(request, str(refusal))
                return HttpResponseRedirect(page)
        title = f"Roll {model.series} back from version {champion.version}"
        return self._ask(request, [to, champion], ROLL_BACK, form, back=page, title=title)

    @admin.action(description="Approve the selected candidates …", permissions=["approve"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> HttpResponse | None:
        return self._decide_selected(request, queryset, APPROVE)

    @admin.action(description="Reject the selected candidates …", permissions=["reject"])
    def reject_selected(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> HttpResponse | None:
        return self._decide_selected(request, queryset, REJECT)

    def _decide_one(self, request: HttpRequest, object_id: str, verb: Verb) -> HttpResponse:
        model, page = record_and_page(self, request, object_id, name="model")
        try:
            operations.require_candidate(model)
        except operations.AlreadyDecided as refusal:
            # A link or a tab that stayed open: no form that promises what cannot happen.
            messages.error(request, str(refusal))
            return HttpResponseRedirect(page)
        form = DecisionForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._decide(request, [model], verb, form.cleaned_data["reason"])
            return HttpResponseRedirect(page)
        return self._ask(request, [model], verb, form, back=page)

    def _decide_selected(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion], verb: Verb
    ) -> HttpResponse | None:
        models = list(queryset.select_related("series", "trained_by"))
        form = DecisionForm(request.POST if "reason" in request.POST else None)
        if verb is APPROVE and len({model.series_id for model in models}) < len(models):
            messages.error(request, "Select one candidate per series: each has one champion.")
            return None
        if form.is_valid():
            self._decide(request, models, verb, form.cleaned_data["reason"])
            return None
        return self._ask(request, models, verb, form, back=request.get_full_path(), action_name=f"{verb.name}_selected")

    def _decide(
        self, request: HttpRequest, models: list[ModelVersion], verb: Verb, reason: str, **chosen: ModelVersion
    ) -> None:
        for model in models:
            try:
                decided = verb.operation(model, by=request.user, reason=reason, at=timezone.now(), **chosen)
            except operations.RegistryError as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, f"{decided} {verb.done}.")

    def _ask(
        self,
        request: HttpRequest,
        models: list[ModelVersion],
        verb: Verb,
        form: DecisionForm,
        *,
        back: str,
        action_name: str | None = None,
        title: str = "",
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title or f"{verb.title} {models[0] if len(models) == 1 else f'{len(models)} models'}",
            "verb": verb,
            "cases": [case_for(model) for model in models],
            "form": form,
            "back": back,
            "action_name": action_name,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "registry/decide.html", context)
