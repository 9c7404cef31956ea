"""One file ingested by the pipeline's own task, in a process of its own: its seconds and its peak memory.

``python -m tests.benchmarks.ingest_file URL SOURCE FOLDER``, the token in GRIDCAST_BENCH_TOKEN.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime

from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.ingest import ingest_source
from tests.benchmarks.protocol import peak_memory_mb


def main(url: str, source: str, folder: str) -> None:
    """Ingest and tell."""
    settings = Settings(data_url=f"file://{folder}")
    with Portal(url, token=os.environ["GRIDCAST_BENCH_TOKEN"]) as portal:
        as_of = datetime(2026, 1, 1, tzinfo=UTC)
        run = Run(
            dag_id="ingest_demand",
            run_id=f"benchmark__{source}",
            as_of=as_of,
            started_at=as_of,
            is_last_try=True,
            interval_start=None,
            triggered_by="",
            params={},
            events=[],
            settings=settings,
            portal=portal,
        )
        before = time.perf_counter()
        ingest_source(run, source, as_of=as_of)
        seconds = time.perf_counter() - before
    print("RESULT " + json.dumps({"seconds": seconds, "memory": peak_memory_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
