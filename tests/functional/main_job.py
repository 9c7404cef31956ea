"""The main job on the small town, as a process that can be killed: ``python -m tests.functional.main_job [--stay]``.

A supervisor owns all children of its process, and a fork of the tests' own process, where JAX may have been loaded,
could hang. It prints one line of JSON, a `Report`; with ``--stay`` the stack then runs on until stdin is closed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stack.assembly import Stack, running_stack
from stack.demo import run_main_job
from stack.home import CHECKOUT, Home
from stack.portal_client import PortalClient
from stack.progress import Progress
from tests.functional.town import REPLAY

MODEL_FACTS = ("version", "kind", "status", "training_key", "artifact_sha256", "trained_by", "approved_by")
RUN_FACTS = ("issue_time", "rung", "reason", "data_cutoff", "quantiles", "value_count")
SCORE_FACTS = ("issue_time", "as_of", "n", "mae", "pinball", "baseline")
COMMAND = [sys.executable, "-m", "tests.functional.main_job"]


@dataclass(frozen=True)
class Report:
    """Where the stack answers, its passwords, and what the job left in the portal."""

    root: str
    portal_url: str
    airflow_url: str
    credentials: Mapping[str, Any]
    state: Mapping[str, Any]

    @property
    def home(self) -> Home:
        return Home(Path(self.root))


@contextmanager
def stack_after_the_job(environment: Mapping[str, str]) -> Iterator[Report]:
    """The running stack, in a process of its own, after an undisturbed main job."""
    with subprocess.Popen(
        [*COMMAND, "--stay"], cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the main job failed with exit code {process.wait()}; its message is on stderr"
        yield Report(**json.loads(line))
        process.stdin.close()
    assert process.returncode == 0


def _state_of(stack: Stack) -> dict[str, Any]:
    """What the job leaves in the portal, without ids and times of writing."""
    with PortalClient(stack.portal_url, username="operator", password=stack.credentials["users"]["operator"]) as reader:
        runs = reader.results("forecast-runs/", series=REPLAY.series)
        return {
            "models": _facts(reader.results("models/", series=REPLAY.series), MODEL_FACTS),
            "runs": _facts(runs, RUN_FACTS),
            "values": {run["issue_time"]: reader.get(f"forecast-runs/{run['id']}/values/") for run in runs},
            "scores": _facts(reader.results("scores/", series=REPLAY.series), SCORE_FACTS),
            "observations": reader.get(f"series/{REPLAY.series}/observations/"),
            "quarantine": reader.get("quarantine/")["count"],
        }


def _facts(entries: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return sorted(({name: entry[name] for name in names} for entry in entries), key=json.dumps)


def main() -> None:
    progress = Progress(sys.stderr)
    with running_stack(os.environ, progress=progress) as stack:
        run_main_job(stack, progress=progress, replays=[REPLAY])
        report = Report(
            root=str(stack.home.root),
            portal_url=stack.portal_url,
            airflow_url=stack.airflow_url,
            credentials=stack.credentials,
            state=_state_of(stack),
        )
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
        sys.stdout.flush()
        if "--stay" in sys.argv:
            sys.stdin.read()


if __name__ == "__main__":
    main()
