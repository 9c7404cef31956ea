"""What an adjustment would do, before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.utils.safestring import SafeString

from portal.forecasts.charts import Curve
from portal.forecasts.dashboard import curve_chart, curve_of
from portal.forecasts.ledger.queries import local_times
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.adjustments import Adjustment
from portal.forecasts.overrides.operations import adjusted


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The forecast before and after, drawn, and the intervals that change: local time, median before, after, change."""

    chart: SafeString
    rows: list[tuple[str, float, float, float]]
    mean_change: float


def preview_of(run: ForecastRun, adjustment: Adjustment, *, reason: str, at: datetime) -> Preview:
    """What `adjustment` would make of `run`. Raises AdjustmentRefused."""
    before = curve_of(run)
    made = adjusted(run, adjustment, reason=reason, at=at)
    after = Curve(times_us=made.valid_us, quantiles=run.quantiles, values=made.values)
    changed = np.flatnonzero((after.values != before.values).any(axis=1))
    change = (after.medians - before.medians)[changed]
    local = local_times(made.valid_us[changed], run.series.timezone).to_pylist()
    title = f"Forecast of {run.series.name} before and after the adjustment"
    chart = curve_chart(run, after, before=before, title=title)
    medians = before.medians[changed].tolist(), after.medians[changed].tolist()
    return Preview(
        chart=chart, rows=list(zip(local, *medians, change.tolist(), strict=True)), mean_change=float(change.mean())
    )
