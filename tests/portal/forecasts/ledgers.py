"""Runs put into the ledger by hand, at any time of publication, as no request could."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction

from portal.core.columns import to_us
from portal.forecasts.incoming import IncomingRun
from portal.forecasts.models import ForecastRun
from portal.forecasts.operations import lock_ledger, store_runs
from portal.series.models import Series

ISSUED = datetime(2014, 11, 1, 13, tzinfo=UTC)
STEP = timedelta(minutes=30)
QUANTILES = (0.1, 0.5, 0.9)


def put_run(
    series: Series,
    medians: list[float],
    *,
    issued: datetime = ISSUED,
    start: datetime | None = None,
    quantiles: tuple[float, ...] = QUANTILES,
    adjusts: ForecastRun | None = None,
    by: User | None = None,
    **facts: Any,
) -> ForecastRun:
    """A run of 30-minute values whose quantiles lie 100 MW apart; with `adjusts` and `by`, an override of that run."""
    times = to_us(start or issued) + np.arange(len(medians)) * (STEP // timedelta(microseconds=1))
    shifts = 100.0 * (np.arange(len(quantiles)) - quantiles.index(0.5))
    incoming = IncomingRun(
        series=series,
        issue_us=to_us(issued),
        model=None,
        # The ledger takes one run per facts: runs of one issue time differ in their cut-off.
        cutoff_us=to_us(issued) - ForecastRun.objects.filter(series=series).count() * 1_000_000,
        rung="override" if adjusts is not None else "seasonal_naive",
        reason="by hand",
        valid_us=times,
        quantiles=np.array(quantiles),
        values=np.array(medians)[:, None] + shifts,
        publisher="person" if adjusts is not None else "pipeline",
    )
    if adjusts is not None:
        facts |= {"adjusts": adjusts, "adjusted_by": by}
    with transaction.atomic():
        lock_ledger([series])
        (stored,) = store_runs([incoming], **facts)
    return ForecastRun.objects.get(pk=stored.pk)
