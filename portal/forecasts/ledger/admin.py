"""The page that asks the ledger: what was known of some days at a time, or so long ahead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action

from portal.core.columns import arrays_of
from portal.forecasts.charts import Curve, forecast_chart
from portal.forecasts.ledger.forms import AskForm
from portal.forecasts.ledger.queries import newest_values
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.queries import Worth, worth_by_person
from portal.forecasts.queries import quantile_name
from portal.series.models import Series
from portal.series.queries import observations


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the ledger says, and how a program asks for the same."""

    series: Series
    chart: SafeString
    quantile_names: list[str]
    rows: list[dict[str, Any]]
    """Per valid time: its times, the run, and the values by quantile, None where the run has not that one."""
    runs: int
    address: str
    people: list[Worth]
    total: Worth


class AskableAdmin(ModelAdmin):
    """Adds the button “Ask the ledger” to the list of runs."""

    @action(description="Ask the ledger …", icon="manage_search")
    def ask(self, request: HttpRequest) -> HttpResponse:
        """What was forecast for some days, as known at a time or so long ahead: chart, table, REST address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = AskForm(request.GET or None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Ask the ledger",
            "form": form,
            "answer": answer_of(form) if form.is_valid() else None,
        }
        return TemplateResponse(request, "forecasts/ask.html", context)


def answer_of(form: AskForm) -> Answer:
    """What the ledger says to a valid form."""
    asked = form.cleaned_data
    series: Series = asked["series"]
    start, end = form.period()
    hours: int | None = asked["lead_time_hours"]
    table = newest_values(
        series,
        start=start,
        end=end,
        as_of=asked["as_of"],
        lead_time=timedelta(hours=hours or 0),
        published_by=asked["published_by"],
        originals=asked["originals"],
    )
    people, total = worth_by_person(series, start=start, end=end)
    levels = np.unique(table.column("quantile").to_numpy()).tolist()
    return Answer(
        series=series,
        chart=_chart(series, table, start=start, end=end),
        quantile_names=[quantile_name(level) for level in levels],
        rows=_rows(table, levels),
        runs=len(table.column("run").unique()),
        address=_address(asked, start=start, end=end),
        people=people,
        total=total,
    )


def _rows(table: pa.Table, levels: list[float]) -> list[dict[str, Any]]:
    rows: dict[datetime, dict[str, Any]] = {}
    for entry in table.to_pylist():
        row = rows.setdefault(
            entry["valid_time"],
            {**entry, "rung": ForecastRun.Rung(entry["rung"]).label, "values": [None] * len(levels)},
        )
        row["values"][levels.index(entry["quantile"])] = entry["value"]
    return list(rows.values())


def _chart(series: Series, table: pa.Table, *, start: datetime, end: datetime) -> SafeString:
    """The median with the widest interval that all times have, and the load that came."""
    levels, counts = np.unique(table.column("quantile").to_numpy(), return_counts=True)
    everywhere = levels[counts == counts.max(initial=0)]
    part = table.filter(pa.array(np.isin(table.column("quantile").to_numpy(), everywhere)))
    times_us, values = arrays_of(part)
    width = max(len(everywhere), 1)
    history_us, history = arrays_of(observations(series, start=start, end=end))
    return forecast_chart(
        Curve(times_us=times_us[::width], quantiles=everywhere.tolist(), values=values.reshape(-1, width)),
        history_us=history_us,
        history=history,
        issue_time=None,
        timezone=series.timezone,
        unit=series.unit,
        title=f"Forecasts of {series.name} as asked for",
    )


def _address(asked: dict[str, Any], *, start: datetime, end: datetime) -> str:
    """The same question to the REST API."""
    hours = asked["lead_time_hours"]
    given: dict[str, Any] = {"as_of": asked["as_of"], "published_by": asked["published_by"]}
    query = {"series": asked["series"].slug}
    for moment, time in {"start": start, "end": end, **given}.items():
        if time is not None:
            query[moment] = f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if hours is not None:
        query["lead_time_hours"] = str(hours)
    if asked["originals"]:
        query["originals"] = "true"
    name = "forecasts-as-known" if hours is None else "forecasts-by-lead-time"
    return f"{reverse(name)}?{urlencode(query, safe=':')}"
