"""DAG files: wiring only, quick to parse, the same whenever and wherever they are parsed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.conftest import DAGS

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

FILES = sorted(path for path in DAGS.glob("*.py") if path.name != "__init__.py")
HEAVY = {
    "pandas", "numpy", "scipy", "pyarrow", "keras", "jax", "tensorflow", "torch", "lightgbm", "statsmodels", "sklearn",
    "deepchecks", "whylogs", "holidays", "fsspec", "django", "forecasting", "portal",
}  # fmt: skip
PARSE = """
import json, sys
{imports}
print(json.dumps({{
    "modules": sorted(sys.modules),
    "dags": sorted(bag.dags),
    "errors": bag.import_errors,
    "warnings": bag.captured_warnings,
}}))
"""
NOTHING = """
import airflow.dag_processing.dagbag, types
bag = types.SimpleNamespace(dags=[], import_errors={}, captured_warnings={})
"""
THE_DAGS = f"from airflow.dag_processing.dagbag import DagBag; bag = DagBag({str(DAGS)!r})"


def run_alone(imports: str, folder: Path, **variables: str) -> dict[str, Any]:
    """What a fresh process, in which every warning is an error, has after `imports`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GRIDCAST_"))}
    environment = {**kept, "HOME": str(folder / "home"), "AIRFLOW_HOME": str(folder / "airflow"), **variables}
    (folder / "home").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", PARSE.format(imports=imports)],
        cwd=DAGS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def parsed_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The DAGs parsed in a process of their own, and the folder with its home."""
    folder = tmp_path_factory.mktemp("parsed")
    return run_alone(THE_DAGS, folder), folder


def test_every_file_loads_without_an_error_or_a_warning(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert bag.dags


def test_every_file_holds_the_one_dag_that_it_is_named_after(bag: DagBag) -> None:
    assert sorted((Path(dag.fileloc).stem, dag_id) for dag_id, dag in bag.dags.items()) == [
        (path.stem, path.stem) for path in FILES
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80


def test_parsing_loads_no_heavy_library(parsed_alone: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    before = {name.partition(".")[0] for name in run_alone(NOTHING, tmp_path)["modules"]}
    after = {name.partition(".")[0] for name in parsed_alone[0]["modules"]}
    assert "include" in after - before
    assert (after - before) & HEAVY == set()


def test_parsing_loads_of_the_task_glue_only_what_wires(parsed_alone: tuple[dict[str, Any], Path]) -> None:
    glue = {name for name in parsed_alone[0]["modules"] if name.partition(".")[0] == "include"}
    assert glue == {"include", "include.assets", "include.defaults", "include.ingest_dag", "include.plan_task"}


def test_parsing_writes_nothing_into_the_home_folder(parsed_alone: tuple[dict[str, Any], Path]) -> None:
    parsed, folder = parsed_alone
    assert parsed["dags"] == [path.stem for path in FILES]
    assert list((folder / "home").rglob("*")) == []


def test_a_wrong_setting_of_the_tasks_breaks_no_dag(tmp_path: Path) -> None:
    parsed = run_alone(THE_DAGS, tmp_path, GRIDCAST_BATCH_SIZE="many", GRIDCAST_HORIZON="a while")
    assert (parsed["errors"], parsed["warnings"]) == ({}, {})
    assert parsed["dags"] == [path.stem for path in FILES]
