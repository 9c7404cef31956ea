"""The connector of files: CSV, packed or not, and Parquet, in the data folder or wherever fsspec leads.

Each file is copied to local disk within limits and judged to its end before anything of it is handed on, so that one
that is cut, damaged or not what it says leaves nothing behind. What is good then comes in the order of time, part by
part. Memory does not grow with the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import PurePosixPath

import pandas as pd

from include.errors import SourceError
from include.sources.connector import BadRow, Note, Part, Request
from include.sources.files.bad_on_disk import BadOnDisk
from include.sources.files.csv_text import CsvTable
from include.sources.files.finding import FoundFile, find_files
from include.sources.files.judging import REPEATED, Judge
from include.sources.files.options import FileOptions, read_options
from include.sources.files.parquet import ParquetTable
from include.sources.files.runs import NO_ROWS, NS_PER_DAY, Runs, Told
from include.sources.files.spool import Spool, scratch, spooled, without_packing
from include.sources.files.table import Table
from include.sources.resampling import resample

PART_ROWS = 100_000
_PARQUET = (".parquet", ".pq", ".parq")
_MOST_REFUSED_BYTES = 1 << 15
"""What a position may hold of the refused files before it: the portal keeps small ones only."""
_LONGEST_REASON = 200


def read_file(request: Request) -> Iterator[Part]:
    """Read the files of a source: a `Connector`.

    Raises:
        SourceError: the options make no sense, there is no file, or some were refused, each named with the reason;
            all others have been read by then.
        SourceUnavailable: the storage does not answer.
    """
    options = read_options(request)
    source = request.source
    files = find_files(str(source["url"]), data_url=request.settings.data_url, storage=dict(request.access.extra))
    begun = request.position if isinstance(request.position, Mapping) else {}
    names = [file.name for file in files]
    first = names.index(begun["file"]) if begun.get("file") in names else 0
    refused: dict[str, str] = dict(begun.get("refused", {})) if first else {}
    for number, file in enumerate(files[first:], start=first):
        with ExitStack() as stack:
            try:
                judge, digest = _judged(file, request, options, stack)
            except SourceError as error:
                refused[file.name] = str(error)
                continue
            digest = _digest(digest, request)
            stored = int(begun["parts"]) if begun.get("file") == file.name and begun.get("digest") == digest else 0
            kept = _in_short(refused)
            for part_number, each in zip(count(1), _parts(judge), strict=False):
                if part_number <= stored:
                    continue
                yield Part(
                    file=file.name,
                    rows=each.rows,
                    bad=each.bad,
                    raw=judge.table.raw,
                    notes=each.notes,
                    is_last_of_file=each.is_last and not judge.left_out,
                    position={"file": file.name, "digest": digest, "parts": part_number, "refused": kept},
                    done=(number + each.done) / len(files),
                )
    if len(refused) == 1 and len(files) == 1:
        raise SourceError(next(f"{name} {reason}" for name, reason in refused.items()))
    if refused:
        reasons = "; ".join(f"{name} {reason}" for name, reason in refused.items())
        raise SourceError(
            f"Of the {len(files)} files of source {source['slug']}, {len(refused)} are refused: {reasons}"
        )


def _in_short(refused: Mapping[str, str]) -> dict[str, str]:
    """Which files are refused and why, as far as a position can hold that."""
    kept: dict[str, str] = {}
    size = 0
    for name, reason in refused.items():
        size += len(json.dumps([name, reason[:_LONGEST_REASON]]))
        if size > _MOST_REFUSED_BYTES:
            break
        kept[name] = reason[:_LONGEST_REASON]
    return kept


def _judged(file: FoundFile, request: Request, options: FileOptions, stack: ExitStack) -> tuple[Judge, str]:
    """A file, judged to its end, and the digest of its content. What it needs lives as long as `stack`."""
    limit = request.settings.ingest_max_bytes
    # What is behind a question mark belongs to an address, and not to a name.
    name = file.path.split("?", 1)[0] if "://" in file.path else file.path
    is_parquet = options.format == "parquet" or (
        options.format is None and PurePosixPath(without_packing(name)).suffix.lower() in _PARQUET
    )
    with file.open() as stream:
        spool = stack.enter_context(spooled(stream, name=name, most_bytes=limit, is_text=not is_parquet))
    judge = Judge(
        request=request,
        options=options,
        table=_table(spool, options, stack, limit=limit, is_parquet=is_parquet),
        runs=Runs(
            stack.enter_context(scratch()),
            [column.series for column in options.columns],
            issued=options.issue_time_column is not None,
        ),
        bad=BadOnDisk(stack.enter_context(scratch())),
    )
    judge.judge_all()
    if not judge.rows:
        what = "no rows" if is_parquet else "a header and no rows"
        raise SourceError(f"of source {request.source['slug']} has {what}")
    return judge, spool.digest


def _table(spool: Spool, options: FileOptions, stack: ExitStack, *, limit: int, is_parquet: bool) -> Table:
    file = stack.enter_context(scratch())
    if is_parquet:
        return ParquetTable(spool, copy=file, needed=options.needed, times=options.times, most_bytes=limit)
    return CsvTable(spool, index=file, needed=options.needed, delimiter=options.delimiter)


def _digest(content: str, request: Request) -> str:
    """What the parts of a file follow from: its content, and how it is read."""
    how = [content, dict(request.options), request.read_at, request.start, request.end]
    return sha256(json.dumps(how, default=str, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Piece:
    """What becomes a part."""

    rows: pd.DataFrame
    bad: list[BadRow]
    notes: list[Note]
    done: float
    is_last: bool


def _parts(judge: Judge) -> Iterator[_Piece]:
    """What was judged: first the bad rows, some at a time, the last of them with the first of the good ones."""
    notes = [Note(rule, number, message) for (rule, message), number in judge.notes.items()]
    nothing = judge.runs.frame(NO_ROWS)
    waiting: list[BadRow] = []
    for bad in judge.bad.parts():
        if waiting:
            yield _Piece(nothing, waiting, notes, 0.0, is_last=False)
            notes = []
        waiting = bad
    total = judge.runs.count
    left = total
    for told, is_last in _windows(judge):
        left -= len(told.rows) + len(told.contradicting) + told.repeated
        rows, more = resample(judge.runs.frame(told.rows), judge.request.options, resolutions=judge.request.resolutions)
        if told.repeated:
            more = [*more, Note("repeated", told.repeated, REPEATED)]
        made, rows = len(rows), judge.request.of_period(rows).reset_index(drop=True)
        judge.left_out |= len(rows) < made
        bad = waiting + judge.contradictions(told.contradicting)
        if len(rows) or bad or is_last:
            yield _Piece(rows, bad, notes + more, 1.0 if is_last else 1 - left / total, is_last=is_last)
            waiting, notes = [], []
        else:
            notes = notes + more
    if not total:
        yield _Piece(nothing, waiting, notes, 1.0, is_last=True)


def _windows(judge: Judge) -> Iterator[tuple[Told, bool]]:
    """The rows in the order of time, some days at a time, fewer where there are many; and which are the last."""
    runs, settings = judge.runs, judge.request.settings
    is_resampled = judge.request.options.get("resample") is not None
    grain = NS_PER_DAY if is_resampled else 1
    span = settings.ingest_days_per_request * NS_PER_DAY
    most = PART_ROWS // _rows_of_one(judge) or 1
    anchor = runs.first_time() // grain * grain if runs.count else 0
    while not runs.is_empty():
        end = anchor + ((runs.first_time() - anchor) // span + 1) * span
        told = runs.take(end=runs.window(end=end, most=most, grain=grain))
        yield told, runs.is_empty()


def _rows_of_one(judge: Judge) -> int:
    """How many rows of its series a row of the source becomes, at most."""
    resolutions = judge.request.resolutions
    return max(1, *(int(own / resolutions[series]) for series, own in judge.options.own.items()))
