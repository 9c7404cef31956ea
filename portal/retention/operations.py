"""What changes rules, and what deletes. A batch is one transaction: a run that is cut short loses a batch at most.

The database lets nothing of the record be deleted but in a transaction that says `gridcast.retention` (migration 0002).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Max, Min, QuerySet, Sum

from portal.core.permissions import require
from portal.quality.models import CheckRun
from portal.quality.storage import ReportStorage
from portal.retention.kinds import PIPELINE_KINDS, POLICIES, Kind
from portal.retention.models import RetentionOutcome, RetentionRule, RetentionRun
from portal.retention.records import RECORDS, Records, stale_ingests
from portal.series.ingests.operations import give_up_ingest

CLOCKS_DIFFER = timedelta(minutes=5)
DRY_RUN_HOLDS_FOR = timedelta(hours=24)
REPORTED = ("found", "total", "deleted", "bytes", "oldest", "newest", "held", "finished", "examples")


class RetentionError(Exception):
    """An operation of the retention that was refused; the message says why and is fit to be shown."""


class NotYet(RetentionError):
    """The time to work for is yet to come."""


class NothingToDelete(RetentionError):
    """A dry run, or an outcome that is not the pipeline's."""


class DryRunOutdated(RetentionError):
    """What a dry run showed is not what would be deleted now: it is too old, or the rules have changed since."""


def ensure_rules() -> list[RetentionRule]:
    """A rule per kind, each made with its defaults where none exists yet."""
    return [
        RetentionRule.objects.get_or_create(
            kind=kind, defaults={"keep_days": policy.days, "enabled": policy.days is not None}
        )[0]
        for kind, policy in POLICIES.items()
    ]


def change_rule(rule: RetentionRule, *, by: User, changes: Mapping[str, Any]) -> RetentionRule:
    """Change `keep_days` or `enabled`; who did it stays in the rule's history.

    Raises NotPermitted; ValidationError for fewer days than the kind allows, or an enabled rule without any.
    """
    require(by, "retention.change_retentionrule", doing="change retention rules")
    with transaction.atomic():
        locked = RetentionRule.objects.select_for_update(no_key=True).get(pk=rule.pk)
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.full_clean(exclude=("kind",))
        locked._history_user = by  # type: ignore[attr-defined]  # where simple_history looks for it
        locked.save()
    return locked


def begin_run(
    *,
    as_of: datetime,
    dry_run: bool,
    by: User,
    at: datetime,
    confirmed: bool = False,
    shown: RetentionRun | None = None,
    airflow: Mapping[str, str],
) -> RetentionRun:
    """Count what the enabled rules find as of a time. Nothing is deleted yet; a dry run is done with that.

    A rule that would take more than half of all its records is held unless `confirmed`. `shown` is the dry run that
    somebody decided on: its rules must be those of now, and `confirmed` is said of what it held only.

    Raises NotPermitted; NotYet where `as_of` lies after `at`; DryRunOutdated.
    """
    require(by, "retention.add_retentionrun", doing="run the retention")
    if as_of > at + CLOCKS_DIFFER:
        raise NotYet(f"as_of is {as_of.isoformat()}, and it is {at.isoformat()}: that is yet to come.")
    with transaction.atomic():
        run = RetentionRun.objects.create(
            as_of=as_of,
            dry_run=dry_run,
            confirmed=confirmed,
            by=by,
            airflow=dict(airflow),
            started_at=at,
            **({"state": RetentionRun.State.DONE, "finished_at": at} if dry_run else {}),
        )
        days = _enabled_rules()
        held = None
        if shown is not None:
            _require_as_shown(shown, days, at=at)
            held = {outcome.kind for outcome in shown.outcomes.all() if outcome.held}
        for kind in (kind for kind in POLICIES if kind in days):
            cutoff = as_of - timedelta(days=days[kind])
            outcome = RetentionOutcome(run=run, kind=kind, keep_days=days[kind], cutoff=cutoff)
            _count(outcome, kind, confirmed=confirmed and (held is None or kind in held))
            outcome.save()
    return run


def require_as_shown(shown: RetentionRun, *, at: datetime) -> None:
    """Raise DryRunOutdated unless a dry run is of the last 24 hours, and by the rules of now."""
    _require_as_shown(shown, _enabled_rules(), at=at)


def advance_run(run: RetentionRun, *, by: User, at: datetime, seconds: float) -> RetentionRun:
    """Delete what a run has found, batch after batch, for so many seconds and at least one batch.

    The run as it is then comes back: *running* while something is left, and calling this again goes on. Two at once
    take turns. Raises NotPermitted; NothingToDelete for a dry run.
    """
    require(by, "retention.add_retentionrun", doing="run the retention")
    if run.dry_run:
        raise NothingToDelete("A dry run deletes nothing.")
    end = time.monotonic() + seconds
    left = run.outcomes.filter(held=False, finished=False).exclude(kind__in=PIPELINE_KINDS).order_by("pk")
    for outcome in list(left):
        while _batch(outcome, at=at):
            if time.monotonic() > end:
                return _fresh(run)
    RetentionRun.objects.filter(pk=run.pk, finished_at=None).update(state=RetentionRun.State.DONE, finished_at=at)
    return _fresh(run)


def report_outcomes(run: RetentionRun, *, outcomes: Sequence[Mapping[str, Any]], by: User) -> RetentionRun:
    """Note what the pipeline found, and deleted, of what only it reaches. The same again changes nothing.

    Raises NotPermitted; NothingToDelete where the run has no such outcome, or a dry one would have deleted something.
    """
    require(by, "retention.change_retentionrun", doing="report on a run of the retention")
    with transaction.atomic():
        theirs = {
            each.kind: each for each in run.outcomes.select_for_update(no_key=True) if each.kind in PIPELINE_KINDS
        }
        for facts in outcomes:
            outcome = theirs.get(facts["kind"])
            if outcome is None:
                raise NothingToDelete(f"The run {run.pk} has no rule about {facts['kind']} that the pipeline follows.")
            if run.dry_run and facts.get("deleted"):
                raise NothingToDelete("A dry run deletes nothing.")
            for name in REPORTED:
                if name in facts:
                    setattr(outcome, name, facts[name])
            outcome.save()
    return _fresh(run)


def _enabled_rules() -> dict[str, int]:
    rules = RetentionRule.objects.filter(enabled=True).values_list("kind", "keep_days")
    return {kind: keep for kind, keep in rules if keep is not None}


def _require_as_shown(shown: RetentionRun, days: Mapping[str, int], *, at: datetime) -> None:
    if at - shown.started_at > DRY_RUN_HOLDS_FOR:
        raise DryRunOutdated(
            f"This dry run is of {shown.started_at:%Y-%m-%d %H:%M}Z, more than a day ago. Nothing is deleted: make a "
            "new one."
        )
    then = {outcome.kind: outcome.keep_days for outcome in shown.outcomes.all()}
    changed = [str(Kind(kind).label) for kind in POLICIES if then.get(kind) != days.get(kind)]
    if changed:
        raise DryRunOutdated(
            f"The rules have changed since this dry run: {', '.join(changed)}. Nothing is deleted: make a new one."
        )


def _fresh(run: RetentionRun) -> RetentionRun:
    return RetentionRun.objects.select_related("by").get(pk=run.pk)


def _count(outcome: RetentionOutcome, kind: Kind, *, confirmed: bool) -> None:
    if kind in PIPELINE_KINDS:
        return
    due, time_field = _due(kind, outcome.cutoff)
    span = due.order_by().aggregate(found=Count("*"), oldest=Min(time_field), newest=Max(time_field))
    outcome.found, outcome.oldest, outcome.newest = span["found"], span["oldest"], span["newest"]
    outcome.total = due.model._default_manager.count()
    outcome.held = POLICIES[kind].braked and not confirmed and outcome.found * 2 > outcome.total
    if kind in RECORDS and RECORDS[kind].files:
        outcome.bytes = due.aggregate(bytes=Sum(RECORDS[kind].files))["bytes"] or 0


def _due(kind: Kind, cutoff: datetime) -> tuple[QuerySet[Any], str]:
    """What is due, and the field with its time."""
    if kind == Kind.STALE_INGESTS:
        return stale_ingests(cutoff), "updated_at"
    return RECORDS[kind].due(cutoff), RECORDS[kind].time


def _batch(outcome: RetentionOutcome, *, at: datetime) -> bool:
    """Delete one batch; False once nothing is left."""
    kind = Kind(outcome.kind)
    with transaction.atomic():
        locked = RetentionOutcome.objects.select_for_update(no_key=True).get(pk=outcome.pk)
        if locked.finished:
            return False
        done = _give_up(locked, at=at) if kind == Kind.STALE_INGESTS else _delete_some(RECORDS[kind], locked.cutoff)
        locked.deleted += done
        locked.finished = done == 0
        locked.save(update_fields=("deleted", "finished"))
    if locked.finished and kind == Kind.CHECK_RUNS:
        _remove_reports_of_no_run()
    return done > 0


def _delete_some(records: Records, cutoff: datetime) -> int:
    # What another transaction holds, such as a score that is being stored, is left for the next run.
    due = records.deletable(cutoff).select_for_update(skip_locked=True, of=("self",))
    keys = list(due.values_list("pk", flat=True)[: records.batch])
    if keys:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('gridcast.retention', 'on', true)")
            # Records first: the foreign keys are looked at when all of it is gone, so no part is forgotten.
            for model, column in ((records.model, "id"), *records.parts):
                cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE {column} = ANY(%s)", (keys,))  # noqa: S608  # our own names
            cursor.execute("SELECT set_config('gridcast.retention', '', true)")
    return len(keys)


def _give_up(outcome: RetentionOutcome, *, at: datetime) -> int:
    # One per transaction: each locks its alerts, and the locks of several would be taken in an order of their own.
    runs = stale_ingests(outcome.cutoff).select_for_update(skip_locked=True, no_key=True, of=("self",))
    run = runs.select_related("source").first()
    if run is None:
        return 0
    give_up_ingest(
        run,
        error=f"Nothing was heard of this reading since {run.updated_at:%Y-%m-%d %H:%M}Z: its worker is gone. "
        "Clear the task in Airflow, or read the source again.",
        at=at,
    )
    return 1


def _remove_reports_of_no_run() -> None:
    """Folders of reports whose check run is deleted, now or by a run that was cut short."""
    storage = ReportStorage()
    if not storage.exists("checks"):
        return
    folders = [name for name in storage.listdir("checks")[0] if name.isdecimal()]
    there = set(CheckRun.objects.filter(pk__in=[int(name) for name in folders]).values_list("pk", flat=True))
    for name in folders:
        if int(name) not in there:
            shutil.rmtree(Path(storage.path(f"checks/{name}")), ignore_errors=True)
