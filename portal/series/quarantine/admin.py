"""Rows that broke a rule, as data engineers work through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from portal.core.admin import RecordAdmin, badge, record_and_page
from portal.core.paginator import BoundedPaginator
from portal.series.models import QuarantinedRow
from portal.series.quarantine import operations
from portal.series.quarantine.forms import Correction, ReasonForm
from portal.series.quarantine.readings import readings_of
from portal.series.quarantine.shown import raw_table, readings_table

Status = QuarantinedRow.Status
STATUS_COLOURS = {
    Status.OPEN: "danger",
    Status.CORRECTED: "success",
    Status.REPLAYED: "success",
    Status.PASSED: "success",
    Status.DISMISSED: "info",
}
MOST_AT_ONCE = 5000
"""Rows that one request resolves: each is a transaction of a few milliseconds, and the browser waits."""
REFUSALS_SHOWN = 5
ROWS_SHOWN = 20


@dataclass(frozen=True)
class Verb:
    """What a person does to a row, and how the pages word it."""

    name: str
    title: str
    done: str
    consequence: str
    variant: ActionVariant
    needs_reason: bool = True


CORRECT = Verb(
    "correct",
    "Correct",
    "corrected",
    "What you fill in is stored, known from now on, if it keeps every rule. A line without a value is left out.",
    ActionVariant.PRIMARY,
)
REPLAY = Verb(
    "replay",
    "Replay",
    "accepted as it came",
    "Its own values are stored as they came, known from now on, if they break no rule any more.",
    ActionVariant.PRIMARY,
    needs_reason=False,
)
DISMISS = Verb(
    "dismiss",
    "Dismiss",
    "dismissed",
    "Nothing of it is stored. When the source is read again, it stays dismissed.",
    ActionVariant.DANGER,
)


class StatusFilter(admin.SimpleListFilter):
    """Open rows unless others are asked for."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((value, str(label)) for value, label in Status.choices), ("all", "All")]

    def value(self) -> str:
        return super().value() or Status.OPEN

    def queryset(self, request: HttpRequest, queryset: QuerySet[QuarantinedRow]) -> QuerySet[QuarantinedRow]:
        return queryset if self.value() == "all" else queryset.filter(status=self.value())

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices = super().choices(changelist)
        next(choices)  # the “All” of filters that show all by default
        return choices


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(RecordAdmin):
    """Read only but for what a person does about a row."""

    list_display = ("file", "row", "source", "rule", "message", "status_label", "recorded_at")
    list_filter = (StatusFilter, "rule", "source")
    list_select_related = ("source",)
    search_fields = ("file", "message")
    search_help_text = "File or message"
    show_facets = admin.ShowFacets.ALWAYS
    show_full_result_count = False
    paginator = BoundedPaginator
    date_hierarchy = "recorded_at"
    actions = ("replay_selected", "dismiss_selected")
    actions_detail = ("correct", "replay", "dismiss")
    readonly_fields = ("status_badge", "row_as_it_came", "read", "stored")
    fieldsets = (
        (None, {"fields": ("file", ("row", "source"), ("rule", "recorded_at"), "message")}),
        ("The row", {"fields": ("row_as_it_came", "read")}),
        (
            "What became of it",
            {"fields": (("status_badge", "last_seen_in"), ("resolved_by", "resolved_at"), "reason", "stored")},
        ),
    )

    def has_resolve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(operations.CHANGE)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """The buttons, on an open row only: about any other nothing is left to do."""
        row = self.get_object(request, str(object_id))
        if row is None or row.status != Status.OPEN:
            return []
        return super().get_actions_detail(request, object_id)

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def status_label(self, obj: QuarantinedRow) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Status")
    def status_badge(self, obj: QuarantinedRow) -> str:
        return badge(obj.get_status_display(), STATUS_COLOURS[Status(obj.status)])

    @display(description="As it came")
    def row_as_it_came(self, obj: QuarantinedRow) -> str:
        return raw_table(obj)

    @display(description="What could be read of it")
    def read(self, obj: QuarantinedRow) -> str:
        return readings_table(obj.values)

    @display(description="Stored for it")
    def stored(self, obj: QuarantinedRow) -> str:
        return readings_table(obj.recorded)

    @action(description="Correct …", permissions=["resolve"], icon="edit", variant=CORRECT.variant)
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row, page = self._open_row(request, object_id)
        if row is None:
            return HttpResponseRedirect(page)
        correction = Correction(row, request.POST if request.method == "POST" else None)
        if request.method == "POST" and correction.is_valid():
            reason, values = correction.reason.cleaned_data["reason"], correction.readings()
            try:
                operations.correct_row(
                    row, values=values, reason=reason, by=cast("User", request.user), at=timezone.now()
                )
            except operations.ReadingsRefused as refusal:
                correction.refuse(refusal.faults)
            except operations.QuarantineError as refusal:
                messages.error(request, str(refusal))
                return HttpResponseRedirect(page)
            else:
                messages.success(request, f"{row} is {CORRECT.done}.")
                return HttpResponseRedirect(page)
        return self._ask(request, CORRECT, [row], correction.reason, back=page, correction=correction)

    @action(description="Replay …", permissions=["resolve"], icon="replay")
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._resolve_one(request, object_id, REPLAY, operations.replay_row)

    @action(description="Dismiss …", permissions=["resolve"], icon="block", variant=DISMISS.variant)
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._resolve_one(request, object_id, DISMISS, operations.dismiss_row)

    @admin.action(description="Replay the selected rows …", permissions=["resolve"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[QuarantinedRow]) -> HttpResponse | None:
        return self._resolve_selected(request, queryset, REPLAY, operations.replay_row)

    @admin.action(description="Dismiss the selected rows …", permissions=["resolve"])
    def dismiss_selected(self, request: HttpRequest, queryset: QuerySet[QuarantinedRow]) -> HttpResponse | None:
        return self._resolve_selected(request, queryset, DISMISS, operations.dismiss_row)

    def _open_row(self, request: HttpRequest, object_id: str) -> tuple[QuarantinedRow | None, str]:
        """The row, if something is left to do about it, and its page; why not is said there."""
        row, page = record_and_page(self, request, object_id, name="quarantined row")
        try:
            operations.require_open(row)
        except operations.AlreadyResolved as refusal:
            messages.error(request, str(refusal))
            return None, page
        return row, page

    def _resolve_one(
        self, request: HttpRequest, object_id: str, verb: Verb, operation: Callable[..., QuarantinedRow]
    ) -> HttpResponse:
        row, page = self._open_row(request, object_id)
        if row is None:
            return HttpResponseRedirect(page)
        form = ReasonForm(request.POST if request.method == "POST" else None, required=verb.needs_reason)
        if request.method == "POST" and form.is_valid():
            self._resolve(request, [row], verb, operation, form.cleaned_data["reason"])
            return HttpResponseRedirect(page)
        return self._ask(request, verb, [row], form, back=page)

    def _resolve_selected(
        self,
        request: HttpRequest,
        queryset: QuerySet[QuarantinedRow],
        verb: Verb,
        operation: Callable[..., QuarantinedRow],
    ) -> HttpResponse | None:
        queryset = queryset.select_related("source").order_by("pk")
        if request.POST.get("up_to", "").isdecimal():
            # Not those that have come in since the person saw how many there are.
            queryset = queryset.filter(pk__lte=int(request.POST["up_to"]))
        rows = list(queryset[: MOST_AT_ONCE + 1])
        if len(rows) > MOST_AT_ONCE:
            messages.error(request, f"These are more than {MOST_AT_ONCE} rows; narrow the list by a filter first.")
            return None
        form = ReasonForm(request.POST if "reason" in request.POST else None, required=verb.needs_reason)
        if form.is_valid():
            self._resolve(request, rows, verb, operation, form.cleaned_data["reason"])
            return None
        across = request.POST.get("select_across") == "1"
        selected = {
            "action": f"{verb.name}_selected",
            "checkbox": ACTION_CHECKBOX_NAME,
            "pks": [row.pk for row in (rows[:1] if across else rows)],
            "up_to": queryset.aggregate(newest=Max("pk"))["newest"] if across else None,
        }
        return self._ask(request, verb, rows, form, back=request.get_full_path(), selected=selected)

    def _resolve(
        self,
        request: HttpRequest,
        rows: list[QuarantinedRow],
        verb: Verb,
        operation: Callable[..., QuarantinedRow],
        reason: str,
    ) -> None:
        refused = []
        for row in rows:
            try:
                operation(row, by=request.user, reason=reason, at=timezone.now())
            except operations.QuarantineError as refusal:
                text = str(refusal)
                refused.append(text if text.startswith(str(row)) else f"{row}: {text}")
        for text in refused[:REFUSALS_SHOWN]:
            messages.error(request, text)
        if len(refused) > REFUSALS_SHOWN:
            messages.error(request, f"{len(refused) - REFUSALS_SHOWN} more rows were refused.")
        done = len(rows) - len(refused)
        if done:
            what = str(rows[0]) if len(rows) == 1 else f"{done} of {len(rows)} rows"
            messages.success(request, f"{what} {'is' if done == 1 else 'are'} {verb.done}.")

    def _ask(
        self,
        request: HttpRequest,
        verb: Verb,
        rows: list[QuarantinedRow],
        form: ReasonForm,
        *,
        back: str,
        correction: Correction | None = None,
        selected: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = rows[0] if len(rows) == 1 else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{verb.title} {row or f'{len(rows)} rows'}",
            "verb": verb,
            "row": row,
            "raw": raw_table(row) if row else None,
            "readings": readings_table(row.values) if row and verb is REPLAY else None,
            "is_readable": bool(row and readings_of(row)),
            "reason": form,
            "correction": correction,
            "selected": selected,
            "rows": rows[:ROWS_SHOWN] if row is None else [],
            "more": len(rows) - ROWS_SHOWN,
            "back": back,
        }
        return TemplateResponse(request, "series/resolve.html", context)
