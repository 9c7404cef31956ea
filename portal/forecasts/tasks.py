"""The ledger's periodic work. The clock is read here, at the edge."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.forecasts.deadlines import operations as deadlines
from portal.forecasts.deadlines.ahead import ask_ahead


@shared_task(ignore_result=True)
def ask_ahead_of_deadlines() -> int:
    """Each minute: ask Airflow for the forecasts whose deadlines are near."""
    return len(ask_ahead(at=timezone.now()))


@shared_task(ignore_result=True)
def guard_deadlines() -> int:
    """Each minute: see to the deadlines whose guard time has come, whatever has become of Airflow."""
    return len(deadlines.guard_deadlines(at=timezone.now()))
