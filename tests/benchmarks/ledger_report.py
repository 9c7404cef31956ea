"""The questions to the ledger as a document: the targets first, then every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.ledger import AUDIT, DRY_RUN, DUE, KEEP_DAYS, MANY_RUNS, NOTHING, ONE_RUN, Measured, Pair
from tests.benchmarks.ledger_filling import Size
from tests.benchmarks.verdicts import Verdict, judged

OVERHEAD_MS, RATIO, SCALING = 20.0, 3.0, 1.5
COMMAND_RATIO = 5.0
MANY_SHARE = 0.5
METHOD = f"""\
The portal runs as in production: gunicorn, one worker, on an embedded PostgreSQL that waits for its disk. Observations
are sent to it as the pipeline sends them; runs, scores (two of each run) and decisions are inserted by SQL, under the
same constraints and triggers, and the tables are analysed. Of a run there are 96 half-hours and three quantiles, issued
every six hours. The ledger grows from the smaller size to the larger: more days of each series, and more series. The
same questions are asked at both: where a question names a period, about the same one.

The floor is psycopg: the rows of the answer, fetched by their keys from the same tables by a program that knows them
already, the run of each hour too. It does not count pages, look for the newest run, ask what is due, or make local
times, all of which is in the portal's time. Of a dry run the floor is one count of the runs that are old; of
`{AUDIT}`, which is a command, all decisions with their models and the SHA-256 of their evidence, fetched, and the time
in which a command starts and does nothing is taken off; of publications, COPY as text into a table that has nothing but
its primary key, against Parquet over HTTP with every rule applied. Answers are Arrow streams, or JSON where there is no
other. Both sides are asked in turn; medians over the repetitions, after one to warm up. Client, portal and PostgreSQL
share the machine's CPUs with whatever else runs there; a load above that of this run, which keeps two of them busy, is
other work, and slows both sides, the portal's Python more than the server's C: the ratios count, not the milliseconds.

The overhead is what a question costs that finds nothing: the request, the check of the token, an empty table. It is
stated apart, and taken off before an answer is held against its floor. Minutes pass between the two sizes: how the
floor itself changed, which fetches the same rows, says how much of a difference is the machine's load.

Known costs: what is due for scoring is looked for among all runs of the series, however old; a list counts all that it
has pages of; a publication checks at its commit, value by value, that the run is there, which a bare table does not.
JSON of a list is made row by row."""


def verdicts(measured: Measured) -> list[Verdict]:
    """The overhead; each question against its floor in the largest ledger; each against itself in the smallest."""
    large = measured.questions[-1]
    overhead = large[NOTHING].ours.median
    found = [_milliseconds("overhead of a request", overhead)]
    for name, pair in large.items():
        if name == NOTHING:
            continue
        if name == MANY_RUNS:
            share = pair.floor.median / pair.ours.median
            found.append(judged(name, f"≥ {MANY_SHARE:g} × COPY", f"{share:.2f}", share >= MANY_SHARE))
            continue
        most = COMMAND_RATIO if name in (AUDIT, DRY_RUN) else RATIO
        ratio = _beyond(measured, -1, name, pair) / pair.floor.median
        found.append(
            judged(name, f"≤ {most:g} × {'COPY' if name == ONE_RUN else 'raw'}", f"{ratio:.2f}", ratio <= most)
        )
    if len(measured.sizes) > 1:
        found += [_scaling(measured, name) for name in large]
    return found


def as_markdown(measured: Measured, **run: Any) -> str:
    """The whole document; `run` is what its opening tells: commit, date, command and machine."""
    parts = [
        *report.opening("Asking the ledger", verdicts(measured), **run),
        "## How it is measured",
        METHOD,
        "## Filling",
        _filling(measured),
        *(
            f"## In a ledger of {size.values:,} values\n\n{_pairs(questions)}"
            for size, questions in zip(measured.sizes, measured.questions, strict=True)
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _milliseconds(what: str, seconds: float) -> Verdict:
    return judged(what, f"≤ {OVERHEAD_MS:g} ms", f"{seconds * 1000:.1f} ms", seconds * 1000 <= OVERHEAD_MS)


def _beyond(measured: Measured, size: int, name: str, pair: Pair) -> float:
    """The seconds that an answer takes beyond what any answer does."""
    if name == AUDIT:
        return max(0.0, pair.ours.median - measured.starting[size])
    return max(0.0, pair.ours.median - measured.questions[size][NOTHING].ours.median)


def _scaling(measured: Measured, name: str) -> Verdict:
    small, large = measured.questions[0][name], measured.questions[-1][name]
    ratio = large.ours.median / small.ours.median
    growth, why = _growth(measured.sizes, name, rows=max(1, large.ours.rows) / max(1, small.ours.rows))
    most = SCALING * growth
    told = f"≤ {SCALING:g} × {growth:.3g}{why}" if why else f"≤ {SCALING:g} ×"
    drift = large.floor.median / small.floor.median
    return judged(f"{name}: large to small ledger", told, f"{ratio:.2f} (floor {drift:.2f})", ratio <= most)


def _growth(sizes: Sequence[Size], name: str, *, rows: float) -> tuple[float, str]:
    """By how much the work grows that the question asks for, and why."""
    if name == DRY_RUN:
        return rows, ", of what is old"
    if name == DUE:
        return sizes[-1].days / sizes[0].days, ", of the series' runs"
    return 1.0, ""


def _filling(measured: Measured) -> str:
    steps = list(measured.filling[0])
    rows = [
        (
            f"{size.values:,}",
            f"{size.runs:,}",
            f"{size.series} × {size.days:,}",
            f"{held / 2**30:.1f}",
            *(f"{taken[step]:.0f}" for step in steps),
        )
        for size, taken, held in zip(measured.sizes, measured.filling, measured.bytes, strict=True)
    ]
    head = ("values", "runs", "series × days", "database GiB", *(f"{step} s" for step in steps))
    decided = f"{measured.decisions:,} decisions were recorded before, in {measured.deciding:.0f} s. A dry run of the"
    kept = f"retention keeps runs and superseded scores for {KEEP_DAYS} days."
    return f"{report.table(head, rows)}\n\n{decided} {kept}"


def _pairs(questions: Mapping[str, Pair]) -> str:
    rows = [
        (
            name,
            f"{pair.ours.rows:,}",
            *(
                f"{1000 * value:,.1f}"
                for value in (pair.ours.median, min(pair.ours.seconds), max(pair.ours.seconds), pair.floor.median)
            ),
            f"{pair.ours.median / pair.floor.median:.2f}",
            f"{pair.ours.rate:,.0f}" if name in (ONE_RUN, MANY_RUNS) else "",
        )
        for name, pair in questions.items()
    ]
    head = ("question", "rows", "median ms", "least", "most", "floor, median ms", "ratio", "values per second")
    return report.table(head, rows)
