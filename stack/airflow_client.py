"""Airflow's REST API, as far as the stack uses it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from stack.errors import NoAnswerError, StackError

FINISHED = {"success", "failed"}


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG and the state it was last seen in."""

    dag_id: str
    run_id: str
    state: str


@dataclass(frozen=True)
class FailedTask:
    """A task instance that failed, with the path of its log below Airflow's log folder."""

    task_id: str
    map_index: int
    log: str


class AirflowClient:
    """One person's calls to Airflow. Raises StackError with Airflow's own words when a call is refused."""

    def __init__(self, url: str, *, username: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)
        answer = self._call("POST", "/auth/token", json={"username": username, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def close(self) -> None:
        self._http.close()

    def put_connection(self, connection: Mapping[str, Any]) -> None:
        """Create the connection or bring it up to date."""
        path = f"/api/v2/connections/{connection['connection_id']}"
        if self._send("GET", path).status_code == httpx.codes.NOT_FOUND:
            self._call("POST", "/api/v2/connections", json=dict(connection))
        else:
            self._call("PATCH", path, json=dict(connection))

    def dag_ids(self) -> set[str]:
        """The DAGs that have been parsed."""
        return {dag["dag_id"] for dag in self._call("GET", "/api/v2/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """What keeps DAG files from being parsed."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in found]

    def unpause(self, dag_id: str) -> None:
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, parameters: Mapping[str, Any]) -> DagRun:
        """Start a run with these params."""
        body = {"logical_date": None, "conf": dict(parameters)}
        run = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        return DagRun(dag_id, run["dag_run_id"], run["state"])

    def look(self, run: DagRun) -> DagRun:
        """The run with its state of now."""
        seen = self._call("GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}")
        return DagRun(run.dag_id, run.run_id, seen["state"])

    def unfinished(self, dag_id: str) -> list[DagRun]:
        """The DAG's runs that are queued or running."""
        query = {"state": ["queued", "running"], "limit": 100}
        runs = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)["dag_runs"]
        return [DagRun(dag_id, run["dag_run_id"], run["state"]) for run in runs]

    def abandon(self, run: DagRun) -> None:
        """Mark a run as failed, so that nobody waits for it."""
        self._call("PATCH", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}", json={"state": "failed"})

    def triggered_by(self, run: DagRun, *, dag_id: str) -> list[DagRun] | None:
        """The runs of ``dag_id`` that the run's asset events have started; None while an event has not yet.

        An empty list: the run emitted no event.
        """
        query = {"source_dag_id": run.dag_id, "source_run_id": run.run_id, "limit": 100}
        events = self._call("GET", "/api/v2/assets/events", params=query)["asset_events"]
        started: dict[str, DagRun] = {}
        for event in events:
            followers = [each for each in event["created_dagruns"] if each["dag_id"] == dag_id]
            if not followers:
                return None
            started |= {each["run_id"]: DagRun(dag_id, each["run_id"], each["state"]) for each in followers}
        return list(started.values())

    def task_states(self, run: DagRun) -> dict[str, int]:
        """How many of the run's task instances are in which state."""
        counts: dict[str, int] = {}
        for task in self._task_instances(run):
            state = task["state"] or "waiting"
            counts[state] = counts.get(state, 0) + 1
        return counts

    def failed_tasks(self, run: DagRun) -> list[FailedTask]:
        """The run's task instances that failed themselves, not for another's sake."""
        failed = []
        for task in self._task_instances(run):
            if task["state"] == "failed":
                index = task["map_index"]
                mapped = f"map_index={index}/" if index >= 0 else ""
                place = f"dag_id={run.dag_id}/run_id={run.run_id}/task_id={task['task_id']}/{mapped}"
                failed.append(FailedTask(task["task_id"], index, f"{place}attempt={task['try_number']}.log"))
        return failed

    def _task_instances(self, run: DagRun) -> Sequence[Mapping[str, Any]]:
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        found: Sequence[Mapping[str, Any]] = self._call("GET", path, params={"limit": 100})["task_instances"]
        return found

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        if answer.is_error:
            raise StackError(f"Airflow refused {method} {path} with {answer.status_code}: {answer.text[:600]}")
        return answer.json()

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; a connection that breaks on the way is tried again, once, for reads."""
        left = 2 if method == "GET" else 1
        while True:
            try:
                return self._http.request(method, path, **options)
            except httpx.TransportError as error:
                left -= 1
                if not left:
                    raise NoAnswerError(f"Airflow does not answer {method} {path}: {error}") from error
            time.sleep(1)
