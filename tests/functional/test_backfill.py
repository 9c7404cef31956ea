"""Backfills of past days, each asked for once in Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from stack.airflow_client import FINISHED, AirflowClient
from stack.portal_client import PortalClient
from tests.benchmarks.replay import read_ledger
from tests.benchmarks.replay_recomputation import check, read_loads
from tests.functional.backfill import backfill, backfilled_runs
from tests.functional.main_job import Report
from tests.functional.town import REPLAY, TIMEZONE
from tests.functional.waiting import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def _finished(airflow_api: httpx.Client, dag_id: str) -> list[dict[str, Any]]:
    def runs() -> list[dict[str, Any]] | None:
        seen = backfilled_runs(airflow_api, dag_id)
        return seen if seen and all(run["state"] in FINISHED for run in seen) else None

    found: list[dict[str, Any]] = until(runs, seconds=600)
    assert {run["state"] for run in found} == {"success"}
    return found


def test_a_backfill_is_one_action_and_leaves_the_rows_that_were_there(
    operator: PortalClient, airflow_api: httpx.Client
) -> None:
    """Airflow's dialog sends the same request: a DAG, a period, and the params of its form."""
    before = operator.get("series/town/observations/")
    backfill(
        airflow_api,
        "ingest_demand",
        first=datetime(2023, 11, 6, tzinfo=UTC),
        last=datetime(2023, 11, 8, 23, 59, tzinfo=UTC),
        conf={"sources": ["town-archive"]},
    )
    found = _finished(airflow_api, "ingest_demand")
    ends = sorted(run["data_interval_end"] for run in found)
    assert len(ends) == 3

    readings = {run["airflow"]["run_id"]: run for run in operator.results("ingest-runs/", source="town-archive")}
    mine = sorted((readings[run["dag_run_id"]] for run in found), key=lambda reading: reading["as_of"])
    assert [reading["as_of"] for reading in mine] == ends, "each for the end of its own interval"
    assert all(reading["state"] == "done" and reading["period_start"] < reading["as_of"] for reading in mine)
    assert all((reading["inserted"], reading["corrected"]) == (0, 0) < (reading["unchanged"], 1) for reading in mine)
    assert operator.get("series/town/observations/") == before


def test_days_replayed_by_a_backfill_are_scored_as_the_raw_file_says(
    stack: Report, operator: PortalClient, airflow: AirflowClient, airflow_api: httpx.Client
) -> None:
    """From before the champion's data cut-off to after it, one day after another as they would have been live."""
    first, last = (datetime(2023, 11, day, 8, tzinfo=UTC) for day in (7, 10))
    backfill(
        airflow_api,
        "publish_forecasts",
        first=first - DAY,
        last=last - DAY,
        conf={"series": ["town"]},
        max_active_runs=1,
    )
    _finished(airflow_api, "publish_forecasts")
    asked = airflow.trigger("score_forecasts", {"series": ["town"], "as_of": REPLAY.scored_as_of.isoformat()})
    assert until(lambda: (seen := airflow.look(asked)).state in FINISHED and seen).state == "success"

    ledger = read_ledger(operator, "town", issued_from=first.isoformat(), issued_to=(last + HOUR).isoformat())
    rungs = [run["rung"] for run in sorted(ledger.runs, key=lambda run: run["issue_time"])]
    assert rungs == ["seasonal_naive", "earlier_run", "seasonal_naive", "champion", "champion"]
    loads = read_loads(
        stack.home.root.parent / "data" / "town.csv",
        time_column="time",
        column="load_mw",
        zone=TIMEZONE,
        step=HOUR,
        delay=HOUR,
    )
    # The main job has issued a run in between.
    issue_times = [first, first + DAY, first + 2 * DAY, REPLAY.issue_times[0], last]
    found = check(ledger, loads, issue_times=issue_times, intervals=48)
    assert not found.mismatches
    assert (found.runs, found.values) == (5, 3 * (4 * 48 + 24))
    assert found.figures > 5 * 7 * 9
