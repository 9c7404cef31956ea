"""maintain_store through real Airflow: a dry run lists an orphan and removes nothing, the real run removes it alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stack.airflow_client import FINISHED, AirflowClient
from stack.portal_client import PortalClient
from tests.functional.main_job import Report
from tests.functional.waiting import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]
ORPHAN = "0" * 64


def _maintain(airflow: AirflowClient, operator: PortalClient, *, dry_run: bool) -> dict[str, Any]:
    """The portal's retention run of a run of the DAG."""
    as_of = datetime.now(UTC).isoformat()
    triggered = airflow.trigger("maintain_store", {"as_of": as_of, "dry_run": dry_run})
    until(lambda: airflow.look(triggered).state in FINISHED)
    assert airflow.look(triggered).state == "success", airflow.failed_tasks(triggered)
    wanted = {"dag_id": "maintain_store", "run_id": triggered.run_id}
    (run,) = (run for run in operator.results("retention-runs/") if run["airflow"] == wanted)
    return run


def _orphans(run: dict[str, Any]) -> dict[str, Any]:
    return next(outcome for outcome in run["outcomes"] if outcome["kind"] == "orphaned_artifacts")


def test_an_orphaned_artifact_is_listed_and_then_removed_and_no_registered_one(
    stack: Report, airflow: AirflowClient, operator: PortalClient
) -> None:
    folder = stack.home.artifacts / "town" / ORPHAN
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    for path in (folder / "manifest.json", folder):
        os.utime(path, (0, 0))
    dry = _orphans(_maintain(airflow, operator, dry_run=True))
    assert (dry["found"], dry["deleted"]) == (1, 0)
    assert dry["examples"][0].endswith(f"/town/{ORPHAN}")
    assert folder.exists()
    run = _maintain(airflow, operator, dry_run=False)
    assert (run["state"], run["by"]) == ("done", "airflow")
    assert (_orphans(run)["found"], _orphans(run)["deleted"]) == (1, 1)
    assert not folder.exists()
    uris = [model["artifact_uri"] for model in operator.results("registered-artifacts/")]
    assert uris
    assert all(Path(uri.removeprefix("file://"), "manifest.json").exists() for uri in uris)
