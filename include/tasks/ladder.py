"""The fallback ladder: champion, previous champion, an earlier run that still covers the period, seasonal naive.

Each rung gives a forecast or says why it does not; the reasons are kept with the run that is published.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd

from include.baseline import naive_forecast
from include.errors import NothingToPublish, PipelineError
from include.inputs import horizon_index
from include.model_forecast import model_forecast
from include.portal import Portal, PortalUnavailable
from include.settings import Settings
from include.tasks.batch import as_pipeline_error

_log = logging.getLogger(__name__)
LONGEST_REASON = 2000


class RungFailed(PipelineError):
    """A rung gives no forecast; the next one is tried."""


@dataclass(frozen=True)
class Forecast:
    """What is to be published: MW by valid time (UTC) and quantile, and where it comes from."""

    rung: str
    reason: str
    model_id: int | None
    data_cutoff: datetime
    table: pd.DataFrame


class _Given(NamedTuple):
    """What a rung gives; `note` is to be said of it."""

    model_id: int | None
    data_cutoff: datetime
    table: pd.DataFrame
    note: str = ""


class Ladder:
    """The rungs of one series at one issue time, each knowing only what was known then."""

    def __init__(self, portal: Portal, series: dict[str, Any], *, issue_time: datetime, settings: Settings) -> None:
        self._portal = portal
        self._series = series
        self._settings = settings
        self._issue_time = issue_time
        self.index = horizon_index(series, start=issue_time, horizon=settings.horizon)

    def climb(self) -> Forecast:
        """The forecast of the first rung that gives one.

        Raises:
            NothingToPublish: none does; the message has the reason of each.
        """
        rungs: dict[str, Callable[[], _Given]] = {
            "champion": self._champion,
            "previous_champion": self._previous_champion,
            "earlier_run": self._earlier_run,
            "seasonal_naive": self._seasonal_naive,
        }
        reasons: list[str] = []
        for rung, give in rungs.items():
            try:
                given = give()
            except PortalUnavailable:
                raise  # the whole task is tried again: an outage of a second is no reason for a worse forecast
            except Exception as error:  # noqa: BLE001  # whatever one stumbles over, there are others
                failed = as_pipeline_error(error)
                _log.warning("%s: %s gives no forecast: %s", self._series["slug"], rung, failed, exc_info=error)
                reasons.append(f"{rung}: {failed}")
            else:
                reason = "; ".join([*reasons, *([given.note] if given.note else [])])
                return Forecast(rung, reason[:LONGEST_REASON], given.model_id, given.data_cutoff, given.table)
        raise NothingToPublish(f"{self._series['slug']} at {self._issue_time.isoformat()}: {'; '.join(reasons)}")

    def _champion(self) -> _Given:
        if self._series["champion"] is None:
            raise RungFailed("no model has been approved")
        self._require_checked_data()
        return self._by_model(self._portal.model(self._series["champion"]["id"]))

    def _previous_champion(self) -> _Given:
        # What was rolled back from is no way out.
        replaced = [
            (model["decisions"][-1]["number"], model)
            for model in self._portal.models(self._series["slug"], status="retired")
            if model["decisions"][-1]["decision"] == "retire"
        ]
        if not replaced:
            raise RungFailed("there was none before")
        self._require_checked_data()
        return self._by_model(max(replaced, key=lambda each: each[0])[1])

    def _earlier_run(self) -> _Given:
        needed = timedelta(hours=self._settings.fallback_hours)
        since = self._issue_time - 2 * pd.Timedelta(self._settings.horizon)
        runs = self._portal.forecast_runs(self._series["slug"], issued_from=since, issued_to=self._issue_time)
        for run in runs:
            # What the guard put in for want of a forecast settles no alert about that want.
            if (
                run["publisher"] != "guard"
                and pd.Timestamp(run["valid_from"]) <= self.index[0]
                and pd.Timestamp(run["valid_until"]) >= self._issue_time + needed
            ):
                values = self._portal.forecast_values(run["id"])
                adjusted = f", as {run['adjusted_by']} adjusted it" if run["adjusted_by"] else ""
                return _Given(
                    run["model"]["id"] if run["model"] else None,
                    pd.Timestamp(run["data_cutoff"]).to_pydatetime(),
                    values[values.index >= self.index[0]],
                    f"run {run['id']}, issued {run['issue_time']}, goes on{adjusted}",
                )
        raise RungFailed(f"none covers the {self._settings.fallback_hours} hours from the issue time on")

    def _seasonal_naive(self) -> _Given:
        values = naive_forecast(
            self._portal, self._series, self.index, known_at=self._issue_time, settings=self._settings
        )
        return _Given(None, self._issue_time, values)

    def _by_model(self, version: Mapping[str, Any]) -> _Given:
        values = model_forecast(
            self._portal,
            self._series,
            version,
            self.index,
            issue_time=self._issue_time,
            settings=self._settings,
        )
        return _Given(version["id"], self._issue_time, values)

    def _require_checked_data(self) -> None:
        checked = self._portal.newest_check_run(self._series["slug"], as_of=self._issue_time)
        if checked is not None and checked["status"] == "failed":
            raise RungFailed(f"check run {checked['id']} of the data as of {checked['as_of']} failed")
