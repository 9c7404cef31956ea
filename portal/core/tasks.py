"""Core's periodic work. The clock is read here, at the edge."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.core import idempotency


@shared_task(ignore_result=True)
def forget_idempotency_keys() -> int:
    """Delete answers that nobody will ask for again."""
    return idempotency.forget_records(before=timezone.now() - idempotency.retention())
