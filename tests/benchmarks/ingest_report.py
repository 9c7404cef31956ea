"""Writing and reading as a document: the targets first, then every figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.ingest import Measured, Timing
from tests.benchmarks.verdicts import Verdict, judged

RAW, FORMATS = "raw", ("HTTP, Parquet", "HTTP, Arrow")
WRITE_SHARE, READ_RATIO = 0.6, 2.0
UNTARGETED = ("HTTP, JSON",)
METHOD = """\
The portal runs as in production: gunicorn, one worker, on an embedded PostgreSQL that waits for its disk. The floor is
psycopg2: COPY as text into a temporary table and `INSERT … ON CONFLICT DO NOTHING` from there into a table that has
nothing but its primary key; for reads, a SELECT of the same rows, fetched. What either side sends is made ready before
the clock starts; a read counts until the rows are had as a table. Both sides are measured in turn, each first on empty
tables, then with the same body again; medians over the repetitions, after one to warm up. Client, portal and PostgreSQL
share the machine's CPUs."""


def verdicts(measured: Measured) -> list[Verdict]:
    """The targets: a share of the floor's rate in writing, a repetition no slower than the first load, reads."""
    found = []
    for body, timings in measured.writes.items():
        for name in FORMATS:
            share = timings[RAW].median / timings[name].median
            found.append(judged(f"{name}: {body}", f"≥ {WRITE_SHARE} × raw", f"{share:.2f}", share >= WRITE_SHARE))
            again = timings[name].median / timings[f"{name} again"].median
            found.append(judged(f"{name}: {body}, the same again", "≥ 1 × the first load", f"{again:.2f}", again >= 1))
    for name, timing in measured.reads.items():
        if name.startswith("HTTP"):
            ratio = timing.median / measured.reads["raw SELECT"].median
            found.append(
                judged(
                    f"{name}: two years of half-hours", f"≤ {READ_RATIO:g} × raw", f"{ratio:.2f}", ratio <= READ_RATIO
                )
            )
    return found


def as_markdown(measured: Measured, **run: Any) -> str:
    """The whole document; `run` is what its opening tells: commit, date, command and machine."""
    parts = [
        *report.opening("Writing and reading observations", verdicts(measured), **run),
        "## How it is measured",
        METHOD,
        "## Writing",
        *(f"### {body}\n\n{_timings(timings)}" for body, timings in measured.writes.items()),
        "## Reading two years of half-hours of one series",
        _timings(measured.reads),
        "## Memory of the portal against the size of a body",
        report.table(
            ("rows", "body MiB", "worker before MiB", "worker at its peak MiB"),
            [(f"{rows:,}", f"{body:.1f}", f"{rest:.0f}", f"{peak:.0f}") for rows, body, rest, peak in measured.memory],
        ),
    ]
    if measured.files:
        rows = [
            (f"{rows:,}", f"{size:.1f}", f"{seconds:.1f}", f"{peak:.0f}")
            for rows, size, seconds, peak in measured.files
        ]
        parts += [
            "## Memory of the pipeline against the size of a file",
            report.table(("rows", "file MiB", "seconds", "process at its peak MiB"), rows),
        ]
    return "\n\n".join(parts) + "\n"


def _timings(timings: Mapping[str, Timing]) -> str:
    rows = [
        (
            name,
            f"{timing.rows:,}",
            f"{timing.median * 1000:,.1f}",
            f"{min(timing.seconds) * 1000:,.1f}–{max(timing.seconds) * 1000:,.1f}",
            f"{timing.rate:,.0f}",
        )
        for name, timing in timings.items()
    ]
    return report.table(("what", "rows", "median ms", "from–to ms", "rows per second"), rows)
