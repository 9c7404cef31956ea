"""What happens to bad rows: kept as they came, then resolved once, by reading the source again or by a person.

Every function is one transaction. A row is locked before it is resolved, so of two people at once one is told what the
other did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from portal.core.negotiation import dumps
from portal.core.permissions import require
from portal.series.models import IngestRun, QuarantinedRow, Source
from portal.series.quarantine.readings import (
    Reading,
    as_body,
    fed_series,
    gives_forecasts,
    kept_values,
    readings_of,
)
from portal.series.recording import store_observations, store_weather_forecasts

Status = QuarantinedRow.Status
CHANGE = "series.change_quarantinedrow"
_HAPPENED = {
    Status.CORRECTED: "was corrected",
    Status.REPLAYED: "was accepted as it came",
    Status.PASSED: "passed when the source was read again",
    Status.DISMISSED: "was dismissed",
}


class QuarantineError(Exception):
    """An operation on a bad row that was refused; the message says why and is fit to be shown."""


class OfAnotherSource(QuarantineError):
    """The run that is named read another source."""


class AlreadyResolved(QuarantineError):
    """Nothing is left to do about the row: somebody was there first."""


class ReasonMissing(QuarantineError):
    """A decision without a reason."""


class NothingToRecord(QuarantineError):
    """No values, or the row's own cannot all be read."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Which of the readings breaks a rule, counted from 0, and in which part of it."""

    index: int
    field: str
    rule: str
    message: str


class ReadingsRefused(QuarantineError):
    """Readings break a rule, so that none of them was stored."""

    def __init__(self, faults: Sequence[Fault], *, of: Sequence[Reading]) -> None:
        super().__init__("; ".join(f"{fault.message} ({fault.rule})" for fault in faults))
        self.faults, self.of = list(faults), list(of)


def quarantine_rows(
    source: Source, *, file: str, rows: Sequence[dict[str, Any]], by: User, run: IngestRun | None = None
) -> tuple[int, int]:
    """Keep bad rows of a source as they came, ``{row, raw, rule, message, values?}`` each; none is kept twice.

    A row that is known is marked as seen in `run`. If it is open, its wording and readings become the newest; if it had
    passed, it is open again; if a person resolved it, it stays so.

    Returns how many are new and how many were kept already. Raises NotPermitted, OfAnotherSource.
    """
    require(by, "series.add_quarantinedrow", doing="quarantine rows")
    _require_run_of(source, run)
    sent = {row.fingerprint: row for row in (_row_of(source, file, facts, run) for facts in rows)}
    with transaction.atomic():
        _lock(source)
        known = QuarantinedRow.objects.filter(source=source, fingerprint__in=sent)
        if run is not None:
            known.update(last_seen_in=run)
        known.filter(status=Status.PASSED).update(status=Status.OPEN, resolved_at=None, resolved_by=None, reason="")
        kept = list(known.only("pk", "fingerprint", "status", "message", "values").select_for_update(no_key=True))
        reworded = []
        for row in kept:
            newest = sent.pop(row.fingerprint)
            if row.status == Status.OPEN and (row.message, row.values) != (newest.message, newest.values):
                row.message, row.values = newest.message, newest.values
                reworded.append(row)
        QuarantinedRow.objects.bulk_update(reworded, ("message", "values"), batch_size=1000)
        QuarantinedRow.objects.bulk_create(sent.values(), batch_size=1000)
    return len(sent), len(rows) - len(sent)


def settle_file(source: Source, *, file: str, run: IngestRun, by: User, at: datetime) -> int:
    """Once `run` has read all of a file: its open rows that this run did not find bad have passed; returns how many.

    Raises NotPermitted, OfAnotherSource.
    """
    require(by, "series.add_quarantinedrow", doing="settle quarantined rows")
    _require_run_of(source, run)
    with transaction.atomic():
        _lock(source)
        rows = QuarantinedRow.objects.filter(source=source, file=file, status=Status.OPEN)
        return rows.exclude(last_seen_in=run).update(status=Status.PASSED, resolved_at=at, resolved_by=by)


def correct_row(
    row: QuarantinedRow, *, values: Sequence[Reading], reason: str, by: User, at: datetime
) -> QuarantinedRow:
    """Record what the row should have said, known from `at` on: what was known before stays. All values or none.

    Returns the row as stored. Raises NotPermitted, ReasonMissing, NothingToRecord, AlreadyResolved, ReadingsRefused.
    """
    require(by, CHANGE, doing="correct quarantined rows")
    reason = _stated(reason)
    with transaction.atomic():
        locked = _lock_open(row)
        if not values:
            raise NothingToRecord(
                "A correction needs at least one value; a row that says nothing of use can be dismissed."
            )
        return _resolve(locked, Status.CORRECTED, reason=reason, recorded=_record(locked, values, at), by=by, at=at)


def replay_row(row: QuarantinedRow, *, by: User, at: datetime, reason: str = "") -> QuarantinedRow:
    """Accept the row's own values as they came, known from `at` on: for a row whose rule does not hold any more.

    Returns the row as stored. Raises NotPermitted, NothingToRecord, AlreadyResolved, ReadingsRefused.
    """
    require(by, CHANGE, doing="replay quarantined rows")
    with transaction.atomic():
        locked = _lock_open(row)
        readings = readings_of(locked)
        if not readings:
            raise NothingToRecord(
                f"{locked}: not all of its values could be read. Change the source's options and read it again, or "
                "correct the row."
            )
        recorded = _record(locked, readings, at)
        return _resolve(locked, Status.REPLAYED, reason=reason.strip(), recorded=recorded, by=by, at=at)


def dismiss_row(row: QuarantinedRow, *, reason: str, by: User, at: datetime) -> QuarantinedRow:
    """Leave the row out for good: read again, it stays dismissed.

    Returns the row as stored. Raises NotPermitted, ReasonMissing, AlreadyResolved.
    """
    require(by, CHANGE, doing="dismiss quarantined rows")
    reason = _stated(reason)
    with transaction.atomic():
        return _resolve(_lock_open(row), Status.DISMISSED, reason=reason, recorded=[], by=by, at=at)


def require_open(row: QuarantinedRow) -> None:
    """Raise AlreadyResolved, with who did what, unless something is left to do about `row`."""
    if row.status == Status.OPEN:
        return
    said = f"{row} {_HAPPENED[Status(row.status)]}, by {row.resolved_by} at {row.resolved_at:%Y-%m-%d %H:%M} UTC"
    raise AlreadyResolved(f"{said}: {row.reason}" if row.reason else f"{said}.")


def _row_of(source: Source, file: str, facts: dict[str, Any], run: IngestRun | None) -> QuarantinedRow:
    raw = dumps(facts["raw"]).decode()
    return QuarantinedRow(
        source=source,
        file=file,
        row=facts["row"],
        rule=facts["rule"],
        raw=raw,
        message=facts["message"],
        values=kept_values(facts.get("values", ())),
        last_seen_in=run,
        fingerprint=hashlib.sha256(dumps([file, facts["row"], facts["rule"], raw])).hexdigest(),
    )


def _require_run_of(source: Source, run: IngestRun | None) -> None:
    if run is not None and run.source_id != source.pk:
        raise OfAnotherSource(f"The ingest run {run.pk} read {run.source}, not {source}.")


def _lock(source: Source) -> None:
    """NO KEY: rows that merely refer to the source need not wait."""
    Source.objects.select_for_update(no_key=True).get(pk=source.pk)


def _lock_open(row: QuarantinedRow) -> QuarantinedRow:
    # The row alone: after a wait, what is joined would still be that of before.
    locked = QuarantinedRow.objects.select_for_update(no_key=True).get(pk=row.pk)
    require_open(locked)
    return locked


def _stated(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise ReasonMissing("A decision needs a reason: say in a sentence what it rests on.")
    return reason


def _record(row: QuarantinedRow, readings: Sequence[Reading], at: datetime) -> list[dict[str, Any]]:
    """Store readings under the rules of the bulk endpoints. Raises ReadingsRefused."""
    fed, forecasts = set(fed_series(row.source)), gives_forecasts(row.source)
    faults = []
    for index, reading in enumerate(readings):
        if reading.series not in fed:
            message = f"{row.source} does not feed a series {reading.series!r}."
            faults.append(Fault(index=index, field="series", rule="not_fed", message=message))
        elif forecasts != (reading.issue_time is not None):
            what = "weather forecasts: give the issue time" if forecasts else "observations: there is no issue time"
            message = f"{row.source} gives {what}."
            faults.append(Fault(index=index, field="issue_time", rule="issue_time", message=message))
    if not faults:
        body = as_body(readings, known_at=at, forecasts=forecasts)
        if not body.faults.found:
            if forecasts:
                store_weather_forecasts(body)
            else:
                store_observations(body, recorded_at=at)
        faults = [
            Fault(index=index, field=field, rule=rule, message=message)
            for index, (field, rule, message) in sorted(body.faults.found.items())
        ]
    if faults:
        raise ReadingsRefused(faults, of=readings)
    return [reading.as_json() for reading in readings]


def _resolve(
    row: QuarantinedRow,
    status: QuarantinedRow.Status,
    *,
    reason: str,
    recorded: list[dict[str, Any]],
    by: User,
    at: datetime,
) -> QuarantinedRow:
    row.status, row.reason, row.recorded = status, reason, recorded
    row.resolved_by, row.resolved_at = by, at
    row.save(update_fields=("status", "reason", "recorded", "resolved_by", "resolved_at"))
    return row
