"""Scores of published forecasts against what happened, beside the seasonal naive from the same issue time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from include.baseline import naive_forecast
from include.errors import Refusal
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.batch import for_each_series

_log = logging.getLogger(__name__)
KEPT = ("n", "mae", "rmse", "mape", "pinball", "coverage_80", "bias")
LEAD_TIME_BLOCK_HOURS = 6.0


def score_batch(run: Run, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Score the series of a batch; returns how many runs of each were scored."""

    def work(slug: str, as_of: datetime) -> dict[str, Any]:
        return {"series": slug, "runs": len(score_series(run.portal, slug, as_of=as_of, settings=run.settings))}

    return for_each_series(batch, work)


def score_series(portal: Portal, slug: str, *, as_of: datetime, settings: Settings) -> list[dict[str, Any]]:
    """Score the runs issued in the last `score_days` days, as far as their loads were known at `as_of`.

    A run is scored on the intervals that have a load; one without any is left for later. Done again as of the same
    time, it gives the same scores.

    Returns:
        The scores as stored, one per run.
    """
    series = portal.series(slug)
    runs = portal.forecast_runs(slug, issued_from=as_of - timedelta(days=settings.score_days), issued_to=as_of)
    scores = []
    for run in runs:
        score = _score_run(portal, series, run, as_of=as_of, settings=settings)
        if score is not None:
            scores.append(score)
    if scores:
        portal.record_scores(scores)
    _log.info("%s as of %s: %d of %d runs scored", slug, as_of.isoformat(), len(scores), len(runs))
    return scores


def _score_run(
    portal: Portal, series: Mapping[str, Any], run: Mapping[str, Any], *, as_of: datetime, settings: Settings
) -> dict[str, Any] | None:
    from forecasting.metrics import by_lead_time, score

    values = portal.forecast_values(run["id"])
    period = {"start": values.index[0], "end": pd.Timestamp(run["valid_until"])}
    load = portal.observations(series["slug"], **period, as_of=as_of)["value"].reindex(values.index)
    if not load.notna().any():
        return None
    levels = list(values.columns)
    issue_time = pd.Timestamp(run["issue_time"])
    lead_time = (pd.DatetimeIndex(values.index) - issue_time) / pd.Timedelta(hours=1)
    rows = values.assign(load=load, lead_time_hours=lead_time)

    def measure(part: pd.DataFrame) -> dict[str, Any]:
        return _kept(score(part["load"], part[levels]))

    return {
        "forecast_run": run["id"],
        "as_of": as_of.isoformat(),
        **measure(rows),
        "baseline": _baseline(portal, series, load, known_at=issue_time.to_pydatetime(), settings=settings),
        "by_lead_time": by_lead_time(rows, block_hours=LEAD_TIME_BLOCK_HOURS, scorer=measure),
    }


def _baseline(
    portal: Portal, series: Mapping[str, Any], load: pd.Series, *, known_at: datetime, settings: Settings
) -> dict[str, Any]:
    """The naive's score on the same intervals, from what was known at the issue time; empty where there is none."""
    from forecasting.metrics import score

    try:
        index = pd.DatetimeIndex(load.index)
        naive = naive_forecast(portal, series, index, known_at=known_at, settings=settings)
    except Refusal as refusal:
        _log.warning("%s", refusal)
        return {}
    return _kept(score(load, naive))


def _kept(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics[name] for name in KEPT}
