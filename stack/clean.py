"""Remove what the stack and the tools made: state, environments, caches. Runs on the system's Python."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from stack.errors import StackError
from stack.home import CHECKOUT, Home
from stack.service_user import remove_shelters

ENVIRONMENTS = (".venv", ".venv-services", ".venv-bench", ".venv-uv")
STATE = {
    *("logs", "artifacts", "reports", "mail", "airflow", "pgdata", "pgdata.new", "pgdata.password", "valkey"),
    *("secrets.json", "state.json", "state.new", "stack.lock"),
}
"""What a stack keeps."""
STATE_PREFIXES = ("celerybeat-schedule", ".secrets.json.")
"""How the names of its other files begin."""
CACHES = (
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".import_linter_cache",
    ".hypothesis",
    "htmlcov",
    "build/benchmarks",
)


def main() -> int:
    """Refuse while a stack runs on the state folder; then remove it, its shelter, the environments and the caches."""
    argparse.ArgumentParser(prog="python -m stack.clean", description=main.__doc__).parse_args()
    try:
        home = Home.from_environment(os.environ)
        with home.alone():
            remove_shelters(home.root)
            _remove_state(home)
    except (StackError, OSError) as error:
        print(f"[gridcast] {error}", file=sys.stderr)
        return 1
    remove_shelters(CHECKOUT)
    for name in (*ENVIRONMENTS, *CACHES):
        shutil.rmtree(CHECKOUT / name, ignore_errors=True)
    for leftover in [*CHECKOUT.glob(".coverage*"), *CHECKOUT.glob("*.egg-info")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return 0


def _remove_state(home: Home) -> None:
    """Remove what a stack keeps, and the folder unless it holds something else: GRIDCAST_HOME may be anybody's."""
    for path in home.root.iterdir():
        if path.name in STATE or path.name.startswith(STATE_PREFIXES):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    others = sorted(path.name for path in home.root.iterdir())
    if others:
        print(f"[gridcast] kept in {home.root}, since no stack made it: {', '.join(others)}", file=sys.stderr)
    else:
        home.root.rmdir()


if __name__ == "__main__":
    sys.exit(main())
