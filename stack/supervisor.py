"""One foreground supervisor: starts processes, waits until they are well, notices deaths, stops all in reverse."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from stack.errors import NoAnswerError, StackError
from stack.lineage import die_with_parent, end_descendants, hangup_is_ignored
from stack.service_user import Account

POLL_SECONDS = 0.1
LAST_LINES = 15
DYING_SECONDS = 3.0


class ProcessDiedError(StackError):
    """A process of the stack ended by itself; the message has its last lines and the place of its log."""


class StoppedBySignal(BaseException):
    """Someone asked the stack to stop; like KeyboardInterrupt not an error, and not for ``except Exception``."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass(frozen=True)
class ProcessSpec:
    """One process: its command, and how it is asked to stop.

    ``well`` says when others may rely on it. Processes of one ``stage`` stop together, the highest stage first.
    One that ``does_one_thing`` may end with exit code 0.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    well: Callable[[], bool] = lambda: True
    start_seconds: float = 60.0
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 8.0
    stage: int = 1
    does_one_thing: bool = False
    account: Account = field(default_factory=Account)


@dataclass
class Running:
    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int


class Supervisor:
    """Starts and watches processes; each writes into a log file of its own below ``logs``."""

    def __init__(self, logs: Path, *, waiting: Callable[[], None] = lambda: None) -> None:
        """``waiting`` is called often while one of the methods waits, to show that something goes on."""
        self._logs = logs
        self._waiting = waiting
        self._running: list[Running] = []

    @property
    def log_files(self) -> dict[str, Path]:
        """The log of every running process, by its name."""
        return {running.spec.name: running.log for running in self._running}

    def start(self, spec: ProcessSpec) -> None:
        """Start a process without waiting for it."""
        log = self._logs / f"{spec.name}.log"
        with log.open("ab") as output:
            start = output.tell()
            process = subprocess.Popen(
                list(spec.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=spec.directory,
                env=dict(spec.environment),
                start_new_session=True,
                user=spec.account.uid,
                group=spec.account.gid,
                extra_groups=[] if spec.account.uid is not None else None,
                preexec_fn=functools.partial(die_with_parent, spec.stop_signal, os.getpid()),
            )
        self._running.append(Running(spec, process, log, start))

    def wait_until_well(self, *names: str) -> None:
        """Wait until the named processes (default: all) are well, each within its own limit.

        Raises ProcessDiedError when any process ends meanwhile, StackError when one takes too long.
        """
        waiting = [running for running in self._running if not names or running.spec.name in names]
        begun = time.monotonic()
        while waiting:
            self.check()
            waiting = [running for running in waiting if not running.spec.well()]
            for running in waiting:
                if time.monotonic() - begun > running.spec.start_seconds:
                    raise StackError(
                        f"{running.spec.name} was not ready after {running.spec.start_seconds:.0f} s\n"
                        + self._explain(running)
                    )
            if waiting:
                self._waiting()
                time.sleep(POLL_SECONDS)

    def finish(self, name: str, *, seconds: float) -> None:
        """Wait for the end of a process that does one thing. Raises StackError when it fails or takes too long."""
        running = self._named(name)
        deadline = time.monotonic() + seconds
        while running.process.poll() is None:
            self.check()
            if time.monotonic() > deadline:
                raise StackError(f"{name} took longer than {seconds:.0f} s\n" + self._explain(running))
            self._waiting()
            time.sleep(POLL_SECONDS / 2)
        self.check()
        self._running.remove(running)

    def has(self, name: str) -> bool:
        """True when the process was started and is not finished."""
        return any(running.spec.name == name for running in self._running)

    def said(self, name: str, text: str) -> bool:
        """True when the process has written ``text`` into its log in this run."""
        running = self._named(name)
        with running.log.open("rb") as log:
            log.seek(running.log_start)
            return text.encode() in log.read()

    def check(self) -> None:
        """Raise ProcessDiedError when a process has ended by itself, other than one that did its one thing."""
        for running in self._running:
            code = running.process.poll()
            if code is not None and not (code == 0 and running.spec.does_one_thing):
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                raise ProcessDiedError(f"{running.spec.name} {how}\n" + self._explain(running))
        self._reap_adopted()

    @contextlib.contextmanager
    def naming_the_dead(self) -> Iterator[None]:
        """A call that breaks because a process died raises that process's ProcessDiedError, not the call's error."""
        try:
            yield
        except StackError as error:
            # A connection breaks a little before its process can be seen to have ended.
            deadline = time.monotonic() + (DYING_SECONDS if isinstance(error, NoAnswerError) else 0)
            self.check()
            while time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                self.check()
            raise

    def stop(self) -> None:
        """Stop everything, with what each process has started itself; safe to call again."""
        for stage in sorted({running.spec.stage for running in self._running}, reverse=True):
            _stop_together([running for running in self._running if running.spec.stage == stage])
        self._running.clear()
        end_descendants(os.getpid(), grace=3.0)

    def _named(self, name: str) -> Running:
        return next(running for running in self._running if running.spec.name == name)

    def _reap_adopted(self) -> None:
        """Collect ended processes that others left to us, without taking the exit codes of our own."""
        own = {running.process.pid for running in self._running}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in own:
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _explain(self, running: Running) -> str:
        with running.log.open("rb") as log:
            log.seek(running.log_start)
            lines = log.read().decode(errors="replace").splitlines()
        shown = "\n".join(f"    {line}" for line in lines[-LAST_LINES:]) or "    (it wrote nothing)"
        return f"  its last lines:\n{shown}\n  its log: {running.log}"


def _stop_together(group: list[Running]) -> None:
    for running in group:
        if running.process.poll() is None:
            running.process.send_signal(running.spec.stop_signal)
    begun = time.monotonic()
    for running in group:
        left = running.spec.stop_seconds - (time.monotonic() - begun)
        try:
            running.process.wait(max(left, 0))
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()


def stop_on_signals() -> None:
    """Turn Ctrl-C, SIGTERM and a closed terminal into StoppedBySignal; later ones are ignored while things stop."""

    heard = [each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if not hangup_is_ignored(each)]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise StoppedBySignal(number)

    for number in heard:
        signal.signal(number, stop)
