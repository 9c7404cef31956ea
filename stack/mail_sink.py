"""An SMTP server that keeps mails as files and delivers none: ``python -m stack.mail_sink PORT FOLDER``."""

from __future__ import annotations

import email
import email.policy
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.ports import HOST


@dataclass(frozen=True)
class Mail:
    """What a list of mails shows."""

    path: Path
    recipients: str
    subject: str


class _KeepAsFiles:
    """The handler that aiosmtpd calls; one ``.eml`` per mail, numbered in the order of arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next = 1 + max((int(path.stem) for path in folder.glob("[0-9]*.eml")), default=0)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        path = self._folder / f"{self._next:05d}.eml"
        self._next += 1
        temporary = path.with_suffix(".part")
        temporary.write_bytes(envelope.original_content or b"")
        temporary.replace(path)
        print(f"kept {path.name} for {', '.join(envelope.rcpt_tos)}", flush=True)
        return f"250 kept as {path.name}"


def kept_mails(folder: Path) -> list[Mail]:
    """The mails in the folder, oldest first."""
    mails = []
    for path in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        mails.append(Mail(path, str(message["To"] or ""), str(message["Subject"] or "(no subject)")))
    return mails


def main(port: int, folder: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    folder.mkdir(parents=True, exist_ok=True)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    controller = Controller(_KeepAsFiles(folder), hostname=HOST, port=port, ready_timeout=60)
    controller.start()
    print(f"mail sink on {HOST}:{port}, keeping mails in {folder}", flush=True)
    stopped.wait()
    controller.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
