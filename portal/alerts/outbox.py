"""The outbox: mails are written down with the change they tell of, then sent, then marked.

A worker claims a message for the length of a lease, sends it, and marks it. If it dies in between, the lease runs out
and another worker sends the same content with the same Message-ID: nothing is lost, and a mail reader can tell the rare
duplicate. Celery only hurries: whatever it does not send at once, the sweep does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from portal.alerts.channels.email import DeliveryFailed, EmailContent, send
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.alerts.queries import recipients

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""How long one try may take; longer than the timeout of the SMTP connection."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=15)


def enqueue(
    rule: AlertRule, content: EmailContent, *, alerts: Sequence[Alert], kind: OutboxMessage.Kind, at: datetime
) -> list[OutboxMessage]:
    """Write one mail per recipient of `rule` about what became of `alerts`. To be called in their transaction."""
    to = recipients(rule)
    if not to:
        logger.warning("Nobody to mail %r: the rule %r has no recipient with an address.", content.subject, rule.name)
        return []
    domain = urlsplit(settings.PORTAL_PUBLIC_URL).hostname or "gridcast.invalid"
    first_mails = dict(
        OutboxMessage.objects.filter(alerts__in=alerts, kind=OutboxMessage.Kind.FIRED)
        .order_by("-pk")
        .values_list("recipient", "message_id")
    )
    messages = [
        OutboxMessage(
            message_id=f"<{uuid4()}@{domain}>",
            kind=kind,
            rule=rule,
            recipient=address,
            subject=content.subject,
            text=content.text,
            html=content.html,
            in_reply_to=first_mails.get(address, ""),
            enqueued_at=at,
            next_attempt_at=at,
        )
        for address in to
    ]
    OutboxMessage.objects.bulk_create(messages)
    through = OutboxMessage.alerts.through
    through.objects.bulk_create(
        through(outboxmessage_id=message.pk, alert_id=alert.pk) for message in messages for alert in alerts
    )
    transaction.on_commit(lambda: _hurry([message.pk for message in messages]))
    return messages


def backoff(attempts: int) -> timedelta:
    """How long to wait after `attempts` tries: 30 s, 1 min, 2 min, … at most 15 min."""
    return min(FIRST_RETRY * 2 ** min(attempts - 1, 16), LONGEST_RETRY)


def claim(*, at: datetime, only: int | None = None) -> OutboxMessage | None:
    """Take the message that has been due longest at `at`, or just `only`, for one try; None if none can be taken."""
    with transaction.atomic():
        message = due(at).filter(**({} if only is None else {"pk": only})).select_for_update(skip_locked=True).first()
        if message is None:
            return None
        message.claim = uuid4()
        message.leased_until = at + LEASE
        message.attempts += 1
        message.save(update_fields=("claim", "leased_until", "attempts"))
        return message


def due(at: datetime) -> QuerySet[OutboxMessage]:
    """Unsent messages whose time has come and that no living try holds, longest due first."""
    return (
        OutboxMessage.objects.filter(sent_at=None, next_attempt_at__lte=at)
        .filter(Q(leased_until=None) | Q(leased_until__lte=at))
        .order_by("next_attempt_at", "pk")
    )


def deliver(message: OutboxMessage, *, clock: Callable[[], datetime]) -> bool:
    """Send a claimed message and mark it; on failure note why and when to try again.

    Returns whether the mail server could be reached, so that a sweep knows whether to go on.
    """
    try:
        send(message)
    except DeliveryFailed as failure:
        # Another try may hold the message by now, if this one outlived its lease: then it is not ours to reschedule.
        OutboxMessage.objects.filter(pk=message.pk, claim=message.claim, sent_at=None).update(
            claim=None,
            leased_until=None,
            last_error=str(failure),
            next_attempt_at=clock() + backoff(message.attempts),
        )
        logger.warning("Mail %s to %s not sent, to be tried again: %s", message.message_id, message.recipient, failure)
        return failure.server_reached
    # Sent is sent, whoever holds the lease now.
    OutboxMessage.objects.filter(pk=message.pk, sent_at=None).update(
        claim=None, leased_until=None, last_error="", sent_at=clock()
    )
    return True


def sweep(*, clock: Callable[[], datetime]) -> int:
    """Try every due message once, or stop at the first that finds the mail server down. Returns the number of tries."""
    tries = 0
    while (message := claim(at=clock())) is not None:
        tries += 1
        if not deliver(message, clock=clock):
            break
    return tries


def _hurry(pks: Sequence[int]) -> None:
    from kombu.exceptions import OperationalError

    from portal.alerts.tasks import send_outbox

    try:
        for pk in pks:
            send_outbox.apply_async((pk,), retry=False)
    except OperationalError as error:
        logger.warning("The broker is down, so the sweep sends the mail: %s", error)
