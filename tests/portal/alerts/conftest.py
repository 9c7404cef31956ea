"""A real SMTP server to send to, operators to mail, and check runs to be alarmed by."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.contrib.auth.models import User
from pytest_django import Settings

from portal.alerts.models import AlertRule
from portal.alerts.operations import ensure_default_rules
from portal.quality.models import CheckRun
from portal.quality.operations import Finding, record_check_run
from portal.series.models import Series
from stack.ports import Ports

AT = datetime(2014, 10, 10, 14, tzinfo=UTC)


@dataclass
class MailServer:
    """An SMTP server in this process that can be stopped, started again, or told to refuse."""

    port: int
    refusal: str | None = None
    received: list[EmailMessage] = field(default_factory=list)
    tries: int = 0
    _controller: Controller | None = None

    _released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._released.set()

    def hold(self) -> None:
        """Keep who sends a mail waiting for the answer."""
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.tries += 1
        await asyncio.to_thread(self._released.wait)
        if self.refusal:
            return self.refusal
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=60)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port where nobody listens, held so that nobody begins to."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield int(silent.getsockname()[1])


@pytest.fixture
def mail_server(settings: Settings) -> Iterator[MailServer]:
    # Not one that the kernel may give to others while the server is stopped.
    ports = Ports({}, {"mail": 21025})
    server = MailServer(ports.choose("mail"))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.ALERT_FROM_EMAIL = "gridcast@example.org"
    settings.PORTAL_PUBLIC_URL = "https://portal.example.org"
    server.start()
    yield server
    server.release()
    server.stop()
    ports.release()


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria", timezone="Australia/Melbourne")


@pytest.fixture
def operator(make_user: Callable[..., User]) -> User:
    return make_user("operator", "olga", email="olga@example.org")


@pytest.fixture
def rule(operator: User) -> AlertRule:
    """The rule on checks that comes with the portal; it mails olga."""
    return ensure_default_rules()[0]


@pytest.fixture
def ingest_rule(rule: AlertRule) -> AlertRule:
    """The rule on ingests that comes with the portal; it mails olga."""
    return ensure_default_rules()[1]


@pytest.fixture
def pipeline(make_user: Callable[..., User]) -> User:
    return make_user("service", "pipeline")


@pytest.fixture
def check(series: Series, pipeline: User) -> Callable[..., CheckRun]:
    """Records a run of one check, `missing_share`, on the week before `as_of`."""

    def record(
        status: str = "failed",
        *,
        as_of: datetime = AT,
        of: Series | None = None,
        extra: tuple[Finding, ...] = (),
        **facts: Any,
    ) -> CheckRun:
        finding = Finding(
            **{
                "engine": "builtin",
                "name": "missing_share",
                "status": status,
                "severity": "fatal",
                "value": 0.1231,
                "threshold": 0.05,
                "message": "41 of 336 half-hours are missing",
                **facts,
            }
        )
        return record_check_run(
            of or series,
            stage="data",
            period_start=as_of - timedelta(days=7, hours=1),
            period_end=as_of - timedelta(hours=1),
            as_of=as_of,
            findings=(finding, *extra),
            airflow={"dag_id": "check_data_quality", "run_id": "asset__1"},
            by=pipeline,
            at=as_of,
        )

    return record
