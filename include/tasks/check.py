"""Checks of a series' data as it was known: results and reports to the portal, whose alert rules send the mails."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from include.errors import ChecksFailed
from include.history import covariates
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.batch import for_each_series
from include.times import resolution_of

_log = logging.getLogger(__name__)


def check_batch(run: Run, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Check the series of a batch; returns their check runs."""

    def work(slug: str, as_of: datetime) -> dict[str, Any]:
        return check_series(run.portal, slug, as_of=as_of, settings=run.settings, airflow=run.airflow)

    return for_each_series(batch, work)


def check_series(
    portal: Portal, slug: str, *, as_of: datetime, settings: Settings, airflow: Mapping[str, str]
) -> dict[str, Any]:
    """Check the last `check_days` days of a series as known at `as_of` against the days before them.

    Returns:
        The stored check run: its id, status and results.

    Raises:
        ChecksFailed: a fatal check failed; everything is stored before, and trying again gives the same.
        PortalError: the portal refused or did not answer.
    """
    from forecasting.quality import CheckSettings, run_checks

    series = portal.series(slug)
    span = timedelta(days=settings.check_days)
    window = _window(portal, series, start=as_of - span, end=as_of, as_of=as_of)
    earlier = _window(portal, series, start=as_of - 2 * span, end=as_of - span, as_of=as_of)
    with tempfile.TemporaryDirectory() as folder:
        results = run_checks(
            window,
            timezone=series["timezone"],
            resolution=resolution_of(series),
            as_of=pd.Timestamp(as_of),
            reference=earlier if earlier["load"].notna().mean() > 0.5 else None,
            settings=CheckSettings(allows_export=series["allows_export"]),
            report_directory=Path(folder),
        )
        names = ("engine", "name", "status", "severity", "value", "threshold", "message")
        run = portal.record_check_run(
            {
                "series": slug,
                "stage": "data",
                "period_start": (as_of - span).isoformat(),
                "period_end": as_of.isoformat(),
                "as_of": as_of.isoformat(),
                "airflow": dict(airflow),
                "results": [{name: result.to_dict()[name] for name in names} for result in results],
            }
        )
        for report in sorted({result.report for result in results if result.report is not None}):
            portal.store_report(run["id"], name=report.name, content=report.read_bytes())
    for result in results:
        level = logging.INFO if result.status in ("passed", "skipped") else logging.WARNING
        _log.log(level, "%s %s %s: %s", result.engine, result.name, result.status, result.message)
    if run["status"] == "failed":
        broken = [
            f"{result.name}: {result.message}"
            for result in results
            if result.severity == "fatal" and result.status in ("failed", "error")
        ]
        raise ChecksFailed(f"{slug}: {len(broken)} fatal checks failed: {'; '.join(broken)}")
    return {"id": run["id"], "series": slug, "status": run["status"]}


def _window(portal: Portal, series: dict[str, Any], *, start: datetime, end: datetime, as_of: datetime) -> pd.DataFrame:
    """The rows of `[start, end)` as they are stored: what is missing stays missing, for the checks to say."""
    load = portal.observations(series["slug"], start=start, end=end, as_of=as_of)["value"]
    if load.empty:
        return pd.DataFrame({"load": load}, dtype="float64")
    grid = pd.date_range(load.index[0], load.index[-1], freq=resolution_of(series), name="valid_time")
    others = {
        name: values.reindex(load.index) for name, values in covariates(portal, series, grid, as_of=as_of).items()
    }
    return pd.DataFrame({"load": load, **others}, dtype="float64")
