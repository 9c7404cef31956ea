"""Reads on deadlines: which are set, which are due, what is published for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from portal.forecasts.deadlines.clock import DAY, Delivery, GateClosure
from portal.forecasts.models import DeadlineRecord, ForecastRun, PublicationDeadline
from portal.forecasts.queries import runs
from portal.series.models import Series


def gate_closure(deadline: PublicationDeadline) -> GateClosure:
    """The deadline on the clock of its series."""
    zone = ZoneInfo(deadline.series.timezone)
    return GateClosure(at=deadline.gate_closure, days_ahead=deadline.days_ahead, zone=zone)


def deadline_of(series: Series) -> GateClosure | None:
    """The deadline of a series, if an enabled one is set."""
    deadline: PublicationDeadline | None = getattr(series, "publication_deadline", None)
    return gate_closure(deadline) if deadline is not None and deadline.enabled else None


def gate_closures(series: Iterable[Series]) -> dict[int, GateClosure]:
    """The enabled deadlines of these series, by the key of the series."""
    deadlines = PublicationDeadline.objects.filter(enabled=True, series__in=series).select_related("series")
    return {deadline.series_id: gate_closure(deadline) for deadline in deadlines}


def due_deliveries(deadline: PublicationDeadline, *, at: datetime) -> list[Delivery]:
    """What the guard has to look at: deadlines past or near, of days that are not over, set since the last change."""
    newest = deadline.history.order_by("-history_date").first()
    due = gate_closure(deadline).due(at, before=deadline.guard_before)
    return [delivery for delivery in due if newest is not None and delivery.deadline > newest.history_date]


def published_for(delivery: Delivery, *, series: Series, gate: GateClosure, at: datetime) -> ForecastRun | None:
    """The newest run that covers the delivery day and was issued for it: by `at`, after the deadline of the day before.

    A run of the guard is none: it stands in for what is missing.
    """
    previous = gate.delivery(delivery.day - DAY).deadline
    issued = runs().filter(series=series, issue_time__gt=previous, issue_time__lte=at)
    return issued.filter(covering(delivery)).exclude(publisher=ForecastRun.Publisher.GUARD).first()


def newest_of_pipeline(series: Series, *, at: datetime) -> ForecastRun | None:
    """The last run that the pipeline issued by a time, whatever it covers."""
    return runs().filter(series=series, issue_time__lte=at, publisher=ForecastRun.Publisher.PIPELINE).first()


def stand_in(delivery: Delivery, *, series: Series) -> ForecastRun | None:
    """The fallback that the guard has published for a delivery day."""
    guarded = DeadlineRecord.objects.filter(series=series, outcome=DeadlineRecord.Outcome.GUARDED)
    record = guarded.filter(delivery_day=delivery.day).select_related("run").first()
    return record.run if record is not None else None


def covering(delivery: Delivery) -> Q:
    """Runs that reach over the whole delivery day, as far as it lies after the deadline."""
    return Q(valid_from__lte=delivery.needed_from, valid_until__gte=delivery.end)
