"""The outbox: what is to be sent is written down with the change that it tells of, then sent, then marked.

A worker claims an entry for the length of a lease, sends it, and marks it. If it dies in between, the lease runs out
and another worker sends the same again, under the same name: nothing is lost, and the receiver can tell the rare
duplicate. Celery only hurries: whatever it does not send at once, the sweep does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import uuid4

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from portal.core.models import OutboxEntry

logger = logging.getLogger(__name__)
Entry = TypeVar("Entry", bound=OutboxEntry)

LEASE = timedelta(minutes=2)
"""How long one try may take; longer than the timeouts of the connections."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=15)


class DeliveryFailed(Exception):
    """An entry was not taken.

    `server_reached` tells a refusal of this entry from a receiver that is down. `again_in` is when to try again, if not
    after the usual wait.
    """

    def __init__(self, reason: str, *, server_reached: bool, again_in: timedelta | None = None) -> None:
        super().__init__(reason)
        self.server_reached = server_reached
        self.again_in = again_in


def backoff(attempts: int) -> timedelta:
    """How long to wait after `attempts` tries: 30 s, 1 min, 2 min, … at most 15 min."""
    return min(FIRST_RETRY * 2 ** min(attempts - 1, 16), LONGEST_RETRY)


@dataclass(frozen=True)
class Outbox(Generic[Entry]):
    """The entries of one model and how they leave.

    `send` raises DeliveryFailed, or returns the fields in which to note what the receiver said. `task` is the dotted
    name of the Celery task that sends one entry by its primary key; `what` names an entry in logs.
    """

    model: type[Entry]
    send: Callable[[Entry], Mapping[str, Any]]
    task: str
    what: str

    def due(self, at: datetime) -> QuerySet[Entry]:
        """Unsent entries whose time has come and that no living try holds, longest due first."""
        return (
            self.model._default_manager.filter(sent_at=None, next_attempt_at__lte=at)
            .filter(Q(leased_until=None) | Q(leased_until__lte=at))
            .order_by("next_attempt_at", "pk")
        )

    def claim(self, *, at: datetime, only: int | None = None) -> Entry | None:
        """Take the entry that has been due longest at `at`, or just `only`, for one try; None if none can be taken."""
        chosen = Q() if only is None else Q(pk=only)
        with transaction.atomic():
            entry = self.due(at).filter(chosen).select_for_update(skip_locked=True).first()
            if entry is None:
                return None
            entry.claim = uuid4()
            entry.leased_until = at + LEASE
            entry.attempts += 1
            entry.save(update_fields=("claim", "leased_until", "attempts"))
            return entry

    def deliver(self, entry: Entry, *, clock: Callable[[], datetime]) -> bool:
        """Send a claimed entry and mark it; on failure note why and when to try again.

        Returns whether the receiver could be reached, so that a sweep knows whether to go on.
        """
        unsent = self.model._default_manager.filter(pk=entry.pk, sent_at=None)
        try:
            noted = self.send(entry)
        except DeliveryFailed as failure:
            # Another try may hold it by now, if this one outlived its lease: then it is not ours to reschedule.
            unsent.filter(claim=entry.claim).update(
                claim=None,
                leased_until=None,
                last_error=str(failure),
                next_attempt_at=clock() + (failure.again_in or backoff(entry.attempts)),
            )
            logger.warning("The %s %s was not sent, and will be tried again: %s", self.what, entry, failure)
            return failure.server_reached
        # Sent is sent, whoever holds the lease now.
        unsent.update(claim=None, leased_until=None, last_error="", sent_at=clock(), **noted)
        return True

    def send_one(self, pk: int, *, clock: Callable[[], datetime]) -> None:
        """Send one entry now, unless it was sent, is being sent, or is not due yet."""
        entry = self.claim(at=clock(), only=pk)
        if entry is not None:
            self.deliver(entry, clock=clock)

    def sweep(self, *, clock: Callable[[], datetime]) -> int:
        """Try every due entry once, or stop at the first that finds the receiver down. Returns the number of tries."""
        tries = 0
        while (entry := self.claim(at=clock())) is not None:
            tries += 1
            if not self.deliver(entry, clock=clock):
                break
        return tries

    def hurry_on_commit(self, pks: Sequence[int]) -> None:
        """Have Celery send the entries as soon as the transaction of what they tell of is committed."""
        transaction.on_commit(lambda: self._hurry(pks))

    def _hurry(self, pks: Sequence[int]) -> None:
        send_one = import_string(self.task)
        try:
            for pk in pks:
                send_one.apply_async((pk,), retry=False)
        except OperationalError as error:
            logger.warning("The broker is down, so the sweep sends the %s: %s", self.what, error)
