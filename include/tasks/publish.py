"""Publication: one run of the ledger per series and issue time, by the first rung of the ladder that holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.batch import for_each_series
from include.tasks.ladder import Forecast, Ladder

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishedRun:
    """A run of the ledger; `status` is created, or unchanged where a repetition gave the same.

    `deadline` is the first one after the issue time, where the series has any; negative `minutes_before` are late.
    """

    id: int
    series: str
    issue_time: str
    rung: str
    status: str
    deadline: str | None
    minutes_before: int | None


def publish_batch(run: Run, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Publish the series of a batch; returns the runs of the ledger."""

    def work(slug: str, as_of: datetime) -> dict[str, Any]:
        return asdict(publish_series(run.portal, slug, as_of=as_of, settings=run.settings, airflow=run.airflow))

    return for_each_series(batch, work)


def publish_series(
    portal: Portal, slug: str, *, as_of: datetime, settings: Settings, airflow: Mapping[str, str] | None = None
) -> PublishedRun:
    """Forecast a horizon from `as_of`, the issue time, and publish it whole; done again, it changes nothing.

    Covariates of the period ahead are those that were known at the issue time; what was not is NaN, and the model
    falls back on its own rule for that.

    Raises:
        NothingToPublish: no rung of the ladder gives a forecast.
        PortalError: the portal refused or did not answer.
    """
    series = portal.series(slug)
    forecast = Ladder(portal, series, issue_time=as_of, settings=settings).climb()
    (run,) = portal.publish(_rows(slug, as_of, forecast), airflow=airflow)
    _log.log(
        logging.INFO if forecast.rung == "champion" else logging.WARNING,
        "%s issued %s: run %d %s by %s%s",
        *(slug, as_of.isoformat(), run["id"], run["status"], forecast.rung),
        f", because {forecast.reason}" if forecast.reason else "",
    )
    minutes = run["minutes_before"]
    if minutes is not None and minutes >= 0:
        _log.info("%s: %d minutes before the deadline %s", slug, minutes, run["deadline"])
    elif minutes is not None:
        _log.warning("%s: late, the deadline %s was %d minutes ago", slug, run["deadline"], -minutes)
    return PublishedRun(rung=forecast.rung, **run)


def _rows(slug: str, issue_time: datetime, forecast: Forecast) -> pd.DataFrame:
    table = forecast.table.rename_axis("valid_time").reset_index()
    rows = table.melt(id_vars="valid_time", var_name="quantile", value_name="value")
    return rows.assign(
        series=slug,
        issue_time=issue_time,
        model_id=pd.array([forecast.model_id] * len(rows), dtype="Int64"),
        data_cutoff=forecast.data_cutoff,
        rung=forecast.rung,
        reason=forecast.reason,
        quantile=rows["quantile"].astype("float64"),
    )
