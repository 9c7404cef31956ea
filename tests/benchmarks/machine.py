"""What a run was measured on, and what only a fresh process can tell."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from tests.benchmarks.runner import NoAnswerError, answer
from tests.benchmarks.sources import ROOT

_IMPORT = """
import json, time
before = time.perf_counter()
import forecasting
print("RESULT " + json.dumps({"seconds": time.perf_counter() - before}))
"""


def facts() -> dict[str, str]:
    """Processor, memory, system and Python."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "processor": f"{processor()}, {os.cpu_count()} CPUs; each process on one of them, one thread",
        "memory": f"{pages:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }


def import_seconds(python: Path, *, times: int = 3) -> float | None:
    """Wall seconds of `import forecasting` in a fresh process, the best of a few; None where it fails."""
    try:
        rows = [answer([str(python), "-c", _IMPORT], timeout=60) for _ in range(times)]
    except NoAnswerError:
        return None
    return min(float(row["seconds"]) for row in rows if row)


def commit() -> str:
    """The commit that is measured, marked where the library differs from it; empty without git."""
    found = _git("rev-parse", "--short", "HEAD")
    return f"{found}, changed" if found and _git("status", "--porcelain", "--", "forecasting") else found


def commit_date() -> str:
    """The day of that commit, in UTC."""
    return _git("show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%d", "HEAD")


def _git(*arguments: str) -> str:
    environment = {**os.environ, "TZ": "UTC"}
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def processor() -> str:
    """The model's name as Linux tells it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
