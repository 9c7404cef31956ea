"""What the portal asks Airflow for. A request is written in the transaction of what it follows from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from portal.core.permissions import require
from portal.pipeline.airflow import outbox
from portal.pipeline.models import RUN_ID_PREFIX, DagRunRequest
from portal.pipeline.queries import issue_time_after
from portal.series.models import Series

PUBLISH = "publish_forecasts"
logger = logging.getLogger(__name__)


class PipelineError(Exception):
    """An operation that was refused; the message says why and is fit to be shown."""


class AlreadySent(PipelineError):
    """Airflow has the request already."""


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

    `key` names that, such as ``decision-12``: asking again with it gives the first request. It becomes part of the
    run's id, for which Airflow takes letters, digits and ``_.~:+-``. `conf` are the params of the run.
    """
    request, is_new = DagRunRequest.objects.get_or_create(
        run_id=f"{RUN_ID_PREFIX}{dag_id}__{key}",
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
    if is_new:
        outbox.hurry_on_commit([request.pk])
    return request


def request_publication(
    series: Series, *, key: str, reason: str, by: User | None, at: datetime
) -> DagRunRequest | None:
    """Ask for a forecast of `series` from `at`, or from where its data end; None where there is nothing to go by."""
    issue_time = issue_time_after(series, at=at)
    if issue_time is None:
        logger.warning(
            "No forecast of %s is asked for (%s): it has no load that is recent enough, or its champion was trained on "
            "what became known after the last of it.",
            series,
            reason,
        )
        return None
    return request_publication_of([series], issue_time=issue_time, key=key, reason=reason, by=by, at=at)


def request_publication_of(
    series: Sequence[Series], *, issue_time: datetime, key: str, reason: str, by: User | None, at: datetime
) -> DagRunRequest:
    """Ask for forecasts of these series from one issue time, as one run."""
    conf = {"series": [each.slug for each in series], "as_of": issue_time.isoformat()}
    alone = series[0] if len(series) == 1 else None
    return request_dag_run(PUBLISH, key=key, conf=conf, reason=reason, series=alone, by=by, at=at)


def require_unsent(request: DagRunRequest) -> None:
    """Raise AlreadySent unless Airflow still has to be asked."""
    if request.sent_at is not None:
        raise AlreadySent(f"Airflow has taken the run {request.run_id} already: look at it there.")


def retry_request(request: DagRunRequest, *, by: User, at: datetime) -> DagRunRequest:
    """Try an unsent request again now rather than when its wait is over; a try under way is left alone.

    Returns the request as stored. Raises NotPermitted, AlreadySent.
    """
    require(by, "pipeline.change_dagrunrequest", doing="retry what is asked of Airflow")
    with transaction.atomic():
        locked = DagRunRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
        require_unsent(locked)
        locked.next_attempt_at = at
        locked.save(update_fields=("next_attempt_at",))
        outbox.hurry_on_commit([locked.pk])
    return locked
