"""What is written about ingest runs. Each function is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from portal.alerts.operations import evaluate_ingest_run
from portal.core.permissions import require
from portal.core.problems import Conflict
from portal.series.models import IngestRun, Source

COUNTS = ("received", "inserted", "corrected", "unchanged", "quarantined")
PROGRESS = (*COUNTS, "notes", "position")
_ASKED_FOR = ("as_of", "period_start", "period_end")


def begin_ingest(
    source: Source,
    *,
    airflow: Mapping[str, str],
    as_of: datetime,
    period_start: datetime | None,
    period_end: datetime | None,
    by: User,
    at: datetime,
) -> tuple[IngestRun, bool]:
    """Begin to read a source in a run of a DAG, or go on with it. Returns the ingest run and whether it is new.

    A known one that is running or failed goes on at its position: counts and notes are kept. One that is done, or has
    no position to go on at, begins anew, and the rows that it found bad before are not counted as seen. Several at once
    for one source queue, so that a run of a DAG never has two.

    Raises NotPermitted; Conflict where the known one has another `as_of` or period.
    """
    require(by, "series.add_ingestrun", doing="begin ingest runs")
    asked = {"as_of": as_of, "period_start": period_start, "period_end": period_end}
    with transaction.atomic():
        locked = Source.objects.select_for_update(no_key=True).get(pk=source.pk)
        run = IngestRun.objects.filter(source=locked, **airflow).select_for_update(no_key=True, of=("self",)).first()
        if run is None:
            run = IngestRun.objects.create(source=locked, **airflow, **asked, started_at=at, updated_at=at)
            return run, True
        _require_the_same(run, asked)
        if run.state == IngestRun.State.DONE or run.position is None:
            run.bad_rows.update(last_seen_in=None)
            for name in COUNTS:
                setattr(run, name, 0)
            run.position, run.notes, run.started_at = None, [], at
        run.state, run.error, run.updated_at = IngestRun.State.RUNNING, "", at
        run.save()
    return run, False


def advance_ingest(run: IngestRun, *, changes: Mapping[str, Any], by: User, at: datetime) -> IngestRun:
    """Note how far a running ingest is (`PROGRESS`), or that it is done or failed (`state`, with an `error`).

    The end of a run is seen by the alert rules. Saying again how a run ended, since an answer was lost say, changes
    nothing. Raises NotPermitted; Conflict where the run is over already, and otherwise.
    """
    require(by, "series.change_ingestrun", doing="report the progress of ingest runs")
    with transaction.atomic():
        locked = IngestRun.objects.select_for_update(no_key=True, of=("self",)).select_related("source").get(pk=run.pk)
        if locked.state != IngestRun.State.RUNNING:
            if changes.get("state") == locked.state and all(getattr(locked, name) == changes[name] for name in changes):
                return locked
            raise Conflict(f"The ingest run {locked.pk} of {locked.source} is {locked.state}; begin it again first.")
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.updated_at = at
        locked.save()
        if locked.state != IngestRun.State.RUNNING:
            evaluate_ingest_run(locked, at=at)
    return locked


def give_up_ingest(run: IngestRun, *, error: str, at: datetime) -> None:
    """Mark a running ingest as failed, since nobody will go on with it. Its alert fires as of any other failure.

    For operations that have asked for their permission, within their transaction and with the row locked.
    """
    run.state, run.error, run.updated_at = IngestRun.State.FAILED, error, at
    run.save(update_fields=("state", "error", "updated_at"))
    evaluate_ingest_run(run, at=at)


def _require_the_same(run: IngestRun, asked: Mapping[str, Any]) -> None:
    other = [name for name in _ASKED_FOR if getattr(run, name) != asked[name]]
    if other:
        known = ", ".join(f"{name} {_shown(getattr(run, name))}" for name in other)
        raise Conflict(
            f"The run {run.run_id} of {run.dag_id} has read {run.source} with {known}; "
            "another reading needs a run of its own."
        )


def _shown(time: datetime | None) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else "open"
