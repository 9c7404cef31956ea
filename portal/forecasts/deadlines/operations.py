"""What changes deadlines, and the guard who sees to it that each is met, one transaction per delivery day."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from portal.alerts.models import AlertRule
from portal.alerts.operations import evaluate_forecasts
from portal.core.permissions import require
from portal.forecasts.deadlines.clock import Delivery
from portal.forecasts.deadlines.fallback import NoFallback, fallback
from portal.forecasts.deadlines.queries import due_deliveries, gate_closure, published_for
from portal.forecasts.models import DeadlineRecord, ForecastRun, PublicationDeadline
from portal.forecasts.operations import lock_ledger, store_runs
from portal.pipeline.operations import request_publication
from portal.series.models import Series

logger = logging.getLogger(__name__)
Outcome = DeadlineRecord.Outcome


def set_deadline(*, facts: Mapping[str, Any], by: User, at: datetime) -> PublicationDeadline:
    """Give a load series a deadline. Raises NotPermitted; ValidationError where it has one or is no load."""
    require(by, "forecasts.add_publicationdeadline", doing="set deadlines")
    deadline = PublicationDeadline(**facts)
    if deadline.series.quantity != Series.Quantity.LOAD:
        raise ValidationError({"series": f"{deadline.series} is no load: only loads are forecast."})
    with transaction.atomic():
        # Who comes second waits, and is told that there is one.
        Series.objects.select_for_update(no_key=True).get(pk=deadline.series.pk)
        deadline.full_clean()
        return _save(deadline, by=by, at=at)


def change_deadline(
    deadline: PublicationDeadline, *, changes: Mapping[str, Any], by: User, at: datetime
) -> PublicationDeadline:
    """Change a deadline; who did it stays in its history. Raises NotPermitted, ValidationError."""
    require(by, "forecasts.change_publicationdeadline", doing="change deadlines")
    with transaction.atomic():
        locked = PublicationDeadline.objects.select_for_update(no_key=True).get(pk=deadline.pk)
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.full_clean()
        return _save(locked, by=by, at=at)


def remove_deadline(deadline: PublicationDeadline, *, by: User, at: datetime) -> None:
    """Take a deadline away; what was recorded of it stays. Raises NotPermitted."""
    require(by, "forecasts.delete_publicationdeadline", doing="remove deadlines")
    deadline._history_user, deadline._history_date = by, at  # type: ignore[attr-defined]  # simple_history's names
    deadline.delete()


def _save(deadline: PublicationDeadline, *, by: User, at: datetime) -> PublicationDeadline:
    deadline._history_user, deadline._history_date = by, at  # type: ignore[attr-defined]  # simple_history's names
    deadline.save()
    return deadline


def guard_deadlines(*, at: datetime) -> list[DeadlineRecord]:
    """See to every deadline whose guard time has come, once; each delivery day is a transaction of its own.

    What stops one series holds up no other: it is logged, and tried again the next time.
    """
    made: list[DeadlineRecord] = []
    for deadline in PublicationDeadline.objects.filter(enabled=True).select_related("series"):
        try:
            for delivery in due_deliveries(deadline, at=at):
                record = _see_to(deadline, delivery, at=at)
                made += [record] if record is not None else []
                if record is not None and record.outcome == Outcome.GUARDED:
                    break  # a series has one run of an issue time: the next day's is that of the next beat
        except Exception:
            logger.exception("The guard could not see to %s", deadline.series)
    return made


def _see_to(deadline: PublicationDeadline, delivery: Delivery, *, at: datetime) -> DeadlineRecord | None:
    """Record what is published for a delivery day, or publish a fallback; None where somebody has seen to it."""
    series = deadline.series
    if DeadlineRecord.objects.filter(series=series, delivery_day=delivery.day).exists():
        return None
    with transaction.atomic():
        lock_ledger([series])
        # Looked at again by the one who holds the lock: another beat or the pipeline may have been there first.
        if DeadlineRecord.objects.filter(series=series, delivery_day=delivery.day).exists():
            return None
        run = published_for(delivery, series=series, gate=gate_closure(deadline), at=at)
        if run is not None:
            return _record_published(series, delivery, run, at=at)
        return _stand_in(series, delivery, at=at)


def _record_published(series: Series, delivery: Delivery, run: ForecastRun, *, at: datetime) -> DeadlineRecord:
    late = at > delivery.deadline and run.published_at > delivery.deadline
    by = run.get_rung_display().lower()
    if late:
        reason = f"Published only at {run.published_at:%Y-%m-%d %H:%M}Z, after the deadline, and no guard was there."
    else:
        reason = "" if run.rung == ForecastRun.Rung.CHAMPION else f"Published on the rung {by}."
    evaluate_forecasts(
        AlertRule.Signal.DEADLINE_NEAR,
        series,
        failing=False,
        message=f"Run {run.pk}, issued {run.issue_time:%Y-%m-%d %H:%M}Z ({by}), covers {delivery.day}.",
        at=at,
    )
    return _record(series, delivery, Outcome.MISSED if late else Outcome.MET, run=run, reason=reason, at=at)


def _stand_in(series: Series, delivery: Delivery, *, at: datetime) -> DeadlineRecord:
    issue_time = at.replace(microsecond=0)
    local = delivery.deadline.astimezone(ZoneInfo(series.timezone))
    why = f"the pipeline had published nothing for {delivery.day} before the deadline {local:%Y-%m-%d %H:%M %Z}"
    if at > delivery.deadline:
        why += f", and the guard came late, at {at.astimezone(local.tzinfo):%Y-%m-%d %H:%M %Z}"
    run: ForecastRun | None = None
    try:
        found = fallback(series, delivery, issue_time=issue_time, why=why)
    except NoFallback as nothing:
        outcome, reason = Outcome.MISSED, str(nothing)
        message = f"Nothing could be published for {delivery.day}: {reason}."
    else:
        (run,) = store_runs([found])
        outcome, reason = Outcome.GUARDED, run.reason
        message = f"The guard published run {run.pk} ({run.get_rung_display().lower()}) for {delivery.day}: {reason}."
    evaluate_forecasts(AlertRule.Signal.DEADLINE_NEAR, series, failing=True, message=message, at=at)
    # A minute later than the guard's own run: what the pipeline then publishes is the newer of the two.
    request_publication(
        series,
        key=f"deadline-{series.slug}-{delivery.day}",
        reason=f"Deadline: {why}",
        by=None,
        at=issue_time + timedelta(minutes=1),
    )
    return _record(series, delivery, outcome, run=run, reason=reason, at=at)


def _record(
    series: Series, delivery: Delivery, outcome: str, *, run: ForecastRun | None, reason: str, at: datetime
) -> DeadlineRecord:
    logger.log(
        logging.INFO if outcome == Outcome.MET else logging.WARNING,
        *("%s for %s: %s %s", series, delivery.day, outcome, reason),
    )
    return DeadlineRecord.objects.create(
        series=series,
        delivery_day=delivery.day,
        deadline=delivery.deadline,
        outcome=outcome,
        run=run,
        reason=reason,
        recorded_at=at,
    )
