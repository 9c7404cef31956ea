"""What the portal asks Airflow for. A request is written in the transaction of what it follows from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from portal.pipeline.models import DagRunRequest
from portal.series.models import Series


def request_dag_run(
    dag_id: str,
    *,
    key: str,
    conf: Mapping[str, Any],
    reason: str,
    series: Series | None,
    by: User | None,
    at: datetime,
) -> DagRunRequest:
    """Ask for a run of a DAG, once per `key`; to be called in the transaction of what it follows from.

    `key` names that, such as ``decision-12``: asking again with it gives the first request.
    `conf` are the params of the run.
    """
    request, _ = DagRunRequest.objects.get_or_create(
        run_id=f"portal__{dag_id}__{key}",
        defaults={
            "dag_id": dag_id,
            "conf": dict(conf),
            "reason": reason,
            "series": series,
            "requested_by": by,
            "requested_at": at,
            "next_attempt_at": at,
        },
    )
    return request


def request_publication(series: Series, *, key: str, reason: str, by: User | None, at: datetime) -> DagRunRequest:
    """Ask for a forecast of `series` from `at`."""
    conf = {"series": [series.slug], "as_of": at.isoformat()}
    return request_dag_run("publish_forecasts", key=key, conf=conf, reason=reason, series=series, by=by, at=at)
