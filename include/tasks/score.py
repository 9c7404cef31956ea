"""Scores of published forecasts against what happened, whenever that is known anew, beside what they compete with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from forecasting.errors import ForecastingError
from include.baseline import naive_forecast
from include.errors import PipelineError, Refusal
from include.history import fingerprint
from include.model_forecast import LoadArtifact
from include.portal import Portal, PortalUnavailable
from include.run import Run
from include.scoring.attribution import with_observed_weather
from include.scoring.external import external_forecast
from include.scoring.figures import Judged, attributed, figures
from include.scoring.remembered import RememberingPortal, remembering_load
from include.scoring.stability import stability
from include.settings import Settings
from include.tasks.batch import for_each_series
from include.tasks.drift import judge_series
from include.times import resolution_of

_log = logging.getLogger(__name__)
SCORES_PER_REQUEST = 50


class RunsNotScored(PipelineError):
    """Some runs of a series cannot be scored; the others are."""


def score_batch(run: Run, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Score the series of a batch and judge their rolling accuracy.

    Returns:
        Per series how many `runs` were scored, the `state` of its accuracy and whether to `retrain`, `as_of` when.
    """

    def work(slug: str, as_of: datetime) -> dict[str, Any]:
        facts: dict[str, Any] = {"as_of": as_of, "settings": run.settings, "airflow": run.airflow}
        try:
            scored = score_series(run.portal, slug, **facts)
        except RunsNotScored:
            judge_series(run.portal, slug, **facts)
            raise
        signal = judge_series(run.portal, slug, **facts)
        return {
            "series": slug,
            "as_of": as_of.isoformat(),
            "runs": len(scored),
            "state": signal["state"],
            "retrain": signal["retrain"],
        }

    return for_each_series(batch, work)


def score_series(
    portal: Portal, slug: str, *, as_of: datetime, settings: Settings, airflow: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Score the runs of which loads, or what a score compares them with, are known anew since their last score.

    A run is scored on the intervals that have a load, however old it is, whether they became known since or were
    stored late; earlier scores stay. Done again as of the same time, there is nothing to score.

    Returns:
        The scores as sent, one per run.

    Raises:
        RunsNotScored: after the others are scored, naming each run that cannot be.
    """
    portal, load_model = RememberingPortal(portal), remembering_load()
    series = portal.series(slug)
    due = portal.runs_due_for_scoring(slug, as_of=as_of)
    scores: list[dict[str, Any]] = []
    failures: list[str] = []
    unsent = 0
    for run in due:
        try:
            score = _score_run(portal, series, run, as_of=as_of, settings=settings, load_model=load_model)
        except PortalUnavailable:
            raise
        except (PipelineError, ForecastingError, LookupError, TypeError, ValueError) as error:
            _log.exception("run %d of %s cannot be scored", run["id"], slug)
            failures.append(f"run {run['id']}: {type(error).__name__}: {error}")
            continue
        scores.append({**score, "airflow": dict(airflow)})
        unsent += 1
        if unsent == SCORES_PER_REQUEST:
            portal.record_scores(scores[-unsent:])
            unsent = 0
    if unsent:
        portal.record_scores(scores[-unsent:])
    _log.info("%s as of %s: %d of %d runs scored", slug, as_of.isoformat(), len(scores), len(due))
    if failures:
        raise RunsNotScored(f"{len(failures)} of {len(due)} runs of {slug} cannot be scored: {'; '.join(failures)}")
    return scores


def _score_run(
    portal: Portal,
    series: Mapping[str, Any],
    run: Mapping[str, Any],
    *,
    as_of: datetime,
    settings: Settings,
    load_model: LoadArtifact,
) -> dict[str, Any]:
    """The score of a run; of no interval where all the loads that it was scored on were withdrawn."""
    values = portal.forecast_values(run["id"])
    period = {"start": values.index[0], "end": pd.Timestamp(run["valid_until"])}
    load = portal.observations(series["slug"], **period, as_of=as_of)["value"].reindex(values.index)
    issue_time = pd.Timestamp(run["issue_time"])
    naive = _naive(portal, series, values, known_at=issue_time.to_pydatetime(), settings=settings)
    judged = Judged(
        values=values,
        load=load,
        issue_time=issue_time,
        timezone=series["timezone"],
        resolution=resolution_of(series),  # type: ignore[arg-type]
        naive=naive,
    )
    beside, external = external_forecast(portal, series, judged, as_of=as_of)
    judged = replace(judged, beside=beside)
    attribution: dict[str, Any] = {}
    if load.notna().all():
        index = pd.date_range(values.index[0], period["end"], freq=judged.resolution, inclusive="left")
        again, attribution = with_observed_weather(
            portal, series, run, index, as_of=as_of, settings=settings, load=load_model
        )
        if again is not None:
            judged = replace(judged, with_observed_weather=again)
            attribution |= attributed(judged, again)
    return {
        "forecast_run": run["id"],
        "as_of": as_of.isoformat(),
        "actuals_sha256": fingerprint(load.dropna().to_frame("load")),
        **figures(judged),
        "external": external,
        "stability": stability(portal, run, values),
        "attribution": attribution,
    }


def _naive(
    portal: Portal, series: Mapping[str, Any], values: pd.DataFrame, *, known_at: datetime, settings: Settings
) -> pd.DataFrame | None:
    """The seasonal naive on the same intervals, from what was known at the issue time; None where there is none."""
    try:
        return naive_forecast(portal, series, pd.DatetimeIndex(values.index), known_at=known_at, settings=settings)
    except Refusal as refusal:
        _log.warning("%s", refusal)
        return None
