"""``python -m stack``: the commands behind make."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable

from stack.errors import StackError
from stack.lineage import run_guarded
from stack.supervisor import StoppedBySignal, stop_on_signals

NO_ROOM_OR_NO_RIGHT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def main(arguments: list[str] | None = None) -> int:
    """Choose the command and run it under the guard that leaves no process behind."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "demo", help="run the main job on the shipped data through real Airflow, print the result, stop"
    )
    serve = commands.add_parser("serve", help="the stack with that data, in the foreground until Ctrl-C")
    serve.add_argument("--empty", action="store_true", help="do not run the main job first")
    temporary = commands.add_parser(
        "run-with-services", help="run a command beside a PostgreSQL and a Valkey of its own"
    )
    temporary.add_argument("run", nargs="+", help="the command, after --")
    options = parser.parse_args(arguments)
    return run_guarded(lambda: _supervised(lambda: _run(options)))


def _run(options: argparse.Namespace) -> int:
    if options.command == "run-with-services":
        from stack.temporary import run_with_services

        return run_with_services(options.run)
    if options.command == "demo":
        from stack.demo import run_demo

        return run_demo(os.environ)
    from stack.serve import run_serve

    return run_serve(os.environ, load=not options.empty)


def _supervised(work: Callable[[], int]) -> int:
    stop_on_signals()
    try:
        return work()
    except StoppedBySignal as stopped:
        print(f"\n[gridcast] stopped by {stopped}; no process is left", file=sys.stderr)
        return 128 + stopped.number
    except StackError as error:
        print(f"\n[gridcast] {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in NO_ROOM_OR_NO_RIGHT:
            raise
        print(f"\n[gridcast] {error}\nmake room or mend the rights there, or set GRIDCAST_HOME", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
