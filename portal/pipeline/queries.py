"""Reads on what the portal asks Airflow for."""

from __future__ import annotations

from datetime import datetime, timedelta

from portal.pipeline.models import RUN_ID_PREFIX, DagRunRequest
from portal.registry.models import ModelVersion
from portal.series.models import Series
from portal.series.queries import newest_observation

FRESH = timedelta(hours=48)
"""How old the newest load may be where a forecast begins: the default horizon of the pipeline."""


def series_asked_for(dag_id: str, *, key_prefix: str) -> tuple[int, set[str]]:
    """How many runs were asked for under keys that begin so, and the slugs of the series in their params."""
    prefix = f"{RUN_ID_PREFIX}{dag_id}__{key_prefix}"
    asked = DagRunRequest.objects.filter(run_id__startswith=prefix).values_list("conf", flat=True)
    return len(asked), {slug for conf in asked for slug in conf.get("series", ())}


def issue_time_after(series: Series, *, at: datetime) -> datetime | None:
    """When a forecast of `series` that is decided on at `at` is issued; None if its data carry none.

    That is `at`, to the second, while the data are fresh then. A series whose data ended long ago (an archive that is
    replayed) is forecast from when the last of them became known, if they were fresh then. So an archive that was
    delivered years late gives no forecast at all, and neither does a series without data; one whose values always come
    later than that is left to the schedule of `publish_forecasts`. A champion that was trained on what became known
    only after that time gives none either.
    """
    newest = newest_observation(series, as_of=at)
    if newest is None:
        return None
    valid_time, known_at = newest
    issue_time = next((time for time in (at.replace(microsecond=0), known_at) if time - valid_time <= FRESH), None)
    live = ModelVersion.objects.filter(series=series, status=ModelVersion.Status.CHAMPION)
    if issue_time is None or live.filter(data_cutoff__gt=issue_time).exists():
        return None
    return issue_time
