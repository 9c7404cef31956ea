"""What the guard publishes where the pipeline has not: an earlier run that reaches, else a seasonal naive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from portal.core.columns import arrays_of, to_us
from portal.forecasts.deadlines.clock import Delivery
from portal.forecasts.deadlines.naive import HISTORY_WEEKS, TooLittleKnown, seasonal_naive
from portal.forecasts.deadlines.queries import covering
from portal.forecasts.incoming import Floats, IncomingRun, Integers
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
    valid_us, values = going_on(run, issue_time=issue_time)
    adjusted = f", as {run.adjusted_by} adjusted it" if run.rung == ForecastRun.Rung.OVERRIDE else ""
    return IncomingRun(
        series=run.series,
        issue_us=to_us(issue_time),
        model=run.model,
        cutoff_us=to_us(run.data_cutoff),
        rung=ForecastRun.Rung.EARLIER_RUN,
        reason=f"{why}; run {run.pk}, issued {run.issue_time:%Y-%m-%d %H:%M}Z, goes on{adjusted}",
        valid_us=valid_us,
        quantiles=np.array(run.quantiles),
        values=values,
        publisher=ForecastRun.Publisher.GUARD,
    )


def going_on(run: ForecastRun, *, issue_time: datetime) -> tuple[Integers, Floats]:
    """What a run says from a time on: valid times in microseconds since 1970, values by valid time and quantile."""
    valid_us, values = grid_of(run)
    ahead = valid_us >= to_us(issue_time)
    return valid_us[ahead], values[ahead]


def _seasonal_naive(series: Series, delivery: Delivery, *, issue_time: datetime, why: str) -> IncomingRun:
    last = latest_run(series, as_of=issue_time)
    levels = tuple(last.quantiles) if last is not None else USUAL_LEVELS
    valid_us, values = naive_of(series, issue_time=issue_time, end=delivery.end, levels=levels)
    return IncomingRun(
        series=series,
        issue_us=to_us(issue_time),
        model=None,
        cutoff_us=to_us(issue_time),
        rung=ForecastRun.Rung.SEASONAL_NAIVE,
        reason=why,
        valid_us=valid_us,
        quantiles=np.array(levels),
        values=values,
        publisher=ForecastRun.Publisher.GUARD,
    )


def naive_of(
    series: Series, *, issue_time: datetime, end: datetime, levels: Sequence[float]
) -> tuple[Integers, Floats]:
    """The guard's naive from an issue time until `end`, of what was known at the issue time; shaped as `going_on`.

    Raises TooLittleKnown.
    """
    step = series.resolution // _MICROSECOND
    first, last = (-(-to_us(time) // step) * step for time in (issue_time, end))
    valid_us = np.arange(first, last, step, dtype=np.int64)
    since = issue_time - timedelta(weeks=HISTORY_WEEKS)
    known_us, known = arrays_of(observations(series, start=since, end=issue_time, as_of=issue_time))
    values = seasonal_naive(
        known_us,
        known,
        valid_us,
        zone=ZoneInfo(series.timezone),
        step_us=step,
        levels=levels,
        may_be_negative=series.allows_export,
    )
    return valid_us, values
