"""The page on which a forecaster adjusts a run: the change is looked at first, then published."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant

from portal.core.admin import record_and_page
from portal.forecasts.ledger.queries import newest_of_issue
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides import operations
from portal.forecasts.overrides.adjustments import AdjustmentRefused
from portal.forecasts.overrides.forms import AdjustForm
from portal.forecasts.overrides.preview import Preview, preview_of
from portal.forecasts.queries import grid_of


class AdjustableAdmin(ModelAdmin):
    """Adds the button “Adjust …” to the page of a run that counts."""

    def has_adjust_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(operations.OVERRIDE)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """The button, where there is something to adjust: an adjusted or replaced run stays as it is."""
        run = self.get_object(request, str(object_id))
        if run is None or newest_of_issue(run).pk != run.pk:
            return []
        return super().get_actions_detail(request, object_id)

    @action(description="Adjust …", permissions=["adjust"], icon="tune", variant=ActionVariant.PRIMARY)
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the adjustment, show what it does, and publish it when that is confirmed."""
        found, page = record_and_page(self, request, object_id, name="forecast run")
        run: ForecastRun = found
        form = AdjustForm(request.POST or None, run=run, valid_us=grid_of(run)[0])
        preview: Preview | None = None
        try:
            operations.require_newest(run)
            if request.method == "POST" and form.is_valid():
                if "confirm" in request.POST:
                    return self._publish(request, run, form)
                preview = preview_of(run, form.adjustment(), reason=form.cleaned_data["reason"], at=timezone.now())
        except AdjustmentRefused as refusal:
            form.refuse(refusal)
        except operations.NotTheNewest as refusal:
            # Somebody was quicker, or the tab stayed open.
            messages.error(request, str(refusal))
            return HttpResponseRedirect(_page_of(refusal.newest))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Adjust run {run.pk}: {run}",
            "run": run,
            "form": form,
            "preview": preview,
            "back": page,
        }
        return TemplateResponse(request, "forecasts/adjust.html", context)

    def _publish(self, request: HttpRequest, run: ForecastRun, form: AdjustForm) -> HttpResponse:
        adjustment = form.adjustment()
        made = operations.override_run(
            run,
            by=cast("User", request.user),
            at=timezone.now(),
            reason=form.cleaned_data["reason"],
            start=adjustment.start,
            end=adjustment.end,
            percentage=adjustment.percentage,
            values=adjustment.values,
        )
        messages.success(request, f"Run {made.pk} is published: the forecast of {made} as you adjusted it.")
        return HttpResponseRedirect(_page_of(made))


def _page_of(run: ForecastRun) -> str:
    return reverse("admin:forecasts_forecastrun_change", args=(run.pk,))
