"""Nothing is left behind, however the stack ends.

Three nets, each for what the one before cannot catch:

1. The supervisor stops its processes when it ends or gets a signal.
2. Supervisor and guard are each other's net. The guard, its parent, ends every descendant when the supervisor is
   killed; orphans come to the guard because it is a child subreaper. When the guard is killed, the kernel signals the
   supervisor.
3. When both are killed at once, the kernel sends every process that the supervisor started its parent-death signal.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
GRACE_SECONDS = 12.0

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose parent ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(signal_number: int, parent: int) -> None:
    """Ask the kernel for ``signal_number`` when the parent ends; for use between fork and exec."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def descendants(of: int) -> set[int]:
    """The processes below ``of``, zombies left out (Linux; empty elsewhere)."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(status.parent.name))
    found: set[int] = set()
    waiting = [of]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def end_descendants(of: int, *, grace: float = GRACE_SECONDS) -> None:
    """Ask every process below ``of`` to end, then, after ``grace`` seconds, end it."""
    asked: set[int] = set()
    deadline = time.monotonic() + grace
    while remaining := descendants(of):
        late = time.monotonic() > deadline
        _signal(remaining if late else remaining - asked, signal.SIGKILL if late else signal.SIGTERM)
        asked |= remaining
        reap()
        time.sleep(0.05)
    reap()


def reap() -> dict[int, int]:
    """Collect ended children, adopted ones too: process id → exit code (negative: the signal that ended it)."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def hangup_is_ignored(number: int) -> bool:
    """True for SIGHUP below ``nohup``, whose user wants the work to go on when the terminal closes."""
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN


def run_guarded(work: Callable[[], int]) -> int:
    """Run ``work`` in a child whose descendants all end with it; return its exit code (128 + signal when killed)."""
    adopt_orphans()
    sys.stdout.flush()
    sys.stderr.flush()
    guard = os.getpid()
    supervisor = os.fork()
    if supervisor == 0:
        # A process group of its own: the terminal's Ctrl-C reaches the guard alone, which passes it on once.
        os.setpgid(0, 0)
        adopt_orphans()
        die_with_parent(signal.SIGTERM, guard)
        os._exit(_exit_code_of(work))

    asked: list[int] = []

    def forward(signal_number: int, frame: FrameType | None) -> None:
        asked.append(signal_number)
        _signal([supervisor], signal_number)

    heard = [number for number in FORWARDED if not hangup_is_ignored(number)]
    for number in heard:
        signal.signal(number, forward)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == supervisor:
            break
    end_descendants(guard)
    for number in heard:
        signal.signal(number, signal.SIG_DFL)
    code = os.waitstatus_to_exitcode(status)
    if code == 0 and asked:  # it came when the work was just done; what follows the work is not wanted any more
        return 128 + asked[0]
    return code if code >= 0 else 128 - code


def _exit_code_of(work: Callable[[], int]) -> int:
    """The child's way out: never back into the parent's code."""
    code = 1
    try:
        code = work()
    except SystemExit as request:
        code = request.code if isinstance(request.code, int) else 1
    except BaseException:  # noqa: BLE001 - the last frame of this process; the traceback is shown
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def _signal(pids: Iterable[int], signal_number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue
