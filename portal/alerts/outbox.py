"""The outbox of mails: written in the transaction of the alerts they tell of, sent by `portal.core.outbox`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings

from portal.alerts.channels.email import EmailContent, send
from portal.alerts.models import Alert, AlertRule, OutboxMessage
from portal.alerts.queries import recipients
from portal.core.outbox import Outbox

logger = logging.getLogger(__name__)

_mails = Outbox(OutboxMessage, send=send, task="portal.alerts.tasks.send_outbox", what="mail")
claim, deliver, send_one, sweep = _mails.claim, _mails.deliver, _mails.send_one, _mails.sweep


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
    _mails.hurry_on_commit([message.pk for message in messages])
    return messages
