"""Remove what the stack and the tools made: state, environments, caches. Runs on the system's Python."""

from __future__ import annotations

import os
import shutil
import sys

from stack.errors import StackError
from stack.home import CHECKOUT, Home
from stack.service_user import remove_shelters

MADE = (".venv", ".venv-services", ".venv-uv", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "htmlcov")


def main() -> int:
    """Refuse while a stack runs on the state folder; then remove it, its shelter, the environments and the caches."""
    try:
        home = Home.from_environment(os.environ)
        with home.alone():
            remove_shelters(home.root)
            shutil.rmtree(home.root)
    except StackError as error:
        print(f"[gridcast] {error}", file=sys.stderr)
        return 1
    remove_shelters(CHECKOUT)
    for name in MADE:
        shutil.rmtree(CHECKOUT / name, ignore_errors=True)
    for leftover in [*CHECKOUT.glob(".coverage*"), *CHECKOUT.glob("*.egg-info")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
