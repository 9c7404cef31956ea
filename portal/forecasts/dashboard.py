"""The overview: what the admin's first page shows of each series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from portal.core.columns import arrays_of
from portal.forecasts.charts import Curve, forecast_chart
from portal.forecasts.deadlines.clock import Delivery
from portal.forecasts.deadlines.queries import deadline_of, published_for, stand_in
from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.queries import grid_of, latest_run
from portal.quality.models import CheckRun
from portal.registry.models import ModelVersion
from portal.series.models import QuarantinedRow, Series
from portal.series.queries import observations, series_with_details

HISTORY = timedelta(days=3)
"""Load shown before a forecast."""
MOST_SERIES = 24
MOST_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Card:
    """One series at a glance."""

    series: Series
    champion: ModelVersion | None
    run: ForecastRun | None
    chart: SafeString
    check: CheckRun | None
    score: ForecastScore | None
    delivery: Delivery | None
    """Of the next deadline, if one is set."""
    delivered: ForecastRun | None
    """What is published for it."""
    stand_in: ForecastRun | None
    """The guard's fallback for it."""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK: cards of the load series, for those who may look at them."""
    context["title"] = "Overview"
    if request.user.has_perm("series.view_series"):
        loads = series_with_details().filter(quantity=Series.Quantity.LOAD)
        at = timezone.now()
        context["gridcast_cards"] = [card_of(series, at=at) for series in loads[:MOST_SERIES]]
        context["gridcast_more"] = max(0, loads.count() - MOST_SERIES)
    if request.user.has_perm("series.view_quarantinedrow"):
        waiting = QuarantinedRow.objects.filter(status=QuarantinedRow.Status.OPEN).order_by()
        context["gridcast_quarantined"] = waiting[:MOST_COUNTED].count()
    return context


def card_of(series: Series, *, at: datetime) -> Card:
    """What there is to see at a time of a series that came from `series_with_details`."""
    run = latest_run(series)
    gate = deadline_of(series)
    delivery = gate.next(at) if gate is not None else None
    champions: list[ModelVersion] = series.champions  # type: ignore[attr-defined]  # from series_with_details
    return Card(
        series=series,
        champion=champions[0] if champions else None,
        run=run,
        chart=run_chart(run) if run is not None else SafeString(""),
        check=CheckRun.objects.filter(series=series).order_by("-as_of", "-pk").first(),
        score=ForecastScore.objects.filter(forecast_run__series=series).select_related("forecast_run").first(),
        delivery=delivery,
        delivered=published_for(delivery, series=series, gate=gate, at=at) if gate and delivery else None,
        stand_in=stand_in(delivery, series=series) if delivery else None,
    )


def run_chart(run: ForecastRun, *, with_outcome: bool = False, before: ForecastRun | None = None) -> SafeString:
    """A run after the load that it could have seen; with the outcome, also what came true since.

    Of `before`, a run of the time before, the median is drawn beside it where the two overlap.
    """
    curve = curve_of(run)
    return curve_chart(
        run,
        curve,
        before=_within(curve_of(before), curve) if before is not None else None,
        with_outcome=with_outcome,
        title=f"Forecast of {run.series.name}, issued {run.issue_time:%Y-%m-%d %H:%M} UTC",
    )


def curve_chart(
    run: ForecastRun, curve: Curve, *, title: str, before: Curve | None = None, with_outcome: bool = False
) -> SafeString:
    """A forecast of the time of `run`, after the load that the run could have seen."""
    start = run.issue_time - HISTORY
    end = run.valid_until if with_outcome else run.issue_time
    as_of: datetime | None = None if with_outcome else run.issue_time
    history_us, history = arrays_of(observations(run.series, start=start, end=end, as_of=as_of))
    return forecast_chart(
        curve,
        before=before,
        history_us=history_us,
        history=history,
        issue_time=run.issue_time,
        timezone=run.series.timezone,
        unit=run.series.unit,
        title=title,
    )


def curve_of(run: ForecastRun) -> Curve:
    """The values of a run, as they are drawn."""
    times_us, values = grid_of(run)
    return Curve(times_us=times_us, quantiles=run.quantiles, values=values)


def _within(curve: Curve, other: Curve) -> Curve | None:
    inside = (curve.times_us >= other.times_us[0]) & (curve.times_us <= other.times_us[-1])
    if not inside.any():
        return None
    return Curve(times_us=curve.times_us[inside], quantiles=curve.quantiles, values=curve.values[inside])
