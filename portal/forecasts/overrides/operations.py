"""A forecaster adjusts a published forecast. The original stays; what is added is a run of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction

from portal.core.columns import iso, to_us
from portal.core.permissions import require
from portal.forecasts.incoming import LONGEST_REASON, IncomingRun
from portal.forecasts.ledger.queries import newest_of_issue
from portal.forecasts.models import ForecastRun
from portal.forecasts.operations import lock_ledger, store_runs
from portal.forecasts.overrides.adjustments import Adjustment, AdjustmentRefused, Integers, applied
from portal.forecasts.queries import grid_of, runs

OVERRIDE = "forecasts.override_forecastrun"


class NotTheNewest(Exception):
    """Another run of the issue time counts by now; `newest` is the one to adjust."""

    def __init__(self, message: str, *, newest: ForecastRun) -> None:
        super().__init__(message)
        self.newest = newest


def override_run(
    run: ForecastRun,
    *,
    by: User,
    at: datetime,
    reason: str,
    start: datetime,
    end: datetime,
    percentage: float | None = None,
    values: Sequence[float] | None = None,
) -> ForecastRun:
    """Adjust `run` in [start, end) by a percentage, or by values of the median (MW; one alone is for all intervals).

    Returns the new run, on the rung override: of the same facts, with every quantile adjusted (`applied` says how).
    What had not begun when `run` was published and has begun at `at` is left alone: it would be known better, not
    forecast better. In a replayed archive all had begun, and all can be adjusted.

    Raises AdjustmentRefused, NotTheNewest where `run` is not the run that counts of its issue time, NotPermitted.
    """
    require(by, OVERRIDE, doing="adjust forecasts")
    reason = _stated(reason)
    adjustment = Adjustment(
        start=start, end=end, percentage=percentage, values=None if values is None else tuple(values)
    )
    with transaction.atomic():
        lock_ledger([run.series])
        require_newest(run)
        (stored,) = store_runs(
            [adjusted(run, adjustment, reason=reason, at=at)],
            adjusts=run,
            adjusted_by=by,
            adjustment=adjustment.facts(),
        )
    return runs().get(pk=stored.pk)


def adjusted(run: ForecastRun, adjustment: Adjustment, *, reason: str, at: datetime) -> IncomingRun:
    """The run that an adjustment would make, not stored. Raises AdjustmentRefused."""
    valid_us, values = grid_of(run)
    changed = applied(
        adjustment,
        valid_us=valid_us,
        quantiles=run.quantiles,
        values=values,
        step=run.series.resolution,
        allows_export=run.series.allows_export,
    )
    _require_to_come(run, adjustment, valid_us, at=at)
    return IncomingRun(
        series=run.series,
        issue_us=to_us(run.issue_time),
        model=run.model,
        cutoff_us=to_us(run.data_cutoff),
        rung=ForecastRun.Rung.OVERRIDE,
        reason=reason,
        publisher=ForecastRun.Publisher.PERSON,
        valid_us=valid_us,
        quantiles=np.array(run.quantiles, dtype=np.float64),
        values=changed,
    )


def _require_to_come(run: ForecastRun, adjustment: Adjustment, valid_us: Integers, *, at: datetime) -> None:
    since = max(to_us(adjustment.start), to_us(run.published_at))
    until = min(to_us(adjustment.end), to_us(at))
    begun = valid_us[(valid_us >= since) & (valid_us < until)]
    if begun.size:
        first = iso(int(begun[-1]) + run.series.resolution // timedelta(microseconds=1))
        raise AdjustmentRefused(
            "start", "begun", f"Intervals that have begun since the forecast was published stay: begin at {first}."
        )


def require_newest(run: ForecastRun) -> None:
    """Raise NotTheNewest, naming the run to adjust, unless `run` counts of its series and issue time."""
    newest = newest_of_issue(run)
    if newest.pk == run.pk:
        return
    if newest.adjusts_id is not None:
        what = f"{newest.adjusted_by} has adjusted it, in run {newest.pk}"
    else:
        what = f"run {newest.pk} was published since for the same issue time"
    raise NotTheNewest(f"Run {run.pk} cannot be adjusted: {what}; adjust that one.", newest=newest)


def _stated(reason: str) -> str:
    reason = reason.strip()
    if not reason or "\0" in reason or len(reason) > LONGEST_REASON:
        raise AdjustmentRefused(
            "reason", "reason", f"An adjustment needs a reason of at most {LONGEST_REASON} characters."
        )
    return reason
