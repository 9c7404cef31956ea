"""The ledger asked over HTTP, at two sizes, beside raw SQL in the same run, in turn, medians over repetitions.

The floor is a program of its own that knows what it looks for: psycopg fetches the rows of the answer by their keys
from the same tables. For publications it is COPY as text into a table with nothing but a primary key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pyarrow as pa

from tests.benchmarks import ledger_filling as filling
from tests.benchmarks.ingest import ARROW, PARQUET, Timing, as_parquet
from tests.benchmarks.ledger_filling import BETWEEN, START, VALUES, Size
from tests.benchmarks.portal_process import PortalProcess

SMALL, LARGE = Size(series=6, days=365), Size(series=20, days=3 * 365)
DECISIONS = 10_000
NOTHING = "nothing: an hour before the ledger begins"
DUE = "due for scoring"
DRY_RUN, AUDIT = "retention's dry run", "verify_audit"
ONE_RUN, MANY_RUNS = "publication of one run", "publication of 100 runs"
MANY = 100
"""Runs in one request: of as many series as divide it."""
ASKED = "zone-01"
KEEP_DAYS = 180
DAY, WEEK = timedelta(days=1), timedelta(days=7)
_RAW_TABLE = """
CREATE TABLE raw_value (run_id bigint, valid_time timestamptz, quantile float8, value float8,
    PRIMARY KEY (run_id, valid_time, quantile))
"""
_OF_A_RUN = """
SELECT valid_time, quantile, value FROM forecasts_forecastvalue WHERE run_id = %s ORDER BY valid_time, quantile
"""
# Consecutive times of one run are one key, so that the floor goes to each run once.
_BY_KEYS = """
SELECT value.valid_time, run_id, quantile, value
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS key (run_id, first, last)
    JOIN forecasts_forecastvalue AS value USING (run_id)
WHERE value.valid_time BETWEEN key.first AND key.last ORDER BY value.valid_time, quantile
"""
_BOTH_RUNS = """
SELECT valid_time, quantile, new.value, old.value FROM forecasts_forecastvalue AS new
    JOIN forecasts_forecastvalue AS old USING (valid_time, quantile)
WHERE new.run_id = %s AND old.run_id = %s ORDER BY valid_time, quantile
"""
_RUNS = "SELECT * FROM forecasts_forecastrun WHERE id = ANY(%s)"
_SCORES = "SELECT * FROM forecasts_forecastscore WHERE id = ANY(%s)"
_DUE_RUNS = "SELECT count(*), min(issue_time), max(issue_time) FROM forecasts_forecastrun WHERE issue_time < %s"
_CHAIN = """
SELECT decision.*, model.*, encode(sha256(convert_to(model.evidence::text, 'UTF8')), 'hex')
FROM registry_decision AS decision JOIN registry_modelversion AS model ON model.id = model_id ORDER BY number
"""


@dataclass(frozen=True)
class Pair:
    """One question: the portal's answer beside its floor."""

    ours: Timing
    floor: Timing


@dataclass
class Measured:
    """All that the document tells: by size, the seconds of filling and the questions by their name."""

    sizes: list[Size]
    decisions: int
    deciding: float = 0.0
    filling: list[dict[str, float]] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    """Of the database, when a size is reached."""
    questions: list[dict[str, Pair]] = field(default_factory=list)
    starting: list[float] = field(default_factory=list)
    """Median seconds in which a command of the portal starts and does nothing."""


@dataclass(frozen=True)
class Question:
    """A way to ask the portal, and one to have the same rows by SQL; both give how many those are."""

    name: str
    ask: Callable[[], int]
    floor: Callable[[], int]
    make_ready: Callable[[], None] = lambda: None
    """What the clock does not count, before each pair."""
    at_most: int = 1000
    """Repetitions of what takes long."""


def measure(
    portal: PortalProcess,
    *,
    sizes: Sequence[Size] = (SMALL, LARGE),
    decisions: int = DECISIONS,
    repetitions: int = 7,
    say: Callable[[str], None] = print,
) -> Measured:
    """Fill the ledger of a portal that has the series of the last size, and ask at each size."""
    measured = Measured(sizes=list(sizes), decisions=decisions)
    headers = {"Authorization": f"Token {portal.token}"}
    with (
        httpx.Client(base_url=f"{portal.url}/api/v1/", headers=headers, timeout=600) as http,
        psycopg.connect(portal.database_url, autocommit=True) as database,
    ):
        database.execute(_RAW_TABLE)
        try:
            before = time.perf_counter()
            models = filling.decide(database, decisions=decisions, series=sizes[-1].series)
            measured.deciding = time.perf_counter() - before
            reached = Size(series=0, days=0)
            for size in sizes:
                measured.filling.append(filling.grow(database, http, models, before=reached, to=size))
                say(f"{size.values:,} values: filled in {sum(measured.filling[-1].values()):.0f} s")
                measured.bytes.append(_fetched(database, "SELECT pg_database_size(current_database())")[0][0])
                bench = _Bench(portal, http, database, models, size, epoch=sizes.index(size))
                measured.questions.append(_asked(bench.questions(sizes[0]), repetitions, say))
                idle = [portal.manage("shell", "--command", "pass") for _ in range(min(repetitions, 3))]
                measured.starting.append(Timing("", 1, idle).median)
                filling.settle(database)
                reached = size
        finally:
            database.execute("DROP TABLE raw_value")
    return measured


def _asked(questions: Sequence[Question], repetitions: int, say: Callable[[str], None]) -> dict[str, Pair]:
    found = {}
    for question in questions:
        ways = {"ours": question.ask, "floor": question.floor}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        rows: dict[str, set[int]] = {name: set() for name in ways}
        # The first of each warms up: connections, plans, the file system.
        for _ in range(min(repetitions, question.at_most) + 1):
            question.make_ready()
            for name, way in ways.items():
                before = time.perf_counter()
                rows[name].add(way())
                seconds[name].append(time.perf_counter() - before)
        if rows["ours"] != rows["floor"] or len(rows["ours"]) != 1:
            raise RuntimeError(f"{question.name}: {rows['ours']} rows over HTTP, {rows['floor']} by SQL")
        (count,) = rows["ours"]
        pair = Pair(*(Timing(question.name, count, seconds[name][1:]) for name in ways))
        say(f"{question.name:44} {pair.ours.median * 1000:10.1f} ms {pair.floor.median * 1000:10.1f} ms {count:>9,}")
        found[question.name] = pair
    return found


class _Bench:
    """Both sides at one size of the ledger."""

    def __init__(
        self,
        portal: PortalProcess,
        http: httpx.Client,
        database: psycopg.Connection[Any],
        models: Mapping[str, int],
        size: Size,
        *,
        epoch: int,
    ) -> None:
        self.portal, self.http, self.database, self.size = portal, http, database, size
        self.models = dict(list(models.items())[: size.series])
        # Beside the hours at which the ledger is filled: no run is published twice.
        self.next_issue = size.end - BETWEEN + timedelta(minutes=1 + epoch)
        self.raw_runs = epoch * 10**9

    def questions(self, smallest: Size) -> list[Question]:
        """What is asked; of a period, the same at each size, so that the answers are the same ones."""
        end = smallest.end
        middle = START + (end - START) // 2 // DAY * DAY
        year = min(timedelta(days=365), (end - START) // DAY * DAY - 2 * DAY)
        hour = START - 2 * DAY
        together = max(number for number in range(1, len(self.models) + 1) if MANY % number == 0)
        known = "forecasts/as-known/"
        return [
            self._newest(NOTHING, known, hour, hour + timedelta(hours=1)),
            self._latest(),
            self._newest("as known at its beginning: a day", known, middle, middle + DAY, as_of=middle),
            self._newest("as known: a week", known, middle, middle + min(WEEK, end - middle), as_of=end),
            self._newest("as known: a year", known, end - year, end, as_of=end),
            self._newest("24 hours ahead: a week", "forecasts/by-lead-time/", middle, middle + min(WEEK, end - middle)),
            self._newest("24 hours ahead: a year", "forecasts/by-lead-time/", end - year, end),
            self._runs("runs issued in a week", "forecast-runs/", issued_from=middle, issued_to=middle + WEEK),
            *self._of_a_run(middle),
            self._runs(DUE, "forecast-runs/due-for-scoring/", as_of=self.size.end),
            self._scores("scores of a week's runs", series=ASKED, issued_from=middle, issued_to=middle + WEEK),
            self._scores("scores, the last 100 of a series", series=ASKED),
            self._scores("scores, the newest of each run, 100 of a series", series=ASKED, newest="true"),
            self._scores("scores, the last 100 of all"),
            self._dry_run(),
            Question(AUDIT, self._audit, lambda: self._fetch(_CHAIN), at_most=3),
            self._publication(ONE_RUN, series=1, runs=1),
            self._publication(MANY_RUNS, series=together, runs=MANY // together),
        ]

    def _get(self, path: str, **query: Any) -> Any:
        return _answered(self.http.get(path, params=_texts(query))).json()

    def _table(self, path: str, **query: Any) -> pa.Table:
        answer = _answered(self.http.get(path, params=_texts(query), headers={"Accept": ARROW}))
        return pa.ipc.open_stream(answer.content).read_all()

    def _fetch(self, query: str, *parameters: Any) -> int:
        return len(_fetched(self.database, query, *parameters))

    def _latest(self) -> Question:
        def ask() -> int:
            return 3 * len(self._get("forecasts/latest/", series=ASKED)["values"])

        run = self._get("forecasts/latest/", series=ASKED)["id"]
        return Question("latest", ask, lambda: self._fetch(_OF_A_RUN, run))

    def _newest(self, name: str, path: str, start: datetime, end: datetime, **query: Any) -> Question:
        query = {"series": ASKED, "start": start, "end": end, **query}
        keys: list[list[Any]] = [[], [], []]
        table = self._table(path, **query).select(["run", "valid_time"]).to_pydict()
        for run, at in zip(table["run"], table["valid_time"], strict=True):
            if not keys[0] or keys[0][-1] != run:
                keys = [[*keys[0], run], [*keys[1], at], [*keys[2], at]]
            keys[2][-1] = at
        return Question(name, lambda: self._table(path, **query).num_rows, lambda: self._fetch(_BY_KEYS, *keys))

    def _runs(self, name: str, path: str, **query: Any) -> Question:
        query = {"series": ASKED, "page_size": 100, **query}
        ids = [run["id"] for run in self._get(path, **query)["results"]]
        return Question(name, lambda: len(self._get(path, **query)["results"]), lambda: self._fetch(_RUNS, ids))

    def _of_a_run(self, issued: datetime) -> list[Question]:
        (run,) = self._get("forecast-runs/", series=ASKED, issue_time=issued)["results"]
        values, revision = f"forecast-runs/{run['id']}/values/", f"forecast-runs/{run['id']}/revision/"
        before = self._get(revision)["against"]["id"]
        return [
            Question(
                "the run of an issue time",
                lambda: len(self._get("forecast-runs/", series=ASKED, issue_time=issued)["results"]),
                lambda: self._fetch(_RUNS, [run["id"]]),
            ),
            Question(
                "values of a run", lambda: self._table(values).num_rows, lambda: self._fetch(_OF_A_RUN, run["id"])
            ),
            Question(
                "revision: what a run changed",
                lambda: self._table(revision).num_rows,
                lambda: self._fetch(_BOTH_RUNS, run["id"], before),
            ),
        ]

    def _scores(self, name: str, **query: Any) -> Question:
        query = {"page_size": 100, **query}
        ids = [score["id"] for score in self._get("scores/", **query)["results"]]
        return Question(name, lambda: len(self._get("scores/", **query)["results"]), lambda: self._fetch(_SCORES, ids))

    def _dry_run(self) -> Question:
        rules = "UPDATE retention_retentionrule SET keep_days = %s, enabled = true WHERE kind = ANY(%s)"
        self.database.execute(rules, (KEEP_DAYS, ["forecast_runs", "superseded_scores"]))
        body = {"as_of": self.size.end.isoformat(), "dry_run": True}
        cutoff = self.size.end - timedelta(days=KEEP_DAYS)

        def ask() -> int:
            outcomes = _answered(self.http.post("retention-runs/", json=body)).json()["outcomes"]
            return next(each["found"] for each in outcomes if each["kind"] == "forecast_runs")

        def floor() -> int:
            return int(_fetched(self.database, _DUE_RUNS, cutoff)[0][0])

        return Question(DRY_RUN, ask, floor)

    def _audit(self) -> int:
        self.portal.manage(AUDIT)
        return int(_fetched(self.database, "SELECT count(*) FROM registry_decision")[0][0])

    def _publication(self, name: str, *, series: int, runs: int) -> Question:
        models = dict(list(self.models.items())[-series:])
        rows = series * runs * VALUES
        bodies: list[bytes] = []
        texts: list[str] = []

        def make_ready() -> None:
            table = filling.runs_of(models, first=self.next_issue, runs=runs)
            self.next_issue += runs * BETWEEN
            bodies.append(as_parquet(table))
            texts.append(self._text_of(table))

        def ask() -> int:
            published = filling.post(self.http, "forecasts/bulk/", bodies.pop(), PARQUET)["runs"]
            return VALUES * sum(run["status"] == "created" for run in published)

        def floor() -> int:
            with self.database.cursor() as cursor, cursor.copy("COPY raw_value FROM STDIN") as copy:
                copy.write(texts.pop())
            return rows

        return Question(name, ask, floor, make_ready)

    def _text_of(self, table: pa.Table) -> str:
        """The body as COPY takes it."""
        first, self.raw_runs = self.raw_runs, self.raw_runs + table.num_rows // VALUES
        times, quantiles, values = (
            table.column(name).cast(pa.string()).to_pylist() for name in ("valid_time", "quantile", "value")
        )
        rows = enumerate(zip(times, quantiles, values, strict=True))
        return "".join(f"{first + row // VALUES}\t{a}\t{b}\t{c}\n" for row, (a, b, c) in rows)


def _fetched(database: psycopg.Connection[Any], query: str, *parameters: Any) -> list[Any]:
    return database.execute(query, parameters).fetchall()


def _answered(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise RuntimeError(f"{answer.request.url}: {answer.status_code} {answer.text[:300]}")
    return answer


def _texts(query: Mapping[str, Any]) -> dict[str, str]:
    return {name: each.isoformat() if isinstance(each, datetime) else str(each) for name, each in query.items()}
