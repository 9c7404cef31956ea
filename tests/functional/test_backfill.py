"""A backfill of past days, asked for once in Airflow, beside what a run of the present has read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from stack.airflow_client import FINISHED
from stack.portal_client import PortalClient
from tests.functional.waiting import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
DAYS = ("2023-11-06", "2023-11-08")


def test_a_backfill_is_one_action_and_leaves_the_rows_that_were_there(
    operator: PortalClient, airflow_api: httpx.Client
) -> None:
    """Airflow's dialog sends the same request: a DAG, a period, and the params of its form."""
    before = operator.get("series/town/observations/")
    asked = airflow_api.post(
        "/api/v2/backfills",
        json={
            "dag_id": "ingest_demand",
            "from_date": f"{DAYS[0]}T00:00:00Z",
            "to_date": f"{DAYS[1]}T23:59:00Z",
            "dag_run_conf": {"sources": ["town-archive"]},
            "max_active_runs": 2,
        },
    )
    assert asked.status_code == 200, asked.text

    def runs() -> list[dict[str, Any]]:
        query = {"run_type": "backfill", "limit": 100}
        found: list[dict[str, Any]] = airflow_api.get("/api/v2/dags/ingest_demand/dagRuns", params=query).json()[
            "dag_runs"
        ]
        return found

    found = until(lambda: (seen := runs()) and all(run["state"] in FINISHED for run in seen) and seen, seconds=240)
    assert {run["state"] for run in found} == {"success"}
    ends = sorted(run["data_interval_end"] for run in found)
    assert len(ends) == 3

    readings = {run["airflow"]["run_id"]: run for run in operator.results("ingest-runs/", source="town-archive")}
    mine = sorted((readings[run["dag_run_id"]] for run in found), key=lambda reading: reading["as_of"])
    assert [reading["as_of"] for reading in mine] == ends, "each for the end of its own interval"
    assert all(reading["state"] == "done" and reading["period_start"] < reading["as_of"] for reading in mine)
    assert all((reading["inserted"], reading["corrected"]) == (0, 0) < (reading["unchanged"], 1) for reading in mine)
    assert operator.get("series/town/observations/") == before
