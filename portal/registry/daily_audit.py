"""The audit that the portal makes by itself: it is kept, logged, and alerts when the record of decisions is broken."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from datetime import datetime

from django.db import transaction

from portal.alerts.models import Alert
from portal.alerts.operations import evaluate_decisions
from portal.core.locks import queue_at
from portal.registry.audit import Audit, Fault, Head, audit
from portal.registry.models import AuditOutcome
from portal.registry.queries import last_sound_audit
from portal.series.models import Series

_log = logging.getLogger(__name__)

AUDIT_LOCK = 0x617564
"""Key of the advisory lock at which audits queue."""
_TOLD = 20
"""Faults of a series that an alert and its mail tell of; the outcome has all of them."""


def record_audit(*, at: datetime) -> AuditOutcome:
    """Audit the decisions, keep what was found, and let the alert rules see it.

    They are also held against the head of the last sound outcome, so what was removed or rewritten since is found. Of
    an audit that cannot be done, just that is kept, and it alerts: nobody knows then. Alerts resolve once the whole
    record is sound, as nothing can be said about what follows a break. Audits at the same time queue.
    """
    with transaction.atomic():
        queue_at(AUDIT_LOCK)
        sound_before = last_sound_audit()
        found = _audited(sound_before)
        if isinstance(found, Audit):
            faults = found.faults
            outcome = AuditOutcome.objects.create(
                at=at,
                decision_count=found.decisions,
                model_count=found.models,
                head_number=found.head.number,
                head_sha256=found.head.sha256,
                faults=[fault.text for fault in faults],
            )
        else:
            faults = [found]
            outcome = AuditOutcome.objects.create(at=at, faults=[found.text])
        # What leaves the machine with the logs is a head that nobody can rewrite in the database.
        _log.log(
            logging.INFO if outcome.sound else logging.ERROR,
            "Audit of the decisions: %s, head %s: %s",
            "sound" if outcome.sound else "broken",
            outcome.head or "unknown",
            outcome.told.replace("\n", "; "),
        )
        if outcome.sound:
            _resolve(outcome)
        else:
            _fire(faults, outcome, sound_before)
    return outcome


def _audited(sound_before: AuditOutcome | None) -> Audit | Fault:
    noted = None
    if sound_before is not None and sound_before.head_number is not None:
        noted = Head(number=sound_before.head_number, sha256=sound_before.head_sha256)
    try:
        with transaction.atomic():
            return audit(noted)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not pass for sound
        # For one: a time that PostgreSQL holds and Python does not, as no decision of the portal has.
        _log.exception("The audit of the decisions could not be done")
        return Fault(text=f"the audit could not be done: {type(error).__name__}: {' '.join(str(error).split())}")


def _fire(faults: list[Fault], outcome: AuditOutcome, sound_before: AuditOutcome | None) -> None:
    about = defaultdict(list)
    for fault in faults:
        about[fault.series].append(fault.text)
    series = Series.objects.in_bulk(about.keys() - {None})
    before = (
        f"The record was last found sound at {sound_before.at:%Y-%m-%d %H:%M}Z, with head {sound_before.head}"
        if sound_before
        else "No earlier audit has found the record sound."
    )
    for pk, texts in about.items():
        more = [f"and {len(texts) - _TOLD} more, which the audit lists"] if len(texts) > _TOLD else []
        evaluate_decisions(
            series.get(pk),
            failing=True,
            message="\n".join([*texts[:_TOLD], *more, "", before]),
            at=outcome.at,
            # Whoever looks after one break is told of the next.
            occasion=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        )


def _resolve(outcome: AuditOutcome) -> None:
    open_alerts = Alert.objects.filter(engine=Alert.AUDIT, first_run=None).exclude(state=Alert.State.RESOLVED)
    # Several rules may have one open about the same series.
    for alert in open_alerts.select_related("series").order_by("series_id").distinct("series_id"):
        evaluate_decisions(alert.series, failing=False, message=f"{outcome.told} (head {outcome.head})", at=outcome.at)
