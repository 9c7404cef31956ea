"""Trainings in processes of their own, each of which kills itself at a step that it is told.

Run as a program, with its `Facts` as JSON for an argument, it imports the pipeline once and forks a process per line of
its input (`Order` as JSON); it answers each with a line that says how that process ended.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import forecasting.backtesting
import forecasting.models.gradient_boosting
import forecasting.models.seasonal_naive
import forecasting.preprocessing
import forecasting.tuning  # noqa: F401  # all of them before the forks, each of which would import them anew
from forecasting.search_space import SPACES, Range
from include.portal import Portal
from include.settings import Settings
from include.tasks.train import train_series

ROOT = Path(__file__).parents[2]
STEPS = ("mkdir", "BufferedWriter.write", "fsync", "chmod", "rename", "socket.send", "socket.recv")
"""Before each of these calls the world is another one: a folder more, an empty file, one unsynced, a request sent."""


@dataclass(frozen=True)
class Facts:
    """What all trainings of a program share."""

    url: str
    token: str
    settings: dict[str, Any]
    airflow: dict[str, str]


@dataclass(frozen=True)
class Order:
    """Train `kind`, and be killed right before a step or a line of the log; with neither, to the end."""

    as_of: str
    kind: str = "seasonal_naive"
    settings: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    """Steps are counted from the first that touches something below it on."""
    step: int | None = None
    only: tuple[str, ...] = STEPS
    after: str = ""
    """Steps are counted from the one that follows the first of this name on."""
    line: str = ""


@dataclass(frozen=True)
class Ended:
    """How a process ended: by SIGKILL at the step `at`, or with a status, 0 where it trained to the end."""

    killed: bool
    status: int
    at: str


class Trainers:
    """Starts the processes, one after the other."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program

    def train(self, order: Order) -> Ended:
        """Fork a process, and wait for its end."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(asdict(order)) + "\n")
        self._program.stdin.flush()
        return Ended(**json.loads(self._program.stdout.readline()))


@contextmanager
def open_trainers(facts: Facts) -> Iterator[Trainers]:
    """The program, from which processes can be ordered."""
    command = [sys.executable, "-m", "tests.include.training_process", json.dumps(asdict(facts))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            yield Trainers(program)
        finally:
            program.kill()


def _kill(pipe: int, at: str) -> NoReturn:
    os.write(pipe, at.encode())
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def _kill_before_step(order: Order, pipe: int) -> None:
    """Count the calls of C functions that are steps, by a profiler that starts when the folder is first touched."""
    passed = 0
    counting, waiting = False, bool(order.after)

    def count(name: str) -> None:
        nonlocal passed, waiting
        if waiting:
            waiting = name != order.after
        elif name in order.only:
            if passed == order.step:
                _kill(pipe, name)
            passed += 1

    def profile(_: Any, event: str, function: Any) -> None:
        if event == "c_call":
            count(function.__qualname__)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal counting
        if not counting and event in ("os.mkdir", "open") and str(arguments[0]).startswith(order.folder):
            counting = True
            count(event.removeprefix("os."))
            sys.setprofile(profile)

    sys.addaudithook(audit)


class _KillBeforeLine(logging.Handler):
    def __init__(self, line: str, pipe: int) -> None:
        super().__init__()
        self._line, self._pipe = line, pipe

    def emit(self, record: logging.LogRecord) -> None:
        if self._line in record.getMessage():
            _kill(self._pipe, self._line)


def _train(order: Order, pipe: int, facts: Facts) -> None:
    if order.step is not None:
        _kill_before_step(order, pipe)
    if order.line:
        logging.getLogger("include").addHandler(_KillBeforeLine(order.line, pipe))
        logging.getLogger("include").setLevel(logging.INFO)
    options: dict[str, Any] = {"attempts": 3, "first_pause_seconds": 0.01, "scope": facts.airflow["run_id"]}
    with Portal(facts.url, token=facts.token, **options) as portal:
        train_series(
            portal,
            "town",
            as_of=datetime.fromisoformat(order.as_of),
            kinds=(order.kind,),
            settings=Settings.model_validate({**facts.settings, **order.settings}),
            airflow=facts.airflow,
        )


def _fork(order: Order, facts: Facts) -> Ended:
    told, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _train(order, pipe, facts)
            status = 0
        except BaseException:
            logging.exception("The training failed")
        finally:
            os._exit(status)
    os.close(pipe)
    with os.fdopen(told) as reader:
        at = reader.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Ended(killed=status == -signal.SIGKILL, status=status, at=at)


def main(facts: Facts) -> None:
    """Fork a process per order, for as long as orders come."""
    SPACES["gradient_boosting"] = {"trees": Range(2, 6), "learning_rate": Range(0.05, 0.3)}
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_fork(Order(**json.loads(line)), facts))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Facts(**json.loads(sys.argv[1])))
