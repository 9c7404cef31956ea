"""What the guard publishes where the pipeline has not: an earlier run that reaches, else a seasonal naive."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from portal.core.columns import arrays_of, to_us
from portal.forecasts.deadlines.clock import Delivery
from portal.forecasts.deadlines.naive import HISTORY_WEEKS, TooLittleKnown, seasonal_naive
from portal.forecasts.deadlines.queries import covering
from portal.forecasts.incoming import IncomingRun
from portal.forecasts.models import ForecastRun
from portal.forecasts.queries import grid_of, latest_run, runs
from portal.series.models import Series
from portal.series.queries import observations

USUAL_LEVELS = (0.1, 0.5, 0.9)
_MICROSECOND = timedelta(microseconds=1)


class NoFallback(Exception):
    """Nothing can be published; the message has the reason of each rung."""


def fallback(series: Series, delivery: Delivery, *, issue_time: datetime, why: str) -> IncomingRun:
    """A run from the issue time to the end of the delivery day, or as far as an earlier run goes. Raises NoFallback.

    `why` begins the reason that is kept with it.
    """
    earlier = _earlier(series, delivery, issue_time=issue_time)
    if earlier is not None:
        return _go_on(earlier, issue_time=issue_time, why=why)
    reasons = f"{why}; earlier_run: none covers the day"
    try:
        return _seasonal_naive(series, delivery, issue_time=issue_time, why=reasons)
    except TooLittleKnown as little:
        raise NoFallback(f"{reasons}; seasonal_naive: {little}") from little


def _earlier(series: Series, delivery: Delivery, *, issue_time: datetime) -> ForecastRun | None:
    return runs().filter(covering(delivery), series=series, issue_time__lt=issue_time).first()


def _go_on(run: ForecastRun, *, issue_time: datetime, why: str) -> IncomingRun:
    valid_us, values = grid_of(run)
    ahead = valid_us >= to_us(issue_time)
    adjusted = f", as {run.adjusted_by} adjusted it" if run.rung == ForecastRun.Rung.OVERRIDE else ""
    return IncomingRun(
        series=run.series,
        issue_us=to_us(issue_time),
        model=run.model,
        cutoff_us=to_us(run.data_cutoff),
        rung=ForecastRun.Rung.EARLIER_RUN,
        reason=f"{why}; run {run.pk}, issued {run.issue_time:%Y-%m-%d %H:%M}Z, goes on{adjusted}",
        valid_us=valid_us[ahead],
        quantiles=np.array(run.quantiles),
        values=values[ahead],
        publisher=ForecastRun.Publisher.GUARD,
    )


def _seasonal_naive(series: Series, delivery: Delivery, *, issue_time: datetime, why: str) -> IncomingRun:
    step = series.resolution // _MICROSECOND
    begin, end = (-(-to_us(time) // step) * step for time in (issue_time, delivery.end))
    target_us = np.arange(begin, end, step, dtype=np.int64)
    since = issue_time - timedelta(weeks=HISTORY_WEEKS)
    known_us, known = arrays_of(observations(series, start=since, end=issue_time, as_of=issue_time))
    last = latest_run(series, as_of=issue_time)
    levels = tuple(last.quantiles) if last is not None else USUAL_LEVELS
    values = seasonal_naive(
        known_us,
        known,
        target_us,
        zone=ZoneInfo(series.timezone),
        step_us=step,
        levels=levels,
        may_be_negative=series.allows_export,
    )
    return IncomingRun(
        series=series,
        issue_us=to_us(issue_time),
        model=None,
        cutoff_us=to_us(issue_time),
        rung=ForecastRun.Rung.SEASONAL_NAIVE,
        reason=why,
        valid_us=target_us,
        quantiles=np.array(levels),
        values=values,
        publisher=ForecastRun.Publisher.GUARD,
    )
