"""The state folder: where everything that a stack keeps between runs lives."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """The folders and files below GRIDCAST_HOME (default ``.gridcast`` in the checkout)."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        """Resolve GRIDCAST_HOME and make its folders. Raises StackError when that fails."""
        home = cls(Path(environment.get("GRIDCAST_HOME") or CHECKOUT / ".gridcast").expanduser().resolve())
        home.make()
        return home

    def make(self) -> None:
        """Make the folders that exist from the start."""
        try:
            for folder in (self.logs, self.artifacts, self.reports, self.mail, self.airflow):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"cannot make the state folder {self.root}: {error}; set GRIDCAST_HOME") from error

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def mail(self) -> Path:
        return self.root / "mail"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def state_file(self) -> Path:
        return self.root / "state.json"

    def read_state(self) -> dict[str, Any]:
        """What the last run wrote down; empty when there was none or it was cut short."""
        try:
            state = json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def write_state(self, **facts: Any) -> None:
        """Add facts to what is written down."""
        temporary = self.state_file.with_suffix(".new")
        temporary.write_text(json.dumps({**self.read_state(), **facts}, indent=2) + "\n")
        temporary.replace(self.state_file)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for one stack. Raises StackError, naming the other's process, when one runs already."""
        try:
            held = (self.root / "stack.lock").open("a+")
        except OSError as error:
            raise StackError(f"cannot write into the state folder {self.root}: {error}; set GRIDCAST_HOME") from error
        with held as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StackError(
                    f"a stack already runs on {self.root} (process {lock.read().strip() or 'unknown'}); "
                    "stop it, or give this one a folder of its own with GRIDCAST_HOME"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield
