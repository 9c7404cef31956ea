"""The rolling accuracy of a series as of a time: judged, told to the portal, and a training asked for if it is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from include.errors import NothingToDo
from include.portal import Portal
from include.scoring.drift import RunError, is_to_be_trained, judge
from include.settings import Settings
from include.times import read_time

_log = logging.getLogger(__name__)


class NoDrift(NothingToDo):
    """No series needs a training."""


def judge_series(
    portal: Portal, slug: str, *, as_of: datetime, settings: Settings, airflow: Mapping[str, str]
) -> dict[str, Any]:
    """Judge the champion's runs of the last `accuracy_days` days by their newest scores as of `as_of`.

    The champion is the model that published last in that time, so that a replay of the past judges the one of then. A
    signal that the portal has for this series and time stays as it is.

    Returns:
        The signal as stored.
    """
    since = as_of - timedelta(days=settings.accuracy_days)
    scores = portal.newest_scores(slug, rung="champion", issued_from=since, issued_to=as_of, as_of=as_of)
    of_champion, reference = _of_champion(portal, scores)
    judgement = judge(
        [RunError(n=each["n"], mae=each["mae"], naive_mae=_naive_mae(each)) for each in of_champion],
        reference_mae=reference,
        ratio=settings.drift_ratio,
        least_runs=settings.drift_runs,
        unit=portal.series(slug)["unit"],
    )
    versions = portal.models(slug) if judgement.state == "drift" else []
    signal = portal.record_accuracy(
        {
            "series": slug,
            "as_of": as_of.isoformat(),
            "window_days": settings.accuracy_days,
            **vars(judgement),
            "retrain": is_to_be_trained(judgement, versions, as_of=as_of, retrain_days=settings.retrain_days),
            "airflow": dict(airflow),
        }
    )
    _log.log(
        logging.WARNING if signal["state"] == "drift" else logging.INFO,
        "%s as of %s: %s: %s",
        *(slug, as_of.isoformat(), signal["state"], signal["message"]),
    )
    return signal


def drifted(portal: Portal, batches: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the asset event says of the series of these batches that need a training, as the portal keeps it.

    Returns:
        `series`; `as_of_by_series`, when each was judged; and the newest of these times, `as_of`.

    Raises:
        NoDrift: there is none.
    """
    judged = {slug: read_time(batch["as_of"], name="as_of") for batch in batches for slug in batch["series"]}
    asking = {
        (signal["series"], as_of)
        for as_of in set(judged.values())
        for signal in portal.asking_for_training(as_of=as_of)
    }
    found = {slug: as_of for slug, as_of in sorted(judged.items()) if (slug, as_of) in asking}
    if not found:
        raise NoDrift("no series has become worse and awaits a training")
    return {
        "series": list(found),
        "as_of": max(found.values()).isoformat(),
        "as_of_by_series": {slug: as_of.isoformat() for slug, as_of in found.items()},
    }


def _of_champion(portal: Portal, scores: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], float | None]:
    """The scores of the model that published last, and the error of its backtest."""
    if not scores:
        return [], None
    model = max(scores, key=lambda score: (score["issue_time"], score["forecast_run"]))["model"]
    reference = (portal.model(model)["evidence"].get("metrics") or {}).get("mae")
    of_it = [score for score in scores if score["model"] == model and score["n"] and score["mae"] is not None]
    return of_it, float(reference) if isinstance(reference, int | float) and reference > 0 else None


def _naive_mae(score: Mapping[str, Any]) -> float | None:
    return score["baseline"].get("mae") if score["baseline"].get("n") == score["n"] else None
