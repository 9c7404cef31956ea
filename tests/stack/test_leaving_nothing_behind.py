"""However the stack ends, no process of it is left: really killed, really counted."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.home import CHECKOUT
from stack.lineage import descendants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the guard's nets are Linux's")

PATIENCE = 120
"""Seconds for what takes two on a quiet machine."""

# A stack of two processes. One starts a process in a session of its own that ignores SIGTERM and outlives its parent.
STACK = '''
import pathlib, sys, time
from stack.lineage import run_guarded
from stack.supervisor import ProcessSpec, StoppedBySignal, Supervisor, stop_on_signals

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
time.sleep(300)
"""
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True)
time.sleep(300)
"""
PLAIN = "import time; time.sleep(300)"

def spec(name, *arguments):
    here = pathlib.Path(sys.argv[1])
    return ProcessSpec(name, [sys.executable, "-c", *arguments], {"PATH": "/usr/bin:/bin"}, here, stop_seconds=1)

def work():
    stop_on_signals()
    supervisor = Supervisor(pathlib.Path(sys.argv[1]))
    try:
        supervisor.start(spec("plain", PLAIN))
        supervisor.start(spec("parent", PARENT, STUBBORN))
        while True:
            supervisor.check()
            time.sleep(0.1)
    except StoppedBySignal as stopped:
        return 128 + stopped.number
    finally:
        supervisor.stop()

sys.exit(run_guarded(work))
'''


class RunningStack:
    def __init__(self, folder: Path, *before: str) -> None:
        # Whatever the tests run below: where it is nohup, hanging up would be ignored.
        inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        try:
            self.guard = subprocess.Popen(
                [*before, sys.executable, "-c", STACK, str(folder)], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}
            )
        finally:
            signal.signal(signal.SIGHUP, inherited)
        _wait_until(lambda: len(descendants(self.guard.pid)) == 4)
        self.members = descendants(self.guard.pid)
        children = [pid for pid in self.members if _parent_of(pid) == self.guard.pid]
        assert len(children) == 1
        self.supervisor = children[0]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path)
    yield running
    for pid in [running.guard.pid, *running.members]:
        if _alive(pid):
            os.kill(pid, signal.SIGKILL)
    running.guard.wait()


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the time is over"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_guard_stops_everything_and_shows_in_the_exit_code(
    stack: RunningStack, number: signal.Signals
) -> None:
    stack.guard.send_signal(number)
    assert stack.guard.wait(timeout=PATIENCE) == 128 + number
    assert [pid for pid in stack.members if _alive(pid)] == []


def test_a_killed_supervisor_leaves_nothing(stack: RunningStack) -> None:
    os.kill(stack.supervisor, signal.SIGKILL)
    assert stack.guard.wait(timeout=PATIENCE) == 128 + signal.SIGKILL
    assert [pid for pid in stack.members if _alive(pid)] == []


def test_a_killed_guard_leaves_nothing(stack: RunningStack) -> None:
    stack.guard.kill()
    _wait_until(lambda: not any(_alive(pid) for pid in stack.members))


def test_guard_and_supervisor_killed_at_once_leave_none_of_the_processes_they_started(stack: RunningStack) -> None:
    started = [pid for pid in stack.members if _parent_of(pid) == stack.supervisor]
    assert len(started) == 2
    os.kill(stack.supervisor, signal.SIGKILL)
    stack.guard.kill()
    _wait_until(lambda: not any(_alive(pid) for pid in started))


def test_a_closed_terminal_does_not_stop_what_was_started_with_nohup(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path, "nohup")
    stack.guard.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert [pid for pid in stack.members if not _alive(pid)] == []
    stack.guard.send_signal(signal.SIGTERM)
    assert stack.guard.wait(timeout=PATIENCE) == 128 + signal.SIGTERM


# A checkout whose installer starts a process of its own and takes its time. Between make and the bootstrap no shell,
# and no process that comes and goes while they are counted.
SLOW_INSTALLER = """#!/bin/sh
[ "$1" != --version ] || exit 0
sleep 300 &
: > installing
wait
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``make`` in the middle of an installation."""
    shutil.copytree(CHECKOUT / "stack", tmp_path / "stack")
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(CHECKOUT / name, tmp_path)
    uv = tmp_path / ".venv-uv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(SLOW_INSTALLER)
    uv.chmod(0o755)
    make = subprocess.Popen(
        [shutil.which("make") or "", f"PYTHON={sys.executable}", "demo"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    _wait_until((tmp_path / "installing").exists)
    members = descendants(make.pid)
    assert len(members) >= 4
    yield make
    left = [pid for pid in members if _alive(pid)]
    for pid in [make.pid, *left]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    make.communicate()


def _bootstrap_of(make: subprocess.Popen[bytes]) -> int:
    (bootstrap,) = [pid for pid in descendants(make.pid) if _parent_of(pid) == make.pid]
    return bootstrap


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_installation_that_is_stopped_leaves_no_installer(
    installation: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    members = descendants(installation.pid)
    os.kill(_bootstrap_of(installation), number)
    _wait_until(lambda: not any(_alive(pid) for pid in members))
    assert installation.stderr is not None
    said = installation.stderr.read().decode()
    assert "Traceback" not in said
    assert number == signal.SIGKILL or f"stopped by {number.name} while installing" in said
    assert installation.wait(timeout=PATIENCE) == 2


def test_a_killed_make_takes_the_installation_along(installation: subprocess.Popen[bytes]) -> None:
    members = descendants(installation.pid)
    installation.kill()
    _wait_until(lambda: not any(_alive(pid) for pid in members))
