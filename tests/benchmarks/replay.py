"""A year of shipped data replayed day by day through Airflow's backfill, scored, and recomputed from the raw file."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from include.errors import PipelineError
from include.portal import Portal
from include.settings import get_settings
from include.tasks.reproduce import reproduce_run
from stack.airflow_client import FINISHED, AirflowClient
from stack.assembly import Stack, running_stack
from stack.demo import error_of
from stack.errors import StackError
from stack.home import CHECKOUT
from stack.portal_client import PortalClient
from stack.progress import Progress
from stack.service_user import remove_shelters
from tests.benchmarks.replay_recomputation import Findings, Ledger, check, read_loads
from tests.functional.backfill import backfill, backfilled_runs, is_over

SERIES, SOURCE, ZONE = "victoria", "victoria-2014", "Australia/Melbourne"
FILE = CHECKOUT / "data" / "victoria_2014.csv.gz"
STEP, DELAY, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
INTERVALS = 96
FIRST, LAST = datetime(2014, 1, 16, 8, tzinfo=UTC), datetime(2014, 12, 29, 8, tzinfo=UTC)
"""Issue times: the first with two weeks of history before it, the last whose 48 hours the file holds."""
CLOCK_CHANGE = datetime(2014, 4, 6, 8, tzinfo=UTC)
"""A replay of fewer days lies around it."""
FEWEST = 4
KNOWN = datetime(2015, 1, 2, tzinfo=UTC)
"""All of the file is known by then."""
DAGS = ("ingest_demand", "train_models", "publish_forecasts", "score_forecasts")
KINDS = ("regression", "gradient_boosting")
"""Of the two champions, one after the other."""
REPRODUCED = 5
OWN_SERVICES = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL")
RUN_SECONDS, SILENCE_SECONDS, POLL_SECONDS = 900.0, 900.0, 1.0


@dataclass(frozen=True)
class Days:
    """The issue times of a replay, and the times as of which its two champions are trained."""

    issue_times: Sequence[datetime]

    @classmethod
    def of(cls, number: int | None) -> Days:
        """The whole year, or so many days; with fewer than four, two champions have no room."""
        whole = (LAST - FIRST) // DAY + 1
        if number is not None and not FEWEST <= number <= whole:
            raise ValueError(f"a replay takes {FEWEST} to {whole} days, not {number}")
        count = number or whole
        first = min(max(FIRST, CLOCK_CHANGE - count // 2 * DAY), LAST - (count - 1) * DAY)
        return cls([first + each * DAY for each in range(count)])

    @property
    def trained(self) -> tuple[datetime, datetime]:
        """At an eighth of the days, and at four sevenths: of the year, at the ends of February and July."""
        count = len(self.issue_times)
        return self.issue_times[-(-count // 8)], self.issue_times[4 * count // 7]

    def rungs(self) -> list[str]:
        """What each day is published by: no champion forecasts a time before its own data cut-off.

        Until the first of them could, every second day finds the run of the day before, which covers one day more.
        """
        first, second = self.trained
        earlier = ("seasonal_naive", "earlier_run")
        return [
            "champion" if at >= second else "previous_champion" if at >= first else earlier[number % 2]
            for number, at in enumerate(self.issue_times)
        ]


@dataclass
class Replayed:
    """What a replay came to, and what it took."""

    days: Days
    ledger: Ledger
    findings: Findings
    reproduced: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    """Why runs of the sample could not be made again."""
    seconds: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each task of the backfilled runs, from its start to its end."""

    @property
    def rungs(self) -> Counter[str]:
        return Counter(run["rung"] for run in self.ledger.runs)

    @property
    def is_right(self) -> bool:
        return not self.findings.mismatches and not self.unlike


def measure(number: int | None, *, home: Path, progress: Progress) -> Replayed:
    """Replay so many days (default: all) on a stack of its own below `home`, which is made anew.

    Raises:
        StackError: a part of the stack, or a run of a DAG, failed.
    """
    days = Days.of(number)
    remove_shelters(home)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name not in OWN_SERVICES}
    environment["GRIDCAST_HOME"] = str(home)
    with running_stack(environment, progress=progress) as stack, _acting(stack, progress) as do:
        do.prepare(days)
        do.publish(days)
        with progress.step("score them against what came"):
            do.run("score_forecasts", {"series": [SERIES], "as_of": KNOWN.isoformat()})
        with progress.step("read the ledger"):
            first, last = days.issue_times[0], days.issue_times[-1]
            # An approval publishes from where the archive ends: that run is none of the replayed days.
            ledger = read_ledger(
                do.operator, SERIES, issued_from=first.isoformat(), issued_to=(last + STEP).isoformat()
            )
        with progress.step("compute the scores again from the file"):
            loads = read_loads(FILE, time_column="timestamp", column="load_mw", zone=ZONE, step=STEP, delay=DELAY)
            findings = check(ledger, loads, issue_times=days.issue_times, intervals=INTERVALS)
            findings.mismatches += _wrong_rungs(days, ledger)
        replayed = Replayed(days, ledger, findings)
        with progress.step(f"reproduce {REPRODUCED} of the runs"):
            _reproduce(replayed, stack)
        replayed.tasks = do.task_seconds()
    replayed.seconds = dict(progress.seconds)
    return replayed


def read_ledger(reader: PortalClient, series: str, **query: str) -> Ledger:
    """All runs of a series with their values and newest scores; `query` narrows the runs."""
    runs = reader.results("forecast-runs/", series=series, page_size="1000", **query)
    scores: dict[int, dict[str, Any]] = {}
    for score in reader.results("scores/", series=series, page_size="1000"):
        scores.setdefault(score["forecast_run"], score)
    values = {run["id"]: reader.get(f"forecast-runs/{run['id']}/values/") for run in runs}
    return Ledger(runs=runs, values=values, scores=scores)


def _wrong_rungs(days: Days, ledger: Ledger) -> list[str]:
    given = {datetime.fromisoformat(run["issue_time"]): run["rung"] for run in ledger.runs}
    return [
        f"the run issued {at.isoformat()} is by {given.get(at)}, not by {rung}"
        for at, rung in zip(days.issue_times, days.rungs(), strict=True)
        if given.get(at) != rung
    ]


def _reproduce(replayed: Replayed, stack: Stack) -> None:
    """Make some runs again from their artifacts and the data of their cut-off: one of each rung, then by lot."""
    by_rung = {run["rung"]: run for run in replayed.ledger.runs}
    sample = list(by_rung.values())[:REPRODUCED]
    others = [run for run in replayed.ledger.runs if run not in sample]
    lot = random.Random(0)  # noqa: S311 - the same sample in every replay
    sample += lot.sample(others, min(REPRODUCED - len(sample), len(others)))
    with Portal(stack.portal_url, token=stack.credentials["service_token"]) as portal:
        for run in sample:
            try:
                reproduce_run(portal, run["id"], get_settings())
            except PipelineError as error:
                replayed.unlike.append(str(error))
            else:
                replayed.reproduced.append(f"{run['issue_time']} by {run['rung']}")


@contextmanager
def _acting(stack: Stack, progress: Progress) -> Iterator[_Actors]:
    users = stack.credentials["users"]
    forecaster = AirflowClient(stack.airflow_url, username="forecaster", password=users["forecaster"])
    login = {"username": "forecaster", "password": users["forecaster"]}
    # A token of Airflow's API lasts a day.
    token = httpx.post(f"{stack.airflow_url}/auth/token", json=login).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with (
        PortalClient(stack.portal_url, username="approver", password=users["approver"]) as approver,
        PortalClient(stack.portal_url, username="operator", password=users["operator"]) as operator,
        httpx.Client(base_url=stack.airflow_url, headers=headers, timeout=60) as airflow_api,
    ):
        yield _Actors(stack, progress, forecaster, approver, operator, airflow_api)
    forecaster.close()


@dataclass(frozen=True)
class _Actors:
    """The people of a replay: who trains and backfills, who approves, who reads."""

    stack: Stack
    progress: Progress
    forecaster: AirflowClient
    approver: PortalClient
    operator: PortalClient
    airflow_api: httpx.Client

    def prepare(self, days: Days) -> None:
        """Ingest the year; train and approve two champions, the second after the first."""
        with self.progress.step("DAGs parsed"):
            self._wait(lambda: set(DAGS) <= self.forecaster.dag_ids())
            for dag_id in DAGS:
                self.forecaster.unpause(dag_id)
        with self.progress.step("ingest the year"):
            self.run("ingest_demand", {"sources": [SOURCE], "as_of": KNOWN.isoformat()})
        for kind, as_of in zip(KINDS, days.trained, strict=True):
            with self.progress.step(f"train and approve {kind} as of {as_of:%d %B}"):
                asked = {"series": [SERIES], "as_of": as_of.isoformat(), "kinds": [kind], "tuning_trials": 0}
                self.run("train_models", asked)
                (model,) = self.approver.results("models/", series=SERIES, status="candidate")
                reason = f"Champion of the replay from {as_of:%d %B} on."
                self.approver.post(f"models/{model['id']}/approve/", {"reason": reason})

    def publish(self, days: Days) -> None:
        """Backfill the publications: one at a time until a champion could forecast, for each may lean on the last."""
        turn = next(number for number, at in enumerate(days.issue_times) if at >= days.trained[0])
        self._backfill("backfill, one day after another", days.issue_times[:turn], max_active_runs=1)
        self._backfill("backfill, two days at a time", days.issue_times[turn:], max_active_runs=2)

    def run(self, dag_id: str, parameters: dict[str, Any]) -> None:
        """Run a DAG to its end. Raises StackError with the first failed task's own words."""
        run = self.forecaster.trigger(dag_id, parameters)
        self._wait(lambda: self.forecaster.look(run).state in FINISHED, seconds=RUN_SECONDS)
        if self.forecaster.look(run).state == "failed":
            logs = [self.stack.home.airflow / "logs" / task.log for task in self.forecaster.failed_tasks(run)]
            raise StackError("\n  ".join([f"{dag_id} failed:", *(f"{error_of(log)} ({log})" for log in logs)]))

    def task_seconds(self) -> dict[str, list[float]]:
        """How long each task of the published days took."""
        taken: dict[str, list[float]] = {}
        for run in backfilled_runs(self.airflow_api, "publish_forecasts"):
            path = f"/api/v2/dags/publish_forecasts/dagRuns/{run['dag_run_id']}/taskInstances"
            for task in self.airflow_api.get(path).raise_for_status().json()["task_instances"]:
                taken.setdefault(task["task_id"], []).append(task["duration"])
        return taken

    def _backfill(self, title: str, issue_times: Sequence[datetime], *, max_active_runs: int) -> None:
        """A run per issue time, which is the end of its data interval of a day."""
        with self.progress.step(f"{title}: {len(issue_times)}"):
            asked = backfill(
                self.airflow_api,
                "publish_forecasts",
                first=issue_times[0] - DAY,
                last=issue_times[-1] - DAY,
                conf={"series": [SERIES]},
                max_active_runs=max_active_runs,
            )
            self._watch(asked, len(issue_times))

    def _watch(self, asked: int, days: int) -> None:
        """Wait until a backfill is over. Raises StackError when no run of it ends for long."""
        left, heard = days, time.monotonic()
        while time.monotonic() < heard + SILENCE_SECONDS:
            self.stack.supervisor.check()
            with suppress(httpx.HTTPError):  # one answer that is late is no news
                if is_over(self.airflow_api, asked):
                    return
                if (unfinished := self._unfinished()) < left:
                    left, heard = unfinished, time.monotonic()
            self.progress.tick(f"{days - left}/{days} days")
            time.sleep(POLL_SECONDS)
        raise StackError(f"{left} days are left, and none has ended for {SILENCE_SECONDS:.0f} s")

    def _unfinished(self) -> int:
        query: dict[str, Any] = {"run_type": "backfill", "state": ["queued", "running"], "limit": 1}
        answer = self.airflow_api.get("/api/v2/dags/publish_forecasts/dagRuns", params=query)
        return int(answer.raise_for_status().json()["total_entries"])

    def _wait(self, condition: Callable[[], bool], *, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.stack.supervisor.check()
            self.progress.tick()
            if time.monotonic() > deadline:
                raise StackError(f"nothing came of it in {seconds:.0f} s; see {self.stack.home.logs}")
            time.sleep(POLL_SECONDS)
