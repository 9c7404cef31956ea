"""The plugin as Airflow's plugin manager loads it, in a process of its own: it reads the settings when it is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dags.airflow_home import keep_airflow_out_of_the_home_folder

keep_airflow_out_of_the_home_folder()

ROOT = Path(__file__).parents[2]
LOAD = """
import json, sys
from types import SimpleNamespace

import airflow.plugins_manager as manager
before = set(sys.modules)
manager.ensure_plugins_loaded()
loaded = sorted(set(sys.modules) - before)

from airflow.api_fastapi.core_api.datamodels.plugins import PluginResponse
from airflow.dag_processing.dagbag import DagBag
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.serialization.serialized_objects import DagSerialization

def links(dag, run_id):
    for task in DagSerialization.from_dict(DagSerialization.to_dict(dag)).tasks:
        instance = SimpleNamespace(key=TaskInstanceKey(dag.dag_id, task.task_id, run_id))
        yield task.task_id, {name: task.get_extra_links(instance, name) for name in task.extra_links}

bags = [DagBag(folder) for folder in sys.argv[2:]]
print(json.dumps({
    "errors": manager.get_import_errors(),
    "loaded": loaded,
    "plugins": [PluginResponse.model_validate(each).model_dump(mode="json") for each in manager.get_plugin_info()],
    "links": {dag.dag_id: dict(links(dag, sys.argv[1])) for bag in bags for dag in bag.dags.values()},
}))
"""


@pytest.fixture(scope="session")
def as_airflow_loads(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Loads the plugins and answers what the UI is given: plugins, and the links of the tasks of one run."""

    def load(run_id: str = "manual__1", *, dags: tuple[Path, ...] = (), **variables: str) -> dict[str, Any]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GRIDCAST_"))}
        environment = {
            **kept,
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **variables,
        }
        done = subprocess.run(
            [sys.executable, "-B", "-c", LOAD, run_id, *map(str, dags)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]

    return load
