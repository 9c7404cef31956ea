"""The forecasts that are asked of Airflow ahead of the deadlines, so that the guard need not act.

The schedule of ``publish_forecasts`` knows no gate closures; the portal does. All series with the same deadline are
asked for in one run, which publishes them in batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from portal.core.locks import queue_at
from portal.forecasts.deadlines.queries import gate_closure
from portal.forecasts.models import PublicationDeadline
from portal.pipeline.models import DagRunRequest
from portal.pipeline.operations import PUBLISH, request_publication_of
from portal.pipeline.queries import issue_time_after, series_asked_for
from portal.series.models import Series

AHEAD_LOCK = 0x616865
"""Key of the advisory lock by which two beats at once ask one after the other."""
MOST_NAMED = 5
"""Series that the reason of a request names; its params have them all."""


def ask_ahead(*, at: datetime) -> list[DagRunRequest]:
    """Ask for a forecast of every scheduled series whose deadline is near, once per deadline; one transaction.

    From the guard's time on it is the guard who asks. A series whose data end too early to be forecast from `at` is
    asked for as soon as they do not.
    """
    near = _near(at)
    if not near:
        return []
    with transaction.atomic():
        queue_at(AHEAD_LOCK)
        made = (_ask(deadline, series, at=at) for deadline, series in sorted(near.items()))
        return [request for request in made if request is not None]


def _near(at: datetime) -> dict[datetime, list[Series]]:
    """The series to publish by the deadlines whose time has come, but not the guard's."""
    near: dict[datetime, list[Series]] = defaultdict(list)
    deadlines = PublicationDeadline.objects.filter(enabled=True, series__scheduled=True)
    for deadline in deadlines.select_related("series"):
        if deadline.publish_before is None:
            continue
        for delivery in gate_closure(deadline).due(at, before=deadline.publish_before):
            if at < delivery.deadline - deadline.guard_before:
                near[delivery.deadline].append(deadline.series)
    return near


def _ask(deadline: datetime, series: Iterable[Series], *, at: datetime) -> DagRunRequest | None:
    """One run for those that were not asked for yet, if any can be forecast from `at`."""
    prefix = f"by-{deadline:%Y%m%dT%H%M%SZ}-"
    number, asked = series_asked_for(PUBLISH, key_prefix=prefix)
    issue_time = at.replace(microsecond=0)
    wanted = [each for each in series if each.slug not in asked and issue_time_after(each, at=at) == issue_time]
    if not wanted:
        return None
    return request_publication_of(
        wanted,
        issue_time=issue_time,
        key=f"{prefix}{number + 1}",
        reason=f"Ahead of the deadline {deadline:%Y-%m-%d %H:%M}Z of {_named(wanted)}",
        by=None,
        at=at,
    )


def _named(series: Sequence[Series]) -> str:
    more = f" and {len(series) - MOST_NAMED} more" if len(series) > MOST_NAMED else ""
    return ", ".join(each.slug for each in series[:MOST_NAMED]) + more
