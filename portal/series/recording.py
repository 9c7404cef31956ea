"""How observations and weather forecasts are stored: by COPY, compared with what is stored in one statement.

Each function is one transaction. Writers of one series queue at its advisory lock, so a merge sees all that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from django.contrib.auth.models import User
from django.db import connection, transaction
from numpy.typing import NDArray

from portal.core.columns import EARLIEST, to_datetime, to_us
from portal.core.copy import copy_in, read_columns
from portal.core.locks import queue_at_each
from portal.core.permissions import require
from portal.series.incoming import Incoming

OBSERVATION_LOCK = 0x6F6273
FORECAST_LOCK = 0x666373
"""First keys of the advisory locks; the second is the series."""
_TYPES = {
    "row": "int4",
    "series_id": "int8",
    "valid_time": "timestamptz",
    "issue_time": "timestamptz",
    "known_at": "timestamptz",
    "value": "float8",
}

_MERGE_OBSERVATIONS = """
WITH judged AS MATERIALIZED (
    SELECT i.*, greatest(i.known_at, %(recorded_at)s) AS corrected_at,
        CASE WHEN newest.known_at IS NULL THEN 'inserted'
             WHEN newest.value IS NOT DISTINCT FROM i.value THEN 'unchanged'
             WHEN newest.known_at = greatest(i.known_at, %(recorded_at)s) THEN 'refused'
             ELSE 'corrected' END AS verdict
    FROM incoming i LEFT JOIN LATERAL (
        SELECT o.known_at, o.value FROM series_observation o
        WHERE o.series_id = i.series_id AND o.valid_time = i.valid_time
            AND o.known_at <= greatest(i.known_at, %(recorded_at)s)
        ORDER BY o.known_at DESC LIMIT 1
    ) newest ON true
), stored AS (
    INSERT INTO series_observation (series_id, valid_time, known_at, value)
    SELECT series_id, valid_time, CASE verdict WHEN 'corrected' THEN corrected_at ELSE known_at END, value
    FROM judged WHERE verdict IN ('inserted', 'corrected')
    ORDER BY series_id, valid_time
)
SELECT verdict, count(*), array_agg(row) FILTER (WHERE verdict = 'refused') FROM judged GROUP BY verdict
"""
_MERGE_FORECASTS = """
WITH judged AS MATERIALIZED (
    SELECT i.*, CASE WHEN f.value IS NULL THEN 'inserted' WHEN f.value = i.value THEN 'unchanged'
                     ELSE 'refused' END AS verdict
    FROM incoming i LEFT JOIN series_weatherforecast f USING (series_id, valid_time, issue_time)
), stored AS (
    INSERT INTO series_weatherforecast (series_id, issue_time, valid_time, known_at, value)
    SELECT series_id, issue_time, valid_time, known_at, value FROM judged WHERE verdict = 'inserted'
    ORDER BY series_id, valid_time, issue_time
)
SELECT verdict, count(*), array_agg(row) FILTER (WHERE verdict = 'refused') FROM judged GROUP BY verdict
"""
_NEWEST_IN_SPANS = """
SELECT span.series_id, newest.valid_time, newest.value
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS span(series_id, first, last), LATERAL (
    SELECT DISTINCT ON (o.valid_time) o.valid_time, coalesce(o.value, 'NaN') AS value FROM series_observation o
    WHERE o.series_id = span.series_id AND o.valid_time BETWEEN span.first AND span.last AND o.known_at <= %s
    ORDER BY o.valid_time DESC, o.known_at DESC
) newest
"""
_SPAN_TYPES = {"series_id": "int8", "valid_time": "timestamptz", "value": "float8"}
DENSE = 4
"""A body is dense in a series that it has a row of for at least one in so many intervals."""
# No ON CONFLICT: under the locks there is no conflict, so one would be a bug, and must not pass as an unchanged row.


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What became of a body of observations: every row received is in exactly one of the four."""

    received: int
    inserted: int
    corrected: int
    unchanged: int
    rejected: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RecordedForecasts:
    """What became of a body of weather forecasts: every row received is in exactly one of the three."""

    received: int
    inserted: int
    unchanged: int
    rejected: list[dict[str, Any]]


def record_observations(table: pa.Table, *, recorded_at: datetime, by: User) -> Recorded:
    """Store what is new or corrected in `table` (columns series, valid_time, value, known_at) and refuse bad rows.

    A row is compared with the newest stored one that was known at `recorded_at`: none → stored with its own known_at;
    the same value → unchanged; another → a correction, known at `recorded_at` (or its own known_at, if that is later).
    Comparing as of `recorded_at` makes replays of any past request change nothing.

    Raises Problem where the columns are wrong, NotPermitted.
    """
    require(by, "series.add_observation", doing="record observations")
    incoming = Incoming.observations(table)
    counts = store_observations(incoming, recorded_at=recorded_at)
    return Recorded(
        received=table.num_rows,
        inserted=counts["inserted"],
        corrected=counts["corrected"],
        unchanged=counts["unchanged"],
        rejected=incoming.rejected(),
    )


def record_weather_forecasts(table: pa.Table, *, by: User) -> RecordedForecasts:
    """Store what is new in `table` (columns series, issue_time, valid_time, known_at, value) and refuse bad rows.

    What was issued once stays: the same (series, valid_time, issue_time) with the same value is unchanged, with another
    value it is refused.

    Raises Problem where the columns are wrong, NotPermitted.
    """
    require(by, "series.add_weatherforecast", doing="record weather forecasts")
    incoming = Incoming.weather_forecasts(table)
    counts = store_weather_forecasts(incoming)
    return RecordedForecasts(
        received=table.num_rows,
        inserted=counts["inserted"],
        unchanged=counts["unchanged"],
        rejected=incoming.rejected(),
    )


def store_observations(incoming: Incoming, *, recorded_at: datetime) -> dict[str, int]:
    """Store checked observations, for operations that have asked for the permission; what is refused joins the faults.

    Returns the rows that were inserted, corrected, unchanged.
    """
    return _store(
        incoming,
        "series_observation",
        _MERGE_OBSERVATIONS,
        {"recorded_at": recorded_at},
        known=lambda columns: _said_already(columns, recorded_at, incoming.resolutions_us),
        lock=OBSERVATION_LOCK,
        times={"valid_time": incoming.valid_us, "known_at": incoming.known_us},
        rule="vintage_conflict",
        message=f"Another value is known at {recorded_at:%Y-%m-%dT%H:%M:%SZ} already; a correction needs a later time.",
    )


def store_weather_forecasts(incoming: Incoming) -> dict[str, int]:
    """Store checked forecasts, for operations that have asked for the permission; what is refused joins the faults.

    Returns the rows that were inserted, unchanged.
    """
    if incoming.issue_us is None:
        raise ValueError("these are observations")
    return _store(
        incoming,
        "series_weatherforecast",
        _MERGE_FORECASTS,
        {},
        known=lambda columns: np.zeros(len(columns["row"]), dtype=bool),
        lock=FORECAST_LOCK,
        times={"valid_time": incoming.valid_us, "issue_time": incoming.issue_us, "known_at": incoming.known_us},
        rule="issued_otherwise",
        message="Another value was issued for this series and valid_time at this issue_time.",
    )


def _store(
    incoming: Incoming,
    table: str,
    statement: str,
    parameters: Mapping[str, Any],
    *,
    known: Callable[[Mapping[str, NDArray[Any]]], NDArray[np.bool_]],
    lock: int,
    times: Mapping[str, NDArray[np.int64]],
    rule: str,
    message: str,
) -> dict[str, int]:
    counts = dict.fromkeys(("inserted", "corrected", "unchanged"), 0)
    # A repeated row says what its first one says.
    counts["unchanged"] = int(np.count_nonzero(incoming.repeated))
    accepted = incoming.accepted()
    if not accepted.size:
        return counts
    columns = {"series_id": incoming.series_ids, **times, "value": incoming.values}
    columns = _in_order({name: column[accepted] for name, column in columns.items()} | {"row": accepted})
    with transaction.atomic():
        new = _outside_of_what_is_stored(table, columns, lock=lock)
        facts = {name: column for name, column in columns.items() if name != "row"}
        if new.any():
            copy_in(table, facts if new.all() else _only(facts, new), types=_TYPES)
            counts["inserted"] += int(np.count_nonzero(new))
        rest = _only(columns, ~new)
        if rest["row"].size:
            again = known(rest)
            counts["unchanged"] += int(np.count_nonzero(again))
            rest = _only(rest, ~again)
        verdicts = _merge(rest, statement, parameters) if rest["row"].size else []
    refused = np.zeros(incoming.faults.rows, dtype=bool)
    for verdict, count, rows in verdicts:
        refused[rows or []] = True
        if verdict in counts:
            counts[verdict] += count
    incoming.faults.mark(refused, field="value", rule=rule, message=message)
    return counts


def _in_order(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """By series and valid time, as reads walk them: their pages then lie side by side."""
    series, valid = columns["series_id"], columns["valid_time"]
    before = (series[:-1] < series[1:]) | ((series[:-1] == series[1:]) & (valid[:-1] <= valid[1:]))
    if before.all():
        return columns
    order = np.lexsort((valid, series))
    return {name: column[order] for name, column in columns.items()}


def _only(columns: Mapping[str, NDArray[Any]], rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    return {name: column[rows] for name, column in columns.items()}


def _outside_of_what_is_stored(table: str, columns: Mapping[str, NDArray[Any]], *, lock: int) -> NDArray[np.bool_]:
    """Which rows lie before or after all that is stored of their series, and so need no comparison.

    Takes the locks of the series, under which that stays true.
    """
    ids = np.unique(columns["series_id"])
    queue_at_each(lock, ids.tolist())
    with connection.cursor() as cursor:
        # A statement of its own: its snapshot must be taken under the locks.
        cursor.execute(
            f"SELECT (SELECT min(valid_time) FROM {table} WHERE series_id = wanted.series),"  # noqa: S608  # our own names
            f" (SELECT max(valid_time) FROM {table} WHERE series_id = wanted.series)"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted(series, place) ORDER BY place",
            (ids.tolist(),),
        )
        spans = cursor.fetchall()
    beyond = np.iinfo(np.int64)
    first = np.array([beyond.max if start is None else to_us(start) for start, _ in spans], dtype=np.int64)
    last = np.array([beyond.min if end is None else to_us(end) for _, end in spans], dtype=np.int64)
    place = np.searchsorted(ids, columns["series_id"])
    return (columns["valid_time"] < first[place]) | (columns["valid_time"] > last[place])


def _said_already(
    columns: Mapping[str, NDArray[Any]], recorded_at: datetime, resolutions: Mapping[int, int]
) -> NDArray[np.bool_]:
    """Which rows say what is the newest known at `recorded_at`, as `_MERGE_OBSERVATIONS` would find row by row.

    Only rows known by then, and only series of which the body is dense: a few rows far apart are looked up faster.
    """
    ids, starts, rows = np.unique(columns["series_id"], return_index=True, return_counts=True)
    valid = columns["valid_time"]
    first, last = valid[starts], valid[starts + rows - 1]
    steps = np.array([resolutions[number] for number in ids.tolist()])
    dense = (last - first) // steps < DENSE * rows
    if not dense.any():
        return np.zeros(len(valid), dtype=bool)
    spans = (ids[dense].tolist(), *([to_datetime(us) for us in bound[dense].tolist()] for bound in (first, last)))
    stored = read_columns(_NEWEST_IN_SPANS, (*spans, recorded_at), types=_SPAN_TYPES)
    if not len(stored["value"]):
        return np.zeros(len(valid), dtype=bool)
    keys = _key(ids, stored)
    order = np.argsort(keys)
    place = order[np.minimum(np.searchsorted(keys, _key(ids, columns), sorter=order), len(order) - 1)]
    there, values = stored["value"][place], columns["value"]
    return (
        (stored["series_id"][place] == columns["series_id"])
        & (stored["valid_time"][place] == valid)
        & ((there == values) | (np.isnan(there) & np.isnan(values)))
        & (columns["known_at"] <= to_us(recorded_at))
    )


def _key(ids: NDArray[np.int64], columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """One number that sorts as series and minute do; a grid is of whole minutes."""
    minutes = columns["valid_time"] // 60_000_000 - to_us(EARLIEST) // 60_000_000
    return np.searchsorted(ids, columns["series_id"]) * 2**32 + minutes


def _merge(columns: Mapping[str, NDArray[Any]], statement: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Compare rows with what is stored, add what is new or corrected: (verdict, rows, the refused of them)."""
    with connection.cursor() as cursor:
        layout = ", ".join(f"{name} {_TYPES[name]}" for name in columns)
        cursor.execute(f"CREATE TEMPORARY TABLE incoming ({layout}) ON COMMIT DROP")
        copy_in("incoming", columns, types=_TYPES)
        cursor.execute(statement, parameters)
        answer = cursor.fetchall()
        # Within a larger transaction the next body needs the name.
        cursor.execute("DROP TABLE incoming")
    return answer
