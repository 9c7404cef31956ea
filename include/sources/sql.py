"""A query on a PostgreSQL database: read only, in batches, with the period bound to it and never written into it.

The decision behind it: docs/decisions/2026-11-26-a-source-may-be-a-database.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import inf, isfinite
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import FloatLoader
from psycopg.types.string import TextLoader

from include.errors import SourceError, SourceUnavailable
from include.retrying import Again, GivenUp, persist
from include.sources.connector import NO_ROW, BadRow, Note, Part, Request
from include.sources.local_time import to_utc, zone_of
from include.sources.parts import no_rows, part_of
from include.sources.rules import Column, columns_of, duration
from include.times import read_time

BATCH = 20_000
"""Rows that are fetched at once; of the days in them, all but the last are stored together."""
LONGEST_STATEMENT = 5
"""The first batch may take so many times the longest silence: the database sorts before it answers."""
FIRST, LAST = "1800-01-01T00:00:00+00:00", "2200-01-01T00:00:00+00:00"
TIMES = ("timestamptz", "timestamp", "date", "text", "varchar", "bpchar")
NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
# What the server says about a login or a database that will be as wrong the next time.
_HOPELESS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied", "not permitted")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Plan:
    """What the options ask for. `lower` and `upper` bound the times as the database has them."""

    query: str
    time_column: str
    issue_time_column: str | None
    columns: Sequence[Column]
    clock: Mapping[str, Any]
    own: Mapping[str, pd.Timedelta]
    """By series: how long after the start of its interval a value is labelled; nothing, if by its start."""
    lower: pd.Timestamp
    upper: pd.Timestamp

    @property
    def names(self) -> list[str]:
        """The columns of the query that are read."""
        issued = [self.issue_time_column] if self.issue_time_column else []
        return [self.time_column, *issued, *dict.fromkeys(str(column.stated["column"]) for column in self.columns)]

    def shown(self, record: tuple[Any, ...]) -> dict[str, Any]:
        """A row as it came, for quarantine."""
        return dict(zip(self.names, map(_shown, record), strict=True))


@dataclass
class _Batch:
    """Rows with their times in UTC, those whose times could not be read, and what was declared about some others."""

    rows: pd.DataFrame
    records: dict[int, tuple[Any, ...]]
    bad: list[BadRow]
    notes: list[Note]


def read(request: Request) -> Iterator[Part]:
    """Whole days in the order of their times, none across two months. As `Connector`."""
    plan = _plan(request)
    with _connected(request) as connection:
        _check(connection, plan)
        pending: _Batch | None = None
        cut = plan.lower
        # Of one row, the times of series with other intervals lie so far apart.
        spread = max(plan.own.values()) - min(plan.own.values())
        for batch in _batches(connection, plan):
            early = batch.rows.loc[batch.rows["valid_time"] < cut, "valid_time"]
            if len(early):
                raise SourceError(
                    f"The texts of {plan.time_column} do not sort as the times that they are ({early.iloc[0]} comes "
                    "late); cast them to timestamptz in the query"
                )
            if batch.bad:
                yield _unreadable(request, batch, position=cut.isoformat())
            if pending is None:
                pending = batch
                continue
            pending = _joined(pending, batch)
            newest = pending.rows["valid_time"].max() - spread
            if pd.isna(newest) or newest.floor("D") <= cut:
                continue
            cut = newest.floor("D")
            whole, pending = _split(pending, cut)
            yield from _parts(request, plan, whole, cut=cut)
        if pending is not None:
            yield from _parts(request, plan, pending, cut=None)


def _plan(request: Request) -> _Plan:
    options = request.options
    columns = columns_of(options)
    query, time_column, issued = (options.get(name) for name in ("query", "time_column", "issue_time_column"))
    if not isinstance(query, str) or not query.strip():
        raise SourceError("The options have no query")
    for name, stated in (("time_column", time_column), *((c.series, c.stated.get("column")) for c in columns)):
        if not isinstance(stated, str) or not stated:
            raise SourceError(f"The options name no column of the query for {name}")
    labels = options.get("labels", "start")
    if labels not in ("start", "end"):
        raise SourceError(f"The option labels is {labels!r}; a time labels the start or the end of its interval")
    if options.get("ambiguous") == "in_order":
        raise SourceError("The option ambiguous is 'in_order', but rows of a database have none: 'earlier' or 'later'")
    own = duration(options, "resolution")
    lengths = {column.series: own or request.resolutions[column.series] for column in columns}
    late = lengths if labels == "end" else dict.fromkeys(lengths, pd.Timedelta(0))
    lower = pd.Timestamp(request.start or FIRST)
    if request.position is not None:
        lower = max(lower, pd.Timestamp(read_time(request.position, name="position")))
    elif own is not None:
        lower = lower.floor(own)
    return _Plan(
        query=query.strip().rstrip(";"),
        time_column=str(time_column),
        issue_time_column=None if issued is None else str(issued),
        columns=columns,
        clock={
            "zone": zone_of(options.get("time_zone")),
            "ambiguous": options.get("ambiguous", "reject"),
            "nonexistent": options.get("nonexistent", "reject"),
        },
        own=late,
        lower=lower,
        upper=pd.Timestamp(request.end or LAST),
    )


@contextmanager
def _connected(request: Request) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that can only read, at one state of the database, in UTC."""
    uri, settings = request.access.uri, request.settings
    if not uri.startswith(("postgres://", "postgresql://")):
        raise SourceError("A source of kind sql needs an Airflow connection of type postgres")
    try:
        password = str(conninfo_to_dict(uri).get("password") or "")
    except psycopg.Error:
        raise SourceError("The Airflow connection of the source is no address that PostgreSQL understands") from None

    def connect() -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(
                uri,
                connect_timeout=max(int(settings.source_timeout_seconds), 2),
                application_name="gridcast ingest",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg.Error as error:
            said = _words(error, password)
            if any(words in said for words in _HOPELESS):
                raise SourceError(f"The database of the source refuses the connection: {said}") from None
            raise Again(said) from None

    try:
        connection = persist(
            connect,
            what="the database of the source",
            attempts=settings.source_attempts,
            first_pause_seconds=settings.source_pause_seconds,
            log=_log,
            jitter=0.25,
        )
    except GivenUp as error:
        raise SourceUnavailable(f"No connection to {error}") from None
    with connection:
        try:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            longest = int(LONGEST_STATEMENT * settings.source_timeout_seconds * 1000)
            for name, value in (("statement_timeout", str(longest)), ("TimeZone", "UTC"), ("DateStyle", "ISO")):
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            for kind in ("timestamptz", "timestamp", "date"):
                # As text: a time may be infinite, or of a year that no datetime holds, and costs only its row.
                connection.adapters.register_loader(kind, TextLoader)
            connection.adapters.register_loader("numeric", FloatLoader)
            yield connection
        except psycopg.errors.QueryCanceled:
            raise SourceUnavailable(f"The query of the source took longer than {longest / 1000:g} s") from None
        except psycopg.OperationalError as error:
            raise SourceUnavailable(f"The database of the source went away: {_words(error, password)}") from None
        except psycopg.Error as error:
            raise SourceError(f"The query of the source fails: {_words(error, password)}") from None


def _words(error: psycopg.Error, password: str) -> str:
    """What the database says, in one line and without the password."""
    said = " ".join((error.diag.message_primary or str(error)).split())
    return said.replace(password, "***") if password else said


def _check(connection: psycopg.Connection[Any], plan: _Plan) -> None:
    """Whether the query has the columns, of kinds that can be read."""
    found = _select(connection.cursor(), plan, sql.SQL("*"), sql.SQL("LIMIT 0")).description or []
    kinds = {column.name: column.type_display.partition("(")[0] for column in found}
    absent = [name for name in plan.names if name not in kinds]
    if absent:
        raise SourceError(f"The query has no column {absent[0]!r}; it has {', '.join(map(repr, kinds))}")
    numbers = plan.names[2 if plan.issue_time_column else 1 :]
    for name in plan.names:
        allowed, what = (NUMBERS, "number") if name in numbers else (TIMES, "time")
        if kinds[name] not in allowed:
            raise SourceError(f"The column {name!r} of the query is of type {kinds[name]}, which is no {what}; cast it")


def _select(cursor: Any, plan: _Plan, what: sql.Composable, how: sql.Composable) -> Any:
    bounds = {
        "start": (plan.lower + min(plan.own.values())).to_pydatetime(),
        "end": (plan.upper + max(plan.own.values())).to_pydatetime(),
    }
    # The query is the administrator's own; lines of their own keep a comment at its end from hiding what follows.
    inner = sql.SQL(f"(\n{plan.query}\n)")
    return cursor.execute(sql.SQL("SELECT {} FROM {} AS source_rows {}").format(what, inner, how), bounds)


def _named(column: str) -> sql.Identifier:
    # Where values are bound, a % is written twice.
    return sql.Identifier(column.replace("%", "%%"))


def _batches(connection: psycopg.Connection[Any], plan: _Plan) -> Iterator[_Batch]:
    what = sql.SQL(", ").join(map(_named, plan.names))
    how = sql.SQL("ORDER BY {}").format(_named(plan.time_column))
    with connection.cursor(name="source_rows") as cursor:
        _select(cursor, plan, what, how)
        number = 0
        while records := cursor.fetchmany(BATCH):
            yield _batch(records, plan, first=number + 1)
            number += len(records)


def _batch(records: Sequence[tuple[Any, ...]], plan: _Plan, *, first: int) -> _Batch:
    """The rows of some records, one for each column that feeds a series."""
    # As objects: else NULL and NaN are one.
    table = pd.DataFrame(records, columns=plan.names, index=range(first, first + len(records)), dtype=object)
    numbered = dict(enumerate(records, start=first))
    times, faults, notes = to_utc(table[plan.time_column], **plan.clock)
    if plan.issue_time_column:
        issued, unclear, told = to_utc(table[plan.issue_time_column], **plan.clock)
        faults, notes = {**unclear, **faults}, [*notes, *told]
    bad = [BadRow(NO_ROW, plan.shown(numbered[number]), rule, message) for number, (rule, message) in faults.items()]
    good = table.index[times.notna() & ~table.index.isin(list(faults))]
    frames = []
    for column in plan.columns:
        given = table.loc[good, str(column.stated["column"])]
        starts = times[good] - plan.own[column.series]
        known = pd.Series([value is not None for value in given], index=given.index, dtype=bool)
        values = given.astype("float64")
        # NULL is missing. What the database calls NaN is not: it is as little a number as an infinite one.
        values = values.mask(known & values.isna(), inf)
        frame = pd.DataFrame({"row": good, "series": column.series, "valid_time": starts, "value": values})
        if plan.issue_time_column:
            frame["issue_time"] = issued[good]
        asked = (frame["valid_time"] >= plan.lower) & (frame["valid_time"] < plan.upper)
        frames.append(frame[asked])
    return _Batch(pd.concat(frames, ignore_index=True), numbered, bad, notes)


def _shown(value: Any) -> Any:
    """A value for quarantine: JSON has no infinite numbers."""
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    return str(value)


def _joined(first: _Batch, second: _Batch) -> _Batch:
    frames = [frame for frame in (first.rows, second.rows) if len(frame)] or [first.rows]
    return _Batch(
        pd.concat(frames, ignore_index=True),
        {**first.records, **second.records},
        [],
        [*first.notes, *second.notes],
    )


def _split(batch: _Batch, cut: pd.Timestamp) -> tuple[_Batch, _Batch]:
    """What lies before a time, and what does not. Notes go with the former."""
    before = batch.rows["valid_time"] < cut
    later = batch.rows[~before]
    kept = set(later["row"])
    return (
        _Batch(batch.rows[before], batch.records, [], batch.notes),
        _Batch(later, {number: record for number, record in batch.records.items() if number in kept}, [], []),
    )


def _unreadable(request: Request, batch: _Batch, *, position: str) -> Part:
    """Rows without a time belong to no month; only who reads everything knows which of them have passed."""
    is_all = request.start is None and request.end is None
    return Part(file="unreadable", rows=no_rows(), bad=batch.bad, is_last_of_file=is_all, position=position)


def _parts(request: Request, plan: _Plan, batch: _Batch, *, cut: pd.Timestamp | None) -> Iterator[Part]:
    """Rows of whole days, one part for each month, up to `cut`, or to the end of the period."""
    months = batch.rows["valid_time"].dt.tz_localize(None).to_numpy().astype("datetime64[M]")
    present = np.unique(months)
    for number, each in enumerate(present):
        month = pd.Timestamp(each).tz_localize("UTC")
        following = month + pd.DateOffset(months=1)
        is_rest = number == len(present) - 1
        reached = following if not is_rest else cut if cut is not None else plan.upper
        starts_there = request.start is None or request.start <= month
        ends_there = reached >= following or (cut is None and _reaches(request.end, request.read_at))
        yield part_of(
            request,
            batch.rows[months == each],
            file=f"{month:%Y-%m}",
            columns=plan.columns,
            raw=lambda row: plan.shown(batch.records[row]),
            notes=batch.notes if number == 0 else (),
            is_last_of_file=starts_there and ends_there,
            position=reached.isoformat(),
            done=_done(request, reached),
        )


def _reaches(end: datetime | None, read_at: datetime) -> bool:
    return end is None or pd.Timestamp(end) + pd.Timedelta(1, unit="D") >= pd.Timestamp(read_at)


def _done(request: Request, reached: pd.Timestamp) -> float | None:
    if request.start is None or request.end is None:
        return None
    start, end = pd.Timestamp(request.start), pd.Timestamp(request.end)
    return min((reached - start) / (end - start), 1.0) if start < end else None
