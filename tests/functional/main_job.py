"""The main job on the small town, as a process that can be killed: ``python -m tests.functional.main_job``."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from stack.assembly import Stack, running_stack
from stack.demo import run_main_job
from stack.portal_client import PortalClient
from stack.progress import Progress
from tests.functional.town import REPLAY

MODEL_FACTS = ("version", "kind", "status", "training_key", "artifact_sha256", "trained_by", "approved_by")
RUN_FACTS = ("issue_time", "rung", "reason", "data_cutoff", "quantiles", "value_count")
SCORE_FACTS = ("issue_time", "as_of", "n", "mae", "pinball", "baseline")


def state_of(stack: Stack) -> dict[str, Any]:
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
        json.dump(state_of(stack), sys.stdout)


if __name__ == "__main__":
    main()
