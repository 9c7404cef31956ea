"""Measure, then write docs/benchmarks/: accuracy beside other libraries, ingest and ledger beside SQL, a replay."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from itertools import pairwise
from pathlib import Path

from tests.benchmarks import machine, picture, report, results, runner, scaling, sources

SCRATCH = sources.ROOT / "build" / "benchmarks"
DOCUMENTS = sources.ROOT / "docs" / "benchmarks"
OUTER = "../shared/bench"
PARTS = ("accuracy", "ingest", "ledger", "replay")


def parser() -> argparse.ArgumentParser:
    """The options of a run; with make, in BENCH_ARGS."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    made.add_argument(
        "--only",
        choices=PARTS,
        help="one part: accuracy beside other libraries, ingest or the ledger beside raw SQL, a year through Airflow",
    )
    made.add_argument("--days", type=int, help="that are replayed; default: the year")
    made.add_argument("--repetitions", type=int, default=7, help="of each measurement of ingest and of the ledger")
    made.add_argument(
        "--sizes",
        type=_sizes,
        default=(),
        help="SERIESxDAYS,… of the ledger, each at least the one before; default: 6x365,20x1095 (25 million values)",
    )
    made.add_argument("--decisions", type=int, default=10_000, help="about models, in the ledger's portal")
    made.add_argument("--cases", type=_names, default=(), help="DATASET:SERIES,…; default: those of the protocol")
    made.add_argument("--all", action="store_true", help="every series that the harness has data of")
    made.add_argument("--models", type=_names, default=(), help="our kinds; default: all that the library has")
    made.add_argument("--peers", type=_names, default=None, help="of the other libraries' models; default: all")
    made.add_argument("--skip-done", action="store_true", help="go on with the last run: keep the rows that succeeded")
    made.add_argument("--no-scaling", action="store_true", help="leave out the cost against history and series")
    made.add_argument("--timeout", type=float, default=3600, help="seconds that one process may take")
    made.add_argument("--date", default=machine.commit_date(), help="of the document; default: the commit's")
    made.add_argument("--output", type=Path, default=DOCUMENTS, help="folder of the document")
    made.add_argument("--scratch", type=Path, default=SCRATCH, help="folder of the rows and of the harness's copy")
    made.add_argument("--peers-python", type=Path, default=sources.ROOT / ".venv-bench" / "bin" / "python")
    made.add_argument(
        "--harness",
        default=os.environ.get("BENCH_HARNESS", OUTER),
        help=f"folder of the outer harness, empty for none; default: BENCH_HARNESS, else {OUTER} beside the checkout",
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Measure, write, and say where; a failed model fails no run, a wrong option or a score that is wrong does."""
    given = sys.argv[1:] if arguments is None else arguments
    asked = parser().parse_args(given)
    parts = PARTS if asked.only is None else (asked.only,)
    if "accuracy" in parts and (refused := _accuracy(asked, given)):
        return refused
    if "ingest" in parts:
        _ingest(asked, given)
    if "ledger" in parts:
        _ledger(asked, given)
    return _replay(asked, given) if "replay" in parts else 0


def _ingest(asked: argparse.Namespace, given: list[str]) -> None:
    # Imported here: the services are not needed for the other part.
    from tests.benchmarks import ingest, ingest_report

    runner.use_all_cpus()
    measured = ingest.measure(asked.repetitions)
    text = ingest_report.as_markdown(
        measured, commit=machine.commit(), date=asked.date, command=_command(given), machine=_shared_machine()
    )
    _write(asked.output / "ingest.md", text)


def _ledger(asked: argparse.Namespace, given: list[str]) -> None:
    # Imported here: the services are not needed for the other parts.
    from tests.benchmarks import ledger, ledger_report
    from tests.benchmarks.ledger_filling import Size, catalog
    from tests.benchmarks.portal_process import running_portal

    runner.use_all_cpus()
    sizes = [Size(series=series, days=days) for series, days in asked.sizes] or [ledger.SMALL, ledger.LARGE]
    facts = {**_shared_machine(), "load before": f"{os.getloadavg()[0]:.1f} processes on {os.cpu_count()} CPUs"}
    with running_portal(catalog(sizes[-1])) as portal:
        measured = ledger.measure(portal, sizes=sizes, decisions=asked.decisions, repetitions=asked.repetitions)
    text = ledger_report.as_markdown(
        measured, commit=machine.commit(), date=asked.date, command=_command(given), machine=facts
    )
    _write(asked.output / "ledger.md", text)


def _replay(asked: argparse.Namespace, given: list[str]) -> int:
    # Imported here: Airflow and the services are not needed for the other parts.
    from stack.errors import StackError
    from stack.progress import Progress
    from tests.benchmarks import replay, replay_report

    runner.use_all_cpus()
    try:
        replayed = replay.measure(asked.days, home=asked.scratch / "replay", progress=Progress())
    except (StackError, ValueError) as error:
        print(f"[gridcast] {error}", file=sys.stderr)
        return 1
    text = replay_report.as_markdown(
        replayed, commit=machine.commit(), date=asked.date, command=_command(given), machine=_shared_machine()
    )
    _write(asked.output / "replay.md", text)
    return 0 if replayed.is_right else 1


def _shared_machine() -> dict[str, str]:
    return {**machine.facts(), "processor": f"{machine.processor()}, {os.cpu_count()} CPUs, shared by all"}


def _write(document: Path, text: str) -> None:
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(text, encoding="utf-8")
    print(text.partition("## How")[0])
    print(f"written: {document}")


def _accuracy(asked: argparse.Namespace, given: list[str]) -> int:
    outer = sources.ROOT / asked.harness if asked.harness else None
    source = sources.chosen(outer, scratch=asked.scratch)
    try:
        models = runner.our_kinds(asked.models)
        peers = runner.known("peer", asked.peers, tuple(source.peers))
        cases = runner.known("case", asked.cases or (None if asked.all else source.default_cases), source.all_cases)
    except ValueError as error:
        print(f"[gridcast] {error}", file=sys.stderr)
        return 2
    runner.stay_on_one_cpu()
    pythons = runner.Pythons(ours=Path(sys.executable), peers=asked.peers_python)
    rows = asked.scratch / "results.jsonl"
    if not asked.skip_done:
        rows.unlink(missing_ok=True)
    done = {each.key for each in results.succeeded(results.load(rows))}
    keys = runner.plan(source, cases=cases, models=models, peers=peers)
    print(f"{len(keys)} measurements on the {source.name}, {len(done & set(keys))} of them done", flush=True)
    left = [key for key in keys if key not in done]
    for found in runner.measure(source, left, pythons=pythons, timeout=asked.timeout, commit=machine.commit()):
        results.append(rows, found)
        print(_line(found), flush=True)
    kept = {each.key: each for each in results.load(rows)}
    run = report.Run(
        results=[kept[key] for key in keys if key in kept],
        importing=machine.import_seconds(pythons.ours),
        source=source.name,
        date=asked.date,
        command=_command(given),
        machine=machine.facts(),
        recorded=source.recorded(),
        scaling="" if asked.no_scaling else scaling.section(pythons, models=models, timeout=asked.timeout),
    )
    asked.output.mkdir(parents=True, exist_ok=True)
    picture.draw(run.results, asked.output / "pareto.png")
    (asked.output / "accuracy.csv").write_text(report.as_csv(run.results), encoding="utf-8")
    (asked.output / "accuracy.md").write_text(report.as_markdown(run, picture="pareto.png"), encoding="utf-8")
    print(f"written: {asked.output / 'accuracy.md'}")
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Series and days of each ledger; fewer than two days leave nothing to be scored, and a ledger only grows."""
    try:
        found = tuple((int(series), int(days)) for series, _, days in (name.partition("x") for name in _names(text)))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not SERIESxDAYS,…, such as 6x365,20x1095") from None
    if any(series < 2 or days < 5 for series, days in found):
        raise argparse.ArgumentTypeError(f"{text!r}: a ledger has at least 2 series and 5 days")
    if any(after < before for pair in pairwise(found) for before, after in zip(*pair, strict=True)):
        raise argparse.ArgumentTypeError(f"{text!r}: each size has as many series and days as the one before, or more")
    return found


def _command(given: list[str]) -> str:
    """What repeats this run; going on with the last one is no part of it."""
    options = [each for each in given if each != "--skip-done"]
    return f'make bench BENCH_ARGS="{shlex.join(options)}"' if options else "make bench"


def _line(found: results.Result) -> str:
    where = f"{found.case:24} {found.regime:4} {found.model:22}"
    if found.error:
        return f"{where} FAILED: {found.error}"
    coverage = "—" if found.coverage is None else f"{found.coverage:.2f}"
    mase, cpu = found.mase or 0.0, found.cpu or 0.0
    return f"{where} MASE {mase:.3f}  coverage {coverage}  CPU {cpu:.1f} s  {found.memory or 0:.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
