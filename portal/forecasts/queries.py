"""Reads on the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from django.db.models import QuerySet

from portal.core.columns import to_datetime
from portal.core.copy import read_columns
from portal.forecasts.incoming import Floats, Integers
from portal.forecasts.models import ForecastRun
from portal.series.models import Series

_VALUES = """
SELECT valid_time, quantile, value FROM forecasts_forecastvalue WHERE run_id = %s ORDER BY valid_time, quantile
"""
_TYPES = {"valid_time": "timestamptz", "quantile": "float8", "value": "float8"}


def runs() -> QuerySet[ForecastRun]:
    """The ledger, newest first, with what its rows are shown with."""
    return (
        ForecastRun.objects.select_related("series", "model", "adjusted_by")
        .defer("model__evidence", "model__parameters")
        .order_by("-issue_time", "-pk")
    )


def latest_run(
    series: Series, *, as_of: datetime | None = None, published_by: datetime | None = None, originals: bool = False
) -> ForecastRun | None:
    """The newest run issued at or before `as_of` and in the ledger at `published_by` (None: whenever).

    Of one issue time it is the one published last, an adjustment therefore, unless `originals` leaves those out.
    """
    issued = runs().filter(series=series)
    if as_of is not None:
        issued = issued.filter(issue_time__lte=as_of)
    if published_by is not None:
        issued = issued.filter(published_at__lte=published_by)
    if originals:
        issued = issued.exclude(rung=ForecastRun.Rung.OVERRIDE)
    return issued.first()


def run_values(run: ForecastRun) -> pa.Table:
    """The values of a run: valid_time (timestamp[us, UTC]), quantile, value; by valid time, then quantile."""
    columns = read_columns(_VALUES, (run.pk,), types=_TYPES)
    return pa.table(
        {
            "valid_time": pa.array(columns["valid_time"], type=pa.timestamp("us", "UTC")),
            "quantile": columns["quantile"],
            "value": columns["value"],
        }
    )


def grid_of(run: ForecastRun) -> tuple[Integers, Floats]:
    """Valid times in microseconds since 1970, and the values of shape (valid times, quantiles)."""
    columns = read_columns(_VALUES, (run.pk,), types=_TYPES)
    width = len(run.quantiles)
    return columns["valid_time"][::width], columns["value"].reshape(-1, width)


def values_by_time(run: ForecastRun) -> list[dict[str, Any]]:
    """One entry per valid time: `valid_time` (UTC), `local_time` (clock of the series), each quantile by its name."""
    valid_us, values = grid_of(run)
    names = [quantile_name(quantile) for quantile in run.quantiles]
    zone = ZoneInfo(run.series.timezone)
    return [
        {"valid_time": time, "local_time": time.astimezone(zone).isoformat(), **dict(zip(names, row, strict=True))}
        for time, row in zip(map(to_datetime, valid_us.tolist()), values.tolist(), strict=True)
    ]


def quantile_name(quantile: float) -> str:
    """0.1 → "0.1", as the API names it."""
    return f"{quantile:.10g}"
