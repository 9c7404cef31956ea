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
from include.settings import Settings
from include.tasks.ingest import ingest_source
from tests.benchmarks.protocol import peak_memory_mb


def main(url: str, source: str, folder: str) -> None:
    """Ingest and tell."""
    settings = Settings(data_url=f"file://{folder}")
    with Portal(url, token=os.environ["GRIDCAST_BENCH_TOKEN"]) as portal:
        before = time.perf_counter()
        ingest_source(portal, source, as_of=datetime(2026, 1, 1, tzinfo=UTC), settings=settings)
        seconds = time.perf_counter() - before
    print("RESULT " + json.dumps({"seconds": seconds, "memory": peak_memory_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
