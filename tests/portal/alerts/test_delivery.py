"""Delivery by a real Celery worker, and what happens when the worker or the broker dies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from portal.alerts import outbox
from portal.alerts.models import AlertRule, OutboxMessage
from portal.alerts.tasks import sweep_outbox
from portal.config.celery import app
from portal.core.outbox import LEASE
from portal.quality.models import CheckRun
from tests.portal_environment import portal_environment

if TYPE_CHECKING:
    from tests.portal.alerts.conftest import MailServer

pytestmark = pytest.mark.django_db(transaction=True)
Check = Callable[..., CheckRun]

RECORD_A_FAILED_RUN = """
import datetime, django, logging
django.setup()
logging.basicConfig()
from django.contrib.auth.models import User
from portal.quality.operations import Finding, record_check_run
from portal.series.models import Series
now = datetime.datetime(2014, 10, 10, 14, tzinfo=datetime.UTC)
record_check_run(
    Series.objects.get(), stage="data", period_start=now - datetime.timedelta(days=7), period_end=now, as_of=now,
    findings=[Finding(engine="builtin", name="missing_share", status="failed", severity="fatal")],
    airflow={}, by=User.objects.get(username="pipeline"), at=now,
)
"""


@pytest.fixture
def worker(mail_server: MailServer, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker of the portal in a process of its own; ready when it says so."""
    app.control.purge()  # what other tests asked of a worker that was not there
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "portal.config.celery", "worker", "--pool=solo", "--without-mingle",
             "--without-gossip", "--loglevel=INFO"],
            env=portal_environment(EMAIL_URL=f"smtp://127.0.0.1:{mail_server.port}"),
            stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until(lambda: " ready." in log.read_text() or process.poll() is not None)
        assert process.poll() is None, f"The worker did not start:\n{log.read_text()}"
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], object], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_worker_mails_a_failed_check_within_seconds_and_is_replaceable_while_it_sends(
    check: Check, rule: AlertRule, mail_server: MailServer, worker: subprocess.Popen[bytes]
) -> None:
    """First a mail that goes well; then the worker is killed in the middle of the next, which another try delivers."""
    check("failed")
    wait_until(lambda: OutboxMessage.objects.get().sent_at)
    assert [mail["To"] for mail in mail_server.received] == ["olga@example.org"]

    mail_server.hold()
    check("failed", name="flat_line")
    wait_until(lambda: mail_server.tries == 2)
    worker.kill()
    worker.wait()
    mail_server.release()
    interrupted = OutboxMessage.objects.get(sent_at=None)
    assert interrupted.claim is not None

    assert outbox.sweep(clock=timezone.now) == 0, "the lease still holds"
    later = timezone.now() + LEASE
    assert outbox.sweep(clock=lambda: later) == 1
    interrupted.refresh_from_db()
    assert (interrupted.sent_at, interrupted.attempts) == (later, 2)
    assert {mail["Message-ID"] for mail in mail_server.received[1:]} == {interrupted.message_id}


def test_with_the_broker_down_the_run_is_recorded_at_once_and_the_sweep_delivers(
    rule: AlertRule, series: object, pipeline: User, mail_server: MailServer, unused_port: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RECORD_A_FAILED_RUN],
        env=portal_environment(REDIS_URL=f"redis://127.0.0.1:{unused_port}/0"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "The broker is down, so the sweep sends the mail" in done.stderr
    assert OutboxMessage.objects.get().sent_at is None

    assert sweep_outbox() == 1
    assert OutboxMessage.objects.get().sent_at is not None
    assert len(mail_server.received) == 1


def test_a_backlog_after_an_outage_is_delivered_by_one_sweep(
    check: Check, rule: AlertRule, mail_server: MailServer
) -> None:
    mail_server.stop()
    check("failed")
    now = timezone.now()
    outbox.sweep(clock=lambda: now)
    check("failed", name="flat_line", as_of=now)
    mail_server.start()
    assert outbox.sweep(clock=lambda: now + timedelta(minutes=20)) == 2
    assert not OutboxMessage.objects.filter(sent_at=None).exists()
