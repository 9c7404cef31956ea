"""What changes deadlines, and the guard who sees to it that each is met, one transaction per delivery day."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from portal.core.permissions import require
from portal.forecasts.deadlines.alarms import or_logged
from portal.forecasts.deadlines.clock import Delivery
from portal.forecasts.deadlines.fallback import NoFallback, fallback
from portal.forecasts.deadlines.queries import due_deliveries, gate_closure, newest_of_pipeline, published_for
from portal.forecasts.deadlines.telling import tell, tell_untold
from portal.forecasts.models import DeadlineNotice, DeadlineRecord, ForecastRun, PublicationDeadline
from portal.forecasts.operations import lock_ledger, store_runs
from portal.pipeline.operations import request_publication
from portal.series.models import Series

logger = logging.getLogger(__name__)
LOCK_TIMEOUT = "10s"
"""So long the guard waits for the writers of one series before it sees to the next."""
Outcome = DeadlineRecord.Outcome


def set_deadline(*, facts: Mapping[str, Any], by: User, at: datetime) -> PublicationDeadline:
    """Give a load series a deadline. Raises NotPermitted; ValidationError where it has one or is no load."""
    require(by, "forecasts.add_publicationdeadline", doing="set deadlines")
    deadline = PublicationDeadline(**facts)
    if deadline.series.quantity != Series.Quantity.LOAD:
        raise ValidationError({"series": f"{deadline.series} is no load: only loads are forecast."})
    with transaction.atomic():
        queue_for_deadline(deadline.series)
        deadline.full_clean()
        return _save(deadline, by=by, at=at)


def queue_for_deadline(series: Series) -> None:
    """In a transaction: who gives the series a deadline second waits for the first, and is told that there is one."""
    Series.objects.select_for_update(no_key=True).get(pk=series.pk)


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

    What stops one series holds up no other: it is logged, and tried again the next time. So is an alert that could not
    be written, while what was published and recorded stays.
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
    _tell_what_is_untold(at=at)
    return made


def _tell_what_is_untold(*, at: datetime) -> None:
    """What an earlier beat could not tell, of whatever series; of each in a transaction of its own."""
    earlier = DeadlineNotice.objects.filter(at__lt=at)
    for series in Series.objects.filter(pk__in=earlier.values("series")):
        with or_logged(f"Nobody could be told yet of the deadlines of {series}"):
            _hold(series)
            tell_untold(series, at=at)


def _hold(series: Series) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
    lock_ledger([series])


def _see_to(deadline: PublicationDeadline, delivery: Delivery, *, at: datetime) -> DeadlineRecord | None:
    """Record what is published for a delivery day, or publish a fallback.

    None where somebody has seen to it, or where nothing can be published yet and the deadline is still to come.
    """
    series = deadline.series
    if DeadlineRecord.objects.filter(series=series, delivery_day=delivery.day).exists():
        return None
    with transaction.atomic():
        _hold(series)
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
        reason = f"Published only at {run.published_at:%Y-%m-%d %H:%M}Z, after the deadline."
    else:
        reason = "" if run.rung == ForecastRun.Rung.CHAMPION else f"Published on the rung {by}."
    message = f"Run {run.pk}, issued {run.issue_time:%Y-%m-%d %H:%M}Z ({by}), covers {delivery.day}."
    tell(series, delivery, failing=late, message=f"{message} {reason}" if late else message, at=at)
    return _record(series, delivery, Outcome.MISSED if late else Outcome.MET, run=run, reason=reason, at=at)


def _stand_in(series: Series, delivery: Delivery, *, at: datetime) -> DeadlineRecord | None:
    issue_time = at.replace(microsecond=0)
    why = _why(series, delivery, at=at)
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
    tell(series, delivery, failing=True, message=message, at=at)
    with or_logged(f"Airflow could not be asked for a forecast of {series} for {delivery.day}"):
        # A minute later than the guard's own run: what the pipeline then publishes is the newer of the two.
        request_publication(
            series,
            key=f"deadline-{series.slug}-{delivery.day}",
            reason=f"Deadline: {why}",
            by=None,
            at=issue_time + timedelta(minutes=1),
        )
    if run is None and at < delivery.deadline:
        return None
    return _record(series, delivery, outcome, run=run, reason=reason, at=at)


def _why(series: Series, delivery: Delivery, *, at: datetime) -> str:
    zone = ZoneInfo(series.timezone)
    deadline, now = (f"{time.astimezone(zone):%Y-%m-%d %H:%M %Z}" for time in (delivery.deadline, at))
    why = f"the pipeline had published nothing for {delivery.day} before the deadline {deadline}"
    if at > delivery.deadline:
        why += f", nor by {now}, when the guard looked"
    newest = newest_of_pipeline(series, at=at)
    if newest is not None and newest.valid_until < delivery.end:
        until = newest.valid_until.astimezone(zone)
        why += f"; the pipeline's newest run, {newest.pk}, covers only until {until:%Y-%m-%d %H:%M %Z}"
    return why


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
