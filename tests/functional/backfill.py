"""Airflow's backfill, asked for as its dialog asks: a DAG, a period, and the params of its form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

CREATION_SECONDS = 300
"""All runs are made before Airflow answers."""
PAGE = 100


def backfill(
    http: httpx.Client,
    dag_id: str,
    *,
    first: datetime,
    last: datetime,
    conf: Mapping[str, Any],
    max_active_runs: int = 2,
) -> int:
    """Ask for a run per data interval that begins from `first` to `last`, both included; return the backfill's id."""
    asked = http.post(
        "/api/v2/backfills",
        json={
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "dag_run_conf": dict(conf),
            "max_active_runs": max_active_runs,
        },
        timeout=CREATION_SECONDS,
    )
    assert asked.status_code == 200, asked.text
    return int(asked.json()["id"])


def is_over(http: httpx.Client, backfill_id: int) -> bool:
    """True when all runs are finished and another backfill of the DAG may be asked for."""
    return http.get(f"/api/v2/backfills/{backfill_id}").raise_for_status().json()["completed_at"] is not None


def backfilled_runs(http: httpx.Client, dag_id: str, **query: Any) -> list[dict[str, Any]]:
    """The DAG's runs that backfills have made, the oldest interval first."""
    found: list[dict[str, Any]] = []
    while True:
        page = {"run_type": "backfill", "order_by": "logical_date", "limit": PAGE, "offset": len(found), **query}
        answer = http.get(f"/api/v2/dags/{dag_id}/dagRuns", params=page).raise_for_status().json()
        found += answer["dag_runs"]
        if len(found) >= answer["total_entries"]:
            return found
