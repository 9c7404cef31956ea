"""The DAGs as Airflow's own parser reads them; no metadata database is needed for that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dags.airflow_home import keep_airflow_out_of_the_home_folder

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

keep_airflow_out_of_the_home_folder()

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="session")
def bag() -> DagBag:
    """All the DAG files, parsed; a warning in one is an error."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(DAGS)
