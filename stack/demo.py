"""``make demo``: the main job through real Airflow on real data, as a forecaster and an approver would run it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.airflow_client import FINISHED, AirflowClient, DagRun
from stack.assembly import Stack, running_stack
from stack.demo_plan import REPLAYS, Replay
from stack.demo_report import print_report
from stack.errors import StackError
from stack.mail_sink import kept_mails
from stack.portal_client import PortalClient
from stack.progress import Progress

DAGS = (
    "ingest_demand",
    "ingest_weather",
    "check_data_quality",
    "train_models",
    "publish_forecasts",
    "score_forecasts",
    "maintain_store",
)
FOLLOWERS = ("check_data_quality", "score_forecasts")
"""They run by themselves when observations arrive."""
RUN_SECONDS = 600.0
PARSE_SECONDS = 120.0
EVENT_SECONDS = 60.0
SWEEP_SECONDS = 150.0
"""Within which the portal has asked Airflow even if Celery's broker was down: two of its sweeps."""
POLL_SECONDS = 0.4


def run_demo(environment: Mapping[str, str]) -> int:
    """Start the stack, run the job, print what came of it, stop the stack. Raises StackError when a step fails."""
    progress = Progress(sys.stdout)
    progress.say("Gridcast demo: Victoria 2014 and England and Wales 2000, from files to scored forecasts\n")
    with running_stack(environment, progress=progress) as stack:
        run_main_job(stack, progress=progress)
        print_report(stack, REPLAYS, say=progress.say)
        for mail in kept_mails(stack.mail) if stack.mail else []:
            progress.say(f"  mail to {mail.recipients}: {mail.subject}  ({mail.path})")
    progress.say(f"\nDone in {progress.total_seconds:.0f} s; everything that was started is stopped.")
    return 0


def run_main_job(stack: Stack, *, progress: Progress, replays: Sequence[Replay] = REPLAYS) -> None:
    """Ingest, check, train, approve, publish and score; done again, it changes nothing."""
    users = stack.credentials["users"]
    job = _Job(stack, progress)
    try:
        with progress.step("DAGs parsed"):
            job.take_over()
        with progress.step("ingest the archives"):
            ingested = job.run_all(
                ("ingest_demand", {"sources": [each.source], "as_of": _iso(each.trained_as_of)}) for each in replays
            )
        with progress.step("check the data's quality"):
            job.wait_for_followers(ingested)
        with progress.step("train candidates (as forecaster)"):
            job.run_all(
                ("train_models", {"series": [each.series], "as_of": _iso(each.trained_as_of)}) for each in replays
            )
        with (
            progress.step("approve the best of them (as approver)"),
            PortalClient(stack.portal_url, username="approver", password=users["approver"]) as approver,
        ):
            approvals = [approve_best(approver, each.series) for each in replays]
            progress.tick(", ".join(approved.model for approved in approvals))
        with progress.step("publish as the portal asks after an approval"):
            job.wait_for_publications([approved.series for approved in approvals if approved.now])
        with progress.step("ingest what became known since"):
            ingested = job.run_all(
                ("ingest_demand", {"sources": [each.source], "as_of": _iso(each.scored_as_of)}) for each in replays
            )
        with progress.step("publish a week of day-ahead forecasts"):
            job.run_all(
                ("publish_forecasts", {"series": [each.series], "as_of": _iso(issue_time)})
                for each in replays
                for issue_time in each.issue_times
            )
        with progress.step("score them against what came"):
            job.run_all(
                ("score_forecasts", {"series": [each.series], "as_of": _iso(each.scored_as_of)}) for each in replays
            )
            job.wait_for_followers(ingested)
    finally:
        job.close()


@dataclass(frozen=True)
class Approval:
    """The champion of a series, in words, and whether it has become that just now."""

    series: str
    model: str
    now: bool


def approve_best(approver: PortalClient, series: str) -> Approval:
    """Make the model with the lowest backtest pinball loss champion, unless it is.

    Raises StackError when the series has no model to choose from.
    """
    models = [
        model
        for status in ("champion", "candidate")
        for model in approver.results("models/", series=series, status=status)
        if model["evidence"]["metrics"]["pinball"] is not None
    ]
    if not models:
        raise StackError(
            f"{series} has neither a champion nor a candidate with a backtest; see the log of train_models"
        )
    best = min(models, key=lambda model: (model["evidence"]["metrics"]["pinball"], model["id"]))
    name = f"{series} v{best['version']} {best['kind']}"
    if best["status"] == "champion":
        return Approval(series, f"{name} already", now=False)
    pinball, naive = best["evidence"]["metrics"]["pinball"], best["evidence"]["baseline"]["pinball"]
    reason = f"Lowest backtest pinball loss of {len(models)} models: {pinball:.1f} MW, seasonal naive {naive:.1f} MW."
    approver.post(f"models/{best['id']}/approve/", {"reason": reason})
    return Approval(series, name, now=True)


class _Job:
    """The DAG runs of one demo, triggered by the forecaster and waited for."""

    def __init__(self, stack: Stack, progress: Progress) -> None:
        users = stack.credentials["users"]
        self._stack = stack
        self._progress = progress
        self._forecaster = AirflowClient(stack.airflow_url, username="forecaster", password=users["forecaster"])

    def close(self) -> None:
        self._forecaster.close()

    def take_over(self) -> None:
        """Wait until every DAG is there, give up what a killed run left unfinished, and let the DAGs run."""

        def missing() -> bool:
            gone = set(DAGS) - self._forecaster.dag_ids()
            if gone and (errors := self._forecaster.import_errors()):
                raise StackError("DAG files cannot be parsed:\n  " + "\n  ".join(errors))
            self._progress.tick(f"waiting for {', '.join(sorted(gone))}" if gone else "")
            return bool(gone)

        self._wait_while(missing, seconds=PARSE_SECONDS, what="the DAGs to be parsed; see airflow-dag-processor.log")
        for dag_id in DAGS:
            for run in self._forecaster.unfinished(dag_id):
                self._forecaster.abandon(run)
            self._forecaster.unpause(dag_id)

    def run_all(self, wanted: Any) -> list[DagRun]:
        """Trigger the runs and wait for all of them. Raises StackError with the first failed task's own words."""
        runs = [self._forecaster.trigger(dag_id, parameters) for dag_id, parameters in wanted]
        self._wait_for(runs)
        return runs

    def wait_for_followers(self, ingested: Sequence[DagRun]) -> None:
        """Wait for the checks and scores that the ingests' asset events start; an ingest of nothing starts none."""
        followers: dict[tuple[str, str], DagRun] = {}

        def waiting() -> bool:
            started = [self._forecaster.triggered_by(run, dag_id=dag_id) for run in ingested for dag_id in FOLLOWERS]
            for runs in started:
                followers.update({(run.dag_id, run.run_id): run for run in runs or []})
            return None in started

        what = f"{' and '.join(FOLLOWERS)} to start; see airflow-scheduler.log"
        self._wait_while(waiting, seconds=EVENT_SECONDS, what=what)
        self._wait_for(list(followers.values()))

    def wait_for_publications(self, approved: Sequence[str]) -> None:
        """Wait for the forecasts that follow from the newest approvals of these series."""
        password = self._stack.credentials["users"]["operator"]
        with PortalClient(self._stack.portal_url, username="operator", password=password) as operator:
            asked: list[Mapping[str, Any]] = []

            def unsent() -> bool:
                nonlocal asked
                newest = [operator.get("dag-run-requests/", series=series)["results"][:1] for series in approved]
                asked = [request for found in newest for request in found]
                self._progress.tick("; ".join(filter(None, (each["last_error"] for each in asked))))
                return any(each["sent_at"] is None for each in asked)

            what = "the portal to ask Airflow; see celery.log"
            self._wait_while(unsent, seconds=SWEEP_SECONDS, what=what)
        self._wait_for([DagRun(each["dag_id"], each["run_id"], "queued") for each in asked])

    def _wait_for(self, runs: Sequence[DagRun]) -> None:
        unfinished = list(runs)

        def running() -> bool:
            nonlocal unfinished
            seen = [self._forecaster.look(run) for run in unfinished]
            for run in seen:
                if run.state == "failed":
                    raise StackError(self._why(run))
            unfinished = [run for run in seen if run.state not in FINISHED]
            self._progress.tick(f"{len(runs) - len(unfinished)}/{len(runs)} runs")
            return bool(unfinished)

        self._wait_while(running, seconds=RUN_SECONDS, what="its DAG runs; see the Airflow logs")

    def _wait_while(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        asked = 0.0
        while True:
            self._stack.supervisor.check()
            self._progress.tick()
            if time.monotonic() - asked >= POLL_SECONDS:
                if not condition():
                    return
                asked = time.monotonic()
            if time.monotonic() > deadline:
                raise StackError(f"after {seconds:.0f} s still waiting for {what} in {self._stack.home.logs}")
            time.sleep(0.1)

    def _why(self, run: DagRun) -> str:
        lines = [f"{run.dag_id} failed (run {run.run_id})"]
        for task in self._forecaster.failed_tasks(run):
            log = self._stack.home.airflow / "logs" / task.log
            which = f"{task.task_id}[{task.map_index}]" if task.map_index >= 0 else task.task_id
            lines += [f"  task {which}: {error_of(log)}", f"  its log: {log}"]
        return "\n".join(lines)


def error_of(log: Path) -> str:
    """The last error in a task's log, a file of JSON lines; the exception's own words where there is one."""
    error = "it left no error in its log"
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as problem:
        return f"its log cannot be read ({problem.strerror})"
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") in ("error", "critical"):
            raised = [f"{detail['exc_type']}: {detail['exc_value']}" for detail in entry.get("error_detail") or []]
            error = raised[0] if raised else entry.get("event", error)
    return error


def _iso(moment: Any) -> str:
    return str(moment.isoformat())
