"""Writing and reading observations over HTTP beside raw PostgreSQL in the same run, in turn, medians over repetitions.

The floor is what a program of its own would do with psycopg2: COPY as text into a temporary table and INSERT … ON
CONFLICT DO NOTHING from there, into a table of its own in the same database that has nothing but its primary key; and a
SELECT of the rows that a read gives, fetched. What either side sends is made ready before the clock starts.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.portal_process import PortalProcess, running_portal
from tests.benchmarks.runner import NoAnswerError, answer

SERIES = [f"zone-{number:02}" for number in range(20)]
START = datetime(2022, 1, 1, tzinfo=UTC)
TWO_YEARS = 2 * 365 * 48
BODIES = {
    "a week of 20 series": (20, 7 * 48),
    "a quarter of 20 series": (20, 92 * 48),
    "two years of 5": (5, TWO_YEARS),
}
"""Series and intervals of a body: a nightly run, what an ingest sends at once, and a first load."""
MEMORY_ROWS = (10_000, 100_000, 500_000, 2_000_000)
FILE_ROWS = (10_000, 100_000, 500_000)
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
_RAW_TABLE = """
CREATE TABLE raw_observation (series_id bigint, valid_time timestamptz, known_at timestamptz, value float8,
    PRIMARY KEY (series_id, valid_time, known_at))
"""
_RAW_MERGE = """
INSERT INTO raw_observation SELECT series_id, valid_time, known_at, value FROM raw
ON CONFLICT (series_id, valid_time, known_at) DO NOTHING
"""
_RAW_READ = """
SELECT valid_time, value, known_at FROM series_observation WHERE series_id = %s ORDER BY valid_time
"""


@dataclass(frozen=True)
class Timing:
    """Seconds of one thing, over all repetitions."""

    what: str
    rows: int
    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.median


@dataclass
class Measured:
    """All that the document tells."""

    writes: dict[str, dict[str, Timing]] = field(default_factory=dict)
    reads: dict[str, Timing] = field(default_factory=dict)
    memory: list[tuple[int, float, float, float]] = field(default_factory=list)
    """Rows, MiB of the body, MiB of the worker at rest before, and at its peak."""
    files: list[tuple[int, float, float, float]] = field(default_factory=list)
    """Rows, MiB of the file, seconds of ingesting it, MiB of the process at its peak."""


def catalog() -> dict[str, Any]:
    """The series that are written to, and the sources of files that are ingested."""
    facts = {"quantity": "load", "unit": "MW", "timezone": "Europe/London"}
    series = [{"slug": slug, "name": slug, **facts, "resolution": "PT30M"} for slug in SERIES]
    series += [
        {"slug": f"minutes-{rows}", "name": f"{rows} minutes", **facts, "resolution": "PT1M"} for rows in FILE_ROWS
    ]
    sources = [
        {
            "slug": f"file-{rows}",
            "name": f"{rows} rows",
            "kind": "file",
            "url": f"{rows}.csv",
            "options": {
                "time_column": "time",
                "time_zone": "UTC",
                "columns": [{"column": "load", "series": f"minutes-{rows}"}],
            },
        }
        for rows in FILE_ROWS
    ]
    return {"series": series, "sources": sources}


def table_of(series: int, intervals: int) -> pa.Table:
    """A body: half-hours of several series, each known half an hour after its end."""
    generator = np.random.default_rng(0)
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(intervals) * np.timedelta64(30, "m")
    valid = np.tile(times, series)
    utc = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "series": pa.array(np.repeat(SERIES[:series], intervals), pa.string()),
            "valid_time": pa.array(valid, pa.timestamp("us")).cast(utc),
            "value": pa.array(np.round(generator.uniform(500, 9000, series * intervals), 2)),
            "known_at": pa.array(valid + np.timedelta64(60, "m"), pa.timestamp("us")).cast(utc),
        }
    )


def as_parquet(table: pa.Table) -> bytes:
    """As `include` sends it."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def as_arrow(table: pa.Table) -> bytes:
    """An Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


class Bench:
    """The two sides, on one database."""

    def __init__(self, portal: PortalProcess) -> None:
        self.portal = portal
        self.database = psycopg2.connect(portal.database_url)
        headers = {"Authorization": f"Token {portal.token}"}
        self.http = httpx.Client(base_url=f"{portal.url}/api/v1/", headers=headers, timeout=600)
        with self.database.cursor() as cursor:
            cursor.execute("SELECT slug, id FROM series_series")
            self.ids = dict(cursor.fetchall())
            cursor.execute(_RAW_TABLE)
        self.database.commit()

    def empty(self) -> None:
        """Forget all observations."""
        with self.database.cursor() as cursor:
            cursor.execute("TRUNCATE series_observation, raw_observation")
        self.database.commit()
        self.settle()

    def settle(self) -> None:
        """Let the server write out what it owes, so that no measurement pays for the one before."""
        self.database.autocommit = True
        with self.database.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE series_observation, raw_observation")
            cursor.execute("CHECKPOINT")
        self.database.autocommit = False

    def text_of(self, table: pa.Table) -> str:
        """The body as COPY takes it; making it is not part of the floor."""
        valid, known = (table.column(name).cast(pa.string()).to_pylist() for name in ("valid_time", "known_at"))
        ids, values = [self.ids[slug] for slug in table.column("series").to_pylist()], table.column("value").to_pylist()
        return "".join(f"{a}\t{b}\t{c}\t{d}\n" for a, b, c, d in zip(ids, valid, known, values, strict=True))

    def raw_write(self, text: str) -> float:
        """Seconds of COPY and merge by psycopg2."""
        before = time.perf_counter()
        with self.database.cursor() as cursor:
            layout = "series_id int8, valid_time timestamptz, known_at timestamptz, value float8"
            cursor.execute(f"CREATE TEMPORARY TABLE raw ({layout}) ON COMMIT DROP")
            cursor.copy_expert("COPY raw FROM STDIN", io.StringIO(text))
            cursor.execute(_RAW_MERGE)
        self.database.commit()
        return time.perf_counter() - before

    def http_write(self, body: bytes, kind: str, *, rows: int, verdict: str) -> float:
        """Seconds of one request of which every row is `verdict`."""
        before = time.perf_counter()
        answer = self.http.post("observations/bulk/", content=body, headers={"Content-Type": kind})
        seconds = time.perf_counter() - before
        if answer.status_code != 200 or answer.json()[verdict] != rows:
            raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
        return seconds

    def raw_read(self, slug: str) -> float:
        """Seconds of a SELECT of all rows of a series, fetched."""
        before = time.perf_counter()
        with self.database.cursor() as cursor:
            cursor.execute(_RAW_READ, (self.ids[slug],))
            rows = cursor.fetchall()
        seconds = time.perf_counter() - before
        self.database.commit()
        if len(rows) != TWO_YEARS:
            raise RuntimeError(f"{len(rows)} rows")
        return seconds

    def http_read(self, slug: str, kind: str) -> float:
        """Seconds until the observations known now are had, as a table or as JSON."""
        query = {"as_of": datetime.now(UTC).isoformat()}
        before = time.perf_counter()
        answer = self.http.get(f"series/{slug}/observations/", params=query, headers={"Accept": kind})
        if kind == PARQUET:
            count = pq.read_table(pa.BufferReader(answer.content)).num_rows
        elif kind == ARROW:
            count = pa.ipc.open_stream(answer.content).read_all().num_rows
        else:
            count = len(answer.json())
        seconds = time.perf_counter() - before
        if count != TWO_YEARS:
            raise RuntimeError(f"{answer.status_code}: {count} rows")
        return seconds


def measure(repetitions: int = 7) -> Measured:
    """Start a portal and measure everything; a line is printed for each."""
    measured = Measured()
    with running_portal(catalog()) as portal:
        bench = Bench(portal)
        for name, (series, intervals) in BODIES.items():
            measured.writes[name] = _writes(bench, table_of(series, intervals), repetitions)
            _say(name, measured.writes[name].values())
        bench.empty()
        years = table_of(5, TWO_YEARS)
        bench.http_write(as_arrow(years), ARROW, rows=years.num_rows, verdict="inserted")
        bench.settle()
        measured.reads = _reads(bench, repetitions)
        _say("reading", measured.reads.values())
        measured.memory = _memory(bench)
        for rows, body, rest, peak in measured.memory:
            print(f"memory    {rows:>9,} rows in {body:6.1f} MiB: {rest:.0f} MiB at rest, {peak:.0f} MiB", flush=True)
        measured.files = _files(portal)
        for rows, size, seconds, peak in measured.files:
            print(f"ingest    {rows:>9,} rows in {size:6.1f} MiB: {seconds:.1f} s, {peak:.0f} MiB", flush=True)
    return measured


def _writes(bench: Bench, table: pa.Table, repetitions: int) -> dict[str, Timing]:
    rows, text = table.num_rows, bench.text_of(table)
    bodies = {"HTTP, Parquet": (as_parquet(table), PARQUET), "HTTP, Arrow": (as_arrow(table), ARROW)}
    seconds: dict[str, list[float]] = {"raw": [], "raw again": []}
    for _ in range(repetitions + 1):
        bench.empty()
        seconds["raw"].append(bench.raw_write(text))
        bench.settle()
        seconds["raw again"].append(bench.raw_write(text))
        for name, (body, kind) in bodies.items():
            bench.empty()
            first = bench.http_write(body, kind, rows=rows, verdict="inserted")
            seconds.setdefault(name, []).append(first)
            bench.settle()
            again = bench.http_write(body, kind, rows=rows, verdict="unchanged")
            seconds.setdefault(f"{name} again", []).append(again)
    # The first of each warms up: connections, imports, the file system.
    return {name: Timing(name, rows, taken[1:]) for name, taken in seconds.items()}


def _reads(bench: Bench, repetitions: int) -> dict[str, Timing]:
    ways: dict[str, Callable[[], float]] = {
        "raw SELECT": lambda: bench.raw_read(SERIES[2]),
        "HTTP, Arrow": lambda: bench.http_read(SERIES[2], ARROW),
        "HTTP, Parquet": lambda: bench.http_read(SERIES[2], PARQUET),
        "HTTP, JSON": lambda: bench.http_read(SERIES[2], "application/json"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3 * repetitions + 1):
        for name, way in ways.items():
            seconds[name].append(way())
    return {name: Timing(name, TWO_YEARS, taken[1:]) for name, taken in seconds.items()}


def _memory(bench: Bench) -> list[tuple[int, float, float, float]]:
    found = []
    for rows in MEMORY_ROWS:
        bench.empty()
        series = 20
        body = as_parquet(table_of(series, rows // series))
        rest = bench.portal.memory_mb()
        bench.portal.forget_peak()
        bench.http_write(body, PARQUET, rows=rows, verdict="inserted")
        found.append((rows, len(body) / 2**20, rest, bench.portal.peak_memory_mb()))
    return found


def _files(portal: PortalProcess) -> list[tuple[int, float, float, float]]:
    """Ingest files of several sizes with the pipeline's own task, each in a process of its own."""
    found = []
    os.environ["GRIDCAST_BENCH_TOKEN"] = portal.token
    with tempfile.TemporaryDirectory(prefix="gridcast-files-") as folder:
        for rows in FILE_ROWS:
            file = Path(folder) / f"{rows}.csv"
            times = pd.date_range(START, periods=rows, freq="min").strftime("%Y-%m-%d %H:%M")
            load = np.round(np.random.default_rng(0).uniform(500, 9000, rows), 1)
            pd.DataFrame({"time": times, "load": load}).to_csv(file, index=False)
            command = [sys.executable, "-m", "tests.benchmarks.ingest_file", portal.url, f"file-{rows}", folder]
            try:
                row = answer(command, timeout=600)
            except NoAnswerError as error:
                print(f"ingest    {rows} rows FAILED: {error}", flush=True)
                continue
            if row is not None:
                found.append((rows, file.stat().st_size / 2**20, float(row["seconds"]), float(row["memory"])))
    return found


def _say(what: str, timings: Any) -> None:
    for timing in timings:
        print(f"{what:24} {timing.what:22} {timing.median * 1000:9.1f} ms {timing.rate:12,.0f} rows/s", flush=True)
