"""Celery's part in asking Airflow. The clock is read here, at the edge."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.pipeline import airflow


@shared_task(ignore_result=True)
def send_dag_run_request(pk: int) -> None:
    """Ask Airflow for one run now, unless it was asked or is being asked."""
    airflow.outbox.send_one(pk, clock=timezone.now)


@shared_task(ignore_result=True)
def sweep_dag_run_requests() -> int:
    """Each minute: ask for whatever is due, after an outage of the broker, of Airflow or of a worker."""
    return airflow.outbox.sweep(clock=timezone.now)
