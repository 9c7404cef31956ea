"""Celery's part in the outbox. The clock is read here, at the edge."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.alerts import outbox


@shared_task(ignore_result=True)
def send_outbox(pk: int) -> None:
    """Send one message now, unless it was sent or is being sent."""
    outbox.send_one(pk, clock=timezone.now)


@shared_task(ignore_result=True)
def sweep_outbox() -> int:
    """Each minute: send whatever is due, after an outage of the broker, of the mail server or of a worker."""
    return outbox.sweep(clock=timezone.now)
