"""The fallback ladder: champion, previous champion, an earlier run that still covers the period, seasonal naive.

Each rung gives a forecast or says why it does not; the reasons are kept with the run that is published.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from include.artifacts import load_artifact
from include.baseline import naive_forecast
from include.errors import NothingToPublish, PipelineError
from include.history import covariates, load_history
from include.portal import Portal, PortalUnavailable
from include.settings import Settings
from include.times import resolution_of

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


class Ladder:
    """The rungs of one series at one issue time, each knowing only what was known then."""

    def __init__(self, portal: Portal, series: dict[str, Any], *, issue_time: datetime, settings: Settings) -> None:
        self._portal = portal
        self._series = series
        self._settings = settings
        self._issue_time = issue_time
        step = resolution_of(series)
        start = pd.Timestamp(issue_time).ceil(step)
        self.index = pd.date_range(
            start, start + pd.Timedelta(settings.horizon), freq=step, inclusive="left", name="valid_time"
        )

    def climb(self) -> Forecast:
        """The forecast of the first rung that gives one.

        Raises:
            NothingToPublish: none does; the message has the reason of each.
        """
        rungs: dict[str, Callable[[], tuple[int | None, datetime, pd.DataFrame]]] = {
            "champion": self._champion,
            "previous_champion": self._previous_champion,
            "earlier_run": self._earlier_run,
            "seasonal_naive": self._seasonal_naive,
        }
        reasons: list[str] = []
        for rung, give in rungs.items():
            try:
                model_id, cutoff, values = give()
            except PortalUnavailable:
                raise  # the whole task is tried again: an outage of a second is no reason for a worse forecast
            except PipelineError as error:
                _log.warning("%s: %s gives no forecast: %s", self._series["slug"], rung, error)
                reasons.append(f"{rung}: {error}")
            else:
                return Forecast(rung, "; ".join(reasons)[:LONGEST_REASON], model_id, cutoff, values)
        raise NothingToPublish(f"{self._series['slug']} at {self._issue_time.isoformat()}: {'; '.join(reasons)}")

    def _champion(self) -> tuple[int, datetime, pd.DataFrame]:
        if self._series["champion"] is None:
            raise RungFailed("no model has been approved")
        self._require_checked_data()
        return self._by_model(self._portal.model(self._series["champion"]["id"]))

    def _previous_champion(self) -> tuple[int, datetime, pd.DataFrame]:
        retired = self._portal.models(self._series["slug"], status="retired")
        if not retired:
            raise RungFailed("there was none before")
        self._require_checked_data()
        return self._by_model(max(retired, key=lambda model: pd.Timestamp(model["approved_at"])))

    def _earlier_run(self) -> tuple[int | None, datetime, pd.DataFrame]:
        needed = timedelta(hours=self._settings.fallback_hours)
        since = self._issue_time - 2 * pd.Timedelta(self._settings.horizon)
        runs = self._portal.forecast_runs(self._series["slug"], issued_from=since, issued_to=self._issue_time)
        for run in runs:
            if pd.Timestamp(run["valid_until"]) >= self._issue_time + needed:
                values = self._portal.forecast_values(run["id"])
                model_id = run["model"]["id"] if run["model"] else None
                return model_id, pd.Timestamp(run["data_cutoff"]).to_pydatetime(), values[values.index >= self.index[0]]
        raise RungFailed(f"none covers the {self._settings.fallback_hours} hours from the issue time on")

    def _seasonal_naive(self) -> tuple[None, datetime, pd.DataFrame]:
        values = naive_forecast(
            self._portal, self._series, self.index, known_at=self._issue_time, settings=self._settings
        )
        return None, self._issue_time, values

    def _by_model(self, version: Mapping[str, Any]) -> tuple[int, datetime, pd.DataFrame]:
        if pd.Timestamp(version["data_cutoff"]) > self._issue_time:
            raise RungFailed(
                f"version {version['version']} was trained on what was known at {version['data_cutoff']}, "
                "after the issue time"
            )
        model = load_artifact(version["artifact_uri"], sha256=version["artifact_sha256"])
        history = load_history(self._portal, self._series, as_of=self._issue_time, days=self._settings.context_days)
        known = covariates(self._portal, self._series, self.index, as_of=self._issue_time)
        try:
            values = model.predict(history, pd.DataFrame(known, index=self.index))
        except Exception as error:  # whatever a model stumbles over, the next rung publishes
            raise RungFailed(f"version {version['version']} failed: {type(error).__name__}: {error}") from error
        return version["id"], self._issue_time, values

    def _require_checked_data(self) -> None:
        checked = self._portal.newest_check_run(self._series["slug"], as_of=self._issue_time)
        if checked is not None and checked["status"] == "failed":
            raise RungFailed(f"check run {checked['id']} of the data as of {checked['as_of']} failed")
