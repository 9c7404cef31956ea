"""Mails are kept as files, by a real SMTP server."""

from __future__ import annotations

import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from stack.home import CHECKOUT
from stack.mail_sink import kept_mails
from stack.ports import HOST, Ports, accepts_connections


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[int]:
    ports = Ports({}, {"mail": 21025})
    port = ports.choose("mail")
    process = subprocess.Popen(
        [sys.executable, "-m", "stack.mail_sink", str(port), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not accepts_connections(port):
        assert process.poll() is None, "the sink ended"
        assert time.monotonic() < deadline, "the sink does not listen"
        time.sleep(0.05)
    yield port
    process.terminate()
    assert process.wait(timeout=120) == 0
    ports.release()


def _send(port: int, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "gridcast@localhost", "operator@localhost", subject
    message.set_content("Die Prüfung ist fehlgeschlagen.")
    with smtplib.SMTP(HOST, port) as smtp:
        smtp.send_message(message)


def test_mails_are_kept_in_order_of_arrival_after_those_of_earlier_runs(tmp_path: Path, sink: int) -> None:
    _send(sink, "Check failed: victoria – gap of 3 h")
    _send(sink, "Resolved")
    mails = kept_mails(tmp_path)
    assert [mail.path.name for mail in mails] == ["00001.eml", "00002.eml"]
    assert mails[0].subject == "Check failed: victoria – gap of 3 h"
    assert mails[0].recipients == "operator@localhost"


def test_an_empty_folder_has_no_mails(tmp_path: Path) -> None:
    assert kept_mails(tmp_path) == []
