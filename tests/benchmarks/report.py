"""A run as a document: the targets first, misses named as misses, then every case with all that was measured."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

from tests.benchmarks import verdicts
from tests.benchmarks.results import Result, succeeded
from tests.benchmarks.sources import OURS, PEERS, UNIVARIATE
from tests.benchmarks.verdicts import Outcome, Verdict

PROTOCOL = """\
Each model forecasts 48 hours from each of 14 origins, every four days at local midnight. One process per case, regime
and model, one after another, each on one thread of one CPU. `uni` gives no covariates; `wx` gives the observed
temperature and public holidays, known ahead. CPU is that of fitting and of all 14 forecasts; imports and the
just-in-time compilation of a library's first call are not counted. "Fit once" models are fitted before the first
origin; the others before each, and all their fits count. Our models look up the public holidays of the country
themselves, in `uni` too. Models without covariates are measured in `uni` and compared in both regimes. The best peer is
chosen per case and measure, after the fact. With 14 origins, a few per cent are a tie."""
COLUMNS = (
    *("case", "regime", "model", "ours", "mae", "mase", "pinball", "coverage", "points", "cpu_fit", "cpu_predict"),
    *("memory", "version", "protocol", "commit", "error"),
)


@dataclass(frozen=True)
class Run:
    """All that the document tells."""

    results: Sequence[Result]
    importing: float | None
    """Seconds of `import forecasting`."""
    source: str
    date: str
    command: str
    machine: Mapping[str, str]
    recorded: Sequence[Mapping[str, str]] = field(default=())
    scaling: str = ""
    """A section of its own, or nothing."""


def as_csv(results: Iterable[Result]) -> str:
    """One line per row of the run, in MW, seconds and MiB."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for each in results:
        table.writerow([_exact(getattr(each, column)) for column in COLUMNS])
    return text.getvalue()


def as_markdown(run: Run, *, picture: str) -> str:
    """The whole document; `picture` is the file name of the Pareto picture."""
    parts = [
        "# Accuracy, calibration and cost beside other libraries",
        _heading(run),
        "## Targets",
        targets(verdicts.all_of(run.results, importing=run.importing)),
        "## Error against CPU",
        f"![MASE against CPU seconds, geometric means over the cases of each regime]({picture})",
        "## Over all cases",
        summary(run.results),
        "## Each case",
        PROTOCOL,
        *(_case(run.results, case, regime) for case, regime in verdicts.groups(run.results)),
        "## Models and versions",
        models(run.results),
    ]
    if run.scaling:
        parts += ["## Cost against length of history and number of series", run.scaling]
    measured = {each.model for each in run.results}
    cases = set(verdicts.groups(run.results))
    if elsewhere := [
        row
        for row in run.recorded
        if row["peer"] not in measured and (f"{row['dataset']}:{row['series']}", row["regime"]) in cases
    ]:
        parts += ["## Recorded elsewhere, not measured in this run", _recorded(elsewhere)]
    return "\n\n".join(parts) + "\n"


def _heading(run: Run) -> str:
    commits = sorted({each.commit for each in run.results if each.commit})
    several = " **Rows of several commits: not one run.**" if len(commits) > 1 else ""
    lines = [
        f"Measured on {run.date} at commit {', '.join(commits) or 'unknown'}, on the {run.source}.{several}",
        "All rows are of the same machine. To repeat it:",
        "",
        "```sh",
        run.command,
        "```",
        "",
        table(("machine", ""), list(run.machine.items())),
    ]
    return "\n".join(lines)


def opening(
    title: str, found: Sequence[Verdict], *, commit: str, date: str, command: str, machine: Mapping[str, str]
) -> list[str]:
    """How a document of one commit begins: what was measured where and when, how to repeat it, and the targets."""
    return [
        f"# {title}",
        f"Measured on {date} at commit {commit or 'unknown'}. To repeat it:\n\n```sh\n{command}\n```",
        table(("machine", ""), list(machine.items())),
        "## Targets",
        targets(found),
    ]


def targets(found: Sequence[Verdict]) -> str:
    """The verdicts, and how many there are of each outcome."""
    counts = Counter(each.outcome for each in found)
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    rows = [
        (each.what, each.target, each.reached, f"**{each.said}**" if each.outcome is Outcome.MISSED else each.said)
        for each in found
    ]
    return f"{said}.\n\n" + table(("what", "target", "reached", "outcome"), rows)


def summary(results: Sequence[Result]) -> str:
    """A line per model: ratios to the best peer, pooled coverage, all its CPU."""
    rows = []
    for model in _by_name(results):
        mine = [each for each in succeeded(results) if each.model == model]
        failures = len(verdicts.lacking(results, model))
        means = [
            verdicts.geometric_mean(ratio.value for ratio in verdicts.ratios(results, model, measure))
            for measure in verdicts.ERRORS.values()
        ]
        rows.append(
            (
                _name(mine[0] if mine else verdicts.lacking(results, model)[0]),
                f"{len(mine)}" + (f", **{failures} failed**" if failures else ""),
                _number(verdicts.geometric_mean(each.mase for each in mine if each.mase), 3),
                *(_number(mean, 3) for mean in means),
                _number(verdicts.pooled_coverage(results, model), 3),
                _number(sum(each.cpu or 0.0 for each in mine), 1),
                _number(max((each.memory or 0.0 for each in mine), default=None), 0),
            )
        )
    head = ("model", "rows", "MASE", "MAE / best peer", "pinball / best peer", "80 % coverage", "CPU s", "peak MiB")
    return "Geometric means over the rows of each model; coverage over all points.\n\n" + table(head, rows)


def _case(results: Sequence[Result], case: str, regime: str) -> str:
    good = sorted(verdicts.comparable(results, case, regime), key=lambda each: each.mae or 0.0)
    rows = [
        (
            _name(each) + (" (without covariates)" if regime != "uni" and each.model in UNIVARIATE else ""),
            _number(each.mae, 1),
            _number(each.mase, 3),
            _number(each.pinball, 1),
            _number(each.coverage, 3),
            _number(each.cpu_fit, 2),
            _number(each.cpu_predict, 2),
            _number(each.memory, 0),
        )
        for each in good
    ]
    failed = [each for each in results if (each.case, each.regime) == (case, regime) and each.error]
    rows += [(_name(each), "**failed**", *[""] * 6) for each in failed]
    head = ("model", "MAE MW", "MASE", "pinball MW", "80 % coverage", "CPU fit s", "CPU forecasts s", "peak MiB")
    reasons = "".join(f"\n\n{_name(each)} failed: `{each.error.replace('`', chr(39))}`" for each in failed)
    return f"### {case}, {regime}\n\n" + table(head, rows) + reasons


def models(results: Sequence[Result]) -> str:
    """What stands behind each name."""
    first = {each.model: each for each in reversed(results) if not each.error}
    rows = [
        (_name(each), each.version, each.protocol, OURS if each.ours else PEERS.get(model, ""))
        for model in _by_name(results)
        if (each := first.get(model))
    ]
    return "Ours are in `code`.\n\n" + table(("model", "versions", "protocol", "what"), rows)


def _recorded(rows: Sequence[Mapping[str, str]]) -> str:
    said = (
        "Heavy libraries that this run leaves out, as the harness's own record has them, measured on another machine. "
        "Their errors are on the same origins; their cost is not comparable and is left out, and no target is held "
        "against them."
    )
    head = ("case", "regime", "model", "versions", "MAE MW", "pinball MW", "80 % coverage")
    return f"{said}\n\n" + table(
        head,
        [
            (
                f"{row['dataset']}:{row['series']}",
                row["regime"],
                row["peer"],
                row["version"].replace(";", ", "),
                _number(_maybe(row["mae"]), 1),
                _number(_maybe(row["pinball_mean"]), 1),
                _number(_maybe(row["cover80"]), 3),
            )
            for row in rows
        ],
    )


def _by_name(results: Sequence[Result]) -> list[str]:
    """Models, ours first, in the order of measurement."""
    ordered = sorted(results, key=lambda each: not each.ours)
    return list(dict.fromkeys(each.model for each in ordered))


def _name(result: Result) -> str:
    return f"`{result.model}`" if result.ours else result.model


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _number(value: float | None, digits: int) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


def _maybe(text: str) -> float | None:
    return float(text) if text else None


def _exact(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
