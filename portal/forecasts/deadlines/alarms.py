"""When the alert about a deadline is over: a forecast of the delivery day has been published after all."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from zoneinfo import ZoneInfo

from django.db import transaction

from portal.alerts.models import Alert, AlertRule
from portal.alerts.operations import evaluate_forecasts
from portal.forecasts.deadlines.clock import DAY, moment
from portal.forecasts.models import DeadlineRecord, ForecastRun
from portal.series.models import Series

logger = logging.getLogger(__name__)


@contextmanager
def or_logged(what: str) -> Iterator[None]:
    """Do something in a savepoint: where it fails it is undone and logged, and what it is about stands."""
    try:
        with transaction.atomic():
            yield
    except Exception:
        logger.exception(what)


def resolve_published(runs: Sequence[ForecastRun], *, at: datetime) -> None:
    """Resolve the alerts about deadlines that new runs meet, if late. To be called in the transaction of the runs."""
    alarmed = dict(
        Alert.objects.filter(engine=Alert.PUBLICATION, first_run=None, series__in={run.series_id for run in runs})
        .exclude(state=Alert.State.RESOLVED)
        .values_list("series", "occasion")
    )
    for run in runs:
        if run.series_id not in alarmed:
            continue
        record = DeadlineRecord.objects.filter(series=run.series).exclude(outcome=DeadlineRecord.Outcome.MET).first()
        # Of a day that is not recorded yet, the guard's next look resolves it.
        if record is None or record.delivery_day.isoformat() != alarmed[run.series_id]:
            continue
        if _covers_what_is_left(run, record):
            with or_logged(f"The alert about {record} could not be resolved"):
                evaluate_forecasts(
                    AlertRule.Signal.DEADLINE_NEAR,
                    run.series,
                    failing=False,
                    message=f"Run {run.pk}, issued {run.issue_time:%Y-%m-%d %H:%M}Z by the pipeline"
                    f" ({run.get_rung_display().lower()}), covers {record.delivery_day}.",
                    at=at,
                    occasion=record.delivery_day.isoformat(),
                )
            del alarmed[run.series_id]


def resolve_met_since(series: Series, *, at: datetime) -> None:
    """Resolve an alert that was told late by what the pipeline has published since. As `resolve_published`."""
    record = DeadlineRecord.objects.filter(series=series).exclude(outcome=DeadlineRecord.Outcome.MET).first()
    if record is not None:
        runs = ForecastRun.objects.filter(
            series=series,
            publisher=ForecastRun.Publisher.PIPELINE,
            issue_time__gt=record.deadline - DAY,
            pk__gt=record.run_id or 0,
        )
        resolve_published(list(runs.select_related("series")), at=at)


def _covers_what_is_left(run: ForecastRun, record: DeadlineRecord) -> bool:
    """Whether the run was issued for the delivery day, and reaches from its issue time over all that was left of it."""
    zone = ZoneInfo(run.series.timezone)
    start, end = (moment(day, time(0), zone) for day in (record.delivery_day, record.delivery_day + DAY))
    begins = max(start, run.issue_time + run.series.resolution)
    return run.issue_time > record.deadline - DAY and run.valid_from <= begins and run.valid_until >= end
