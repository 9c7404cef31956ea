"""The registry's periodic work. The clock is read here, at the edge."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.registry.daily_audit import record_audit


@shared_task(ignore_result=True)
def audit_decisions() -> bool:
    """Each day: whether the decisions about models are what was recorded."""
    return record_audit(at=timezone.now()).sound
