"""`make clean` removes what a stack and the tools made, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack.home import CHECKOUT, Home


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with an environment, and a state folder outside of it."""
    shutil.copytree(CHECKOUT / "stack", tmp_path / "checkout" / "stack")
    (tmp_path / "checkout" / ".venv").mkdir()
    home = Home(tmp_path / "home")
    home.make()
    (home.root / "secrets.json").write_text("{}")
    (home.root / "pgdata").mkdir()
    return tmp_path / "checkout"


def _clean(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GRIDCAST_HOME": str(checkout.parent / "home"), "PYTHONPATH": ""}
    command = [sys.executable, "-m", "stack.clean", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_state_and_environments_go(checkout: Path) -> None:
    done = _clean(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (checkout.parent / "home").exists()
    assert not (checkout / ".venv").exists()
    assert (checkout / "stack").exists()


def test_what_else_lies_in_the_state_folder_stays_and_is_named(checkout: Path) -> None:
    home = checkout.parent / "home"
    (home / "thesis.tex").write_text("mine")
    (home / "reports-2026").mkdir()
    (home / "celerybeat-schedule.dat").touch()
    done = _clean(checkout)
    assert done.returncode == 0
    assert "since no stack made it: reports-2026, thesis.tex" in done.stderr
    assert sorted(path.name for path in home.iterdir()) == ["reports-2026", "thesis.tex"]


def test_a_stack_that_runs_keeps_its_folder(checkout: Path) -> None:
    with Home(checkout.parent / "home").alone():
        done = _clean(checkout)
    assert done.returncode == 1
    assert "a stack already runs on" in done.stderr
    assert (checkout / ".venv").exists()


def test_asking_how_it_works_removes_nothing(checkout: Path) -> None:
    assert "usage" in _clean(checkout, "--help").stdout
    assert (checkout / ".venv").exists()
