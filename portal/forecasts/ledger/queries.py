"""Which forecast held for a time: as known at a moment, so long ahead, and what one run changed against another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from portal.core.columns import to_datetime, to_us
from portal.core.copy import read_columns
from portal.forecasts.models import ForecastRun
from portal.forecasts.queries import runs
from portal.series.models import Series

_UTC = pa.timestamp("us", "UTC")
# A run covers no time before it was issued, nor later than the longest run reaches: per valid time the walk along the
# index (series, issue_time, id) begins at the newest run that can cover it, which as a rule is the one, and is bounded.
# OFFSET 0 keeps the planner from reading whole runs for one time each, in the hope of meeting the same run again.
_NEWEST = """
SELECT value.valid_time, value.quantile, value.value, run.id AS run
FROM (SELECT max(valid_until - issue_time) AS reach FROM forecasts_forecastrun WHERE series_id = %(series)s) AS longest,
    generate_series(%(first)s::timestamptz, %(last)s::timestamptz, %(step)s::interval) AS at
    CROSS JOIN LATERAL (
        SELECT id FROM forecasts_forecastrun
        WHERE series_id = %(series)s
            AND issue_time <= least(at - %(lead)s::interval, %(as_of)s::timestamptz)
            AND issue_time > at - longest.reach
            AND valid_from <= at AND valid_until > at
            AND published_at <= %(published_by)s::timestamptz
            AND (rung <> 'override' OR NOT %(originals)s)
        ORDER BY issue_time DESC, id DESC LIMIT 1
    ) AS run
    CROSS JOIN LATERAL (
        SELECT valid_time, quantile, value FROM forecasts_forecastvalue
        WHERE run_id = run.id AND valid_time = at OFFSET 0
    ) AS value
ORDER BY value.valid_time, value.quantile
"""
_CHANGES = """
SELECT valid_time, quantile, new.value AS value, old.value AS earlier
FROM (SELECT valid_time, quantile, value FROM forecasts_forecastvalue WHERE run_id = %s) AS new
    JOIN (SELECT valid_time, quantile, value FROM forecasts_forecastvalue WHERE run_id = %s) AS old
    USING (valid_time, quantile)
ORDER BY valid_time, quantile
"""
NEIGHBOURS = 4


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What one run changed against another, at one quantile (the median where both have it), in the series' unit."""

    quantile: float
    n: int
    mean_absolute_change: float
    mean_change: float
    largest_change: float
    largest_change_at: datetime


def newest_values(
    series: Series,
    *,
    start: datetime,
    end: datetime,
    as_of: datetime | None = None,
    lead_time: timedelta = timedelta(0),
    published_by: datetime | None = None,
    originals: bool = False,
) -> pa.Table:
    """Per valid time in [start, end) the quantiles of the newest run that covers it, oldest first.

    The run was issued at or before `as_of`, `lead_time` or longer before the valid time, and was in the ledger at
    `published_by`; None is no bound. Of one issue time the run published last counts, so that a person's adjustment
    comes before what it adjusts, unless `originals` leaves adjustments out. A time that no run covers has no row.

    Columns: valid_time (timestamp[us, UTC]), local_time (ISO 8601, clock of the series), run, issue_time (timestamp[us,
    UTC]), rung, quantile, value (unit of the series).
    """
    step = series.resolution
    columns = read_columns(
        _NEWEST,
        {
            "series": series.pk,
            "first": start + (-(start - datetime(1970, 1, 1, tzinfo=UTC))) % step,
            # The bound is half-open, and generate_series includes its last.
            "last": end - timedelta(microseconds=1),
            "step": step,
            "lead": lead_time,
            "as_of": as_of or "infinity",
            "published_by": published_by or "infinity",
            "originals": originals,
        },
        types={"valid_time": "timestamptz", "quantile": "float8", "value": "float8", "run": "int8"},
    )
    pks, places = np.unique(columns["run"], return_inverse=True)
    of_runs = ForecastRun.objects.filter(pk__in=pks.tolist()).values_list("pk", "issue_time", "rung")
    facts = {pk: (issue_time, rung) for pk, issue_time, rung in of_runs}
    issued = np.array([to_us(facts[pk][0]) for pk in pks.tolist()], dtype=np.int64)
    return pa.table(
        {
            "valid_time": pa.array(columns["valid_time"], type=_UTC),
            "local_time": local_times(columns["valid_time"], series.timezone),
            "run": columns["run"],
            "issue_time": pa.array(issued[places], type=_UTC),
            "rung": pa.array([facts[pk][1] for pk in pks.tolist()], pa.string()).take(pa.array(places)),
            "quantile": columns["quantile"],
            "value": columns["value"],
        }
    )


def local_times(times_us: Any, timezone: str) -> pa.Array:
    """Microseconds since 1970 as texts on a clock, ISO 8601 with its offset: the two hours of one name differ."""
    zone = ZoneInfo(timezone)
    distinct, places = np.unique(times_us, return_inverse=True)
    texts = [to_datetime(time).astimezone(zone).isoformat() for time in distinct.tolist()]
    return pa.array(texts, pa.string()).take(pa.array(places))


def run_before(run: ForecastRun) -> ForecastRun | None:
    """What a run revises: the run that it adjusts, else the one that counts of the issue time before its own."""
    if run.adjusts_id is not None:
        return runs().get(pk=run.adjusts_id)
    return runs().filter(series=run.series_id, issue_time__lt=run.issue_time).first()


def comparable_runs(run: ForecastRun) -> list[ForecastRun]:
    """The runs of the series issued nearest to `run`, before and after, that cover some of its period; newest first."""
    overlapping = (
        runs()
        .filter(series=run.series_id, valid_from__lt=run.valid_until, valid_until__gt=run.valid_from)
        .exclude(pk=run.pk)
    )
    later = overlapping.filter(issue_time__gt=run.issue_time).order_by("issue_time", "pk")[:NEIGHBOURS]
    return [*later[::-1], *overlapping.filter(issue_time__lte=run.issue_time)[:NEIGHBOURS]]


def newest_of_issue(run: ForecastRun) -> ForecastRun:
    """The run that counts of the series and issue time of `run`: the one published last."""
    return runs().filter(series=run.series_id, issue_time=run.issue_time)[0]


def changes(run: ForecastRun, *, against: ForecastRun) -> pa.Table:
    """Each valid time and quantile that both runs have, by time, then quantile.

    Columns: valid_time (timestamp[us, UTC]), local_time (clock of the series), quantile, value, earlier, change = value
    - earlier (unit of the series).
    """
    kinds = {"valid_time": "timestamptz", "quantile": "float8", "value": "float8", "earlier": "float8"}
    columns = read_columns(_CHANGES, (run.pk, against.pk), types=kinds)
    return pa.table(
        {
            "valid_time": pa.array(columns["valid_time"], type=_UTC),
            "local_time": local_times(columns["valid_time"], run.series.timezone),
            "quantile": columns["quantile"],
            "value": columns["value"],
            "earlier": columns["earlier"],
            "change": columns["value"] - columns["earlier"],
        }
    )


def summarise(table: pa.Table) -> Summary | None:
    """What `changes` comes to; None where the runs have nothing in common."""
    quantiles = table.column("quantile").to_numpy()
    levels = np.unique(quantiles)
    if not levels.size:
        return None
    level = 0.5 if 0.5 in levels else float(levels[len(levels) // 2])
    at_level = quantiles == level
    change = table.column("change").to_numpy()[at_level]
    times_us = table.column("valid_time").cast(pa.int64()).to_numpy()[at_level]
    largest = int(np.argmax(np.abs(change)))
    return Summary(
        quantile=level,
        n=len(change),
        mean_absolute_change=float(np.abs(change).mean()),
        mean_change=float(change.mean()),
        largest_change=float(change[largest]),
        largest_change_at=to_datetime(int(times_us[largest])),
    )
