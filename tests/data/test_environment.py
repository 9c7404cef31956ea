"""The conda environment is the lock, and nothing beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def dependencies() -> list:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]


def test_every_package_comes_from_the_lock():
    (pip,) = [each["pip"] for each in dependencies() if isinstance(each, dict)]
    assert pip == ["-r requirements.txt"]
    assert (ROOT / "requirements.txt").is_file()


def test_conda_itself_brings_only_python_and_pip():
    names = [Requirement(each).name for each in dependencies() if isinstance(each, str)]
    assert names == ["python", "pip"]


def test_python_is_the_one_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = next(Requirement(each) for each in dependencies() if str(each).startswith("python"))
    assert set(str(python.specifier).split(",")) == set(project["requires-python"].split(","))
