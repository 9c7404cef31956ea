"""A query on a real PostgreSQL as a source: bound, read only, in batches, and every row accounted for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pandas as pd
import psycopg
import pytest
from django.db import connection as django

from include.errors import SourceError, SourceUnavailable
from include.sources import sql
from include.sources.connector import COLUMNS, Access, Part
from tests.include.sources.requests import IMPATIENT, request

QUERY = "SELECT at, load_mw FROM readings WHERE at >= %(start)s AND at < %(end)s"
LOAD = {"column": "load_mw", "series": "town"}


@pytest.fixture
def uri(django_db_setup: None) -> str:
    """The database of the tests, as an Airflow connection gives it."""
    facts = django.settings_dict
    host, port = str(facts["HOST"] or ""), str(facts["PORT"] or "")
    login = f"{quote(facts['USER'], safe='')}:{quote(facts['PASSWORD'] or '', safe='')}"
    return f"postgres://{login}@/{facts['NAME']}?host={quote(host, safe='')}&port={port}&options=-csearch_path%3Dsource"


@pytest.fixture
def execute(uri: str) -> Iterator[Callable[..., None]]:
    """Runs statements in a schema of the source's own."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS source CASCADE")
        connection.execute("CREATE SCHEMA source")

        def run(statement: str, *values: Any) -> None:
            connection.execute(statement, values or None)  # type: ignore[arg-type]

        yield run
        connection.execute("DROP SCHEMA source CASCADE")


@pytest.fixture
def readings(execute: Callable[..., None]) -> Callable[..., None]:
    """Makes the table of readings, and fills it with hours from 2025-12-31 on whose values count up."""

    def make(*, hours: int = 96, time: str = "timestamptz", value: str = "float8", start: str = "2025-12-31") -> None:
        execute(f"CREATE TABLE readings (at timestamptz, load_mw {value}, other text)")
        execute(
            "INSERT INTO readings SELECT %s::timestamptz + n * interval '1 hour', n "
            "FROM generate_series(0, %s - 1) AS n",
            f"{start}T00:00Z",
            hours,
        )
        if time != "timestamptz":
            execute(f"ALTER TABLE readings ALTER at TYPE {time} USING at AT TIME ZONE 'UTC'")

    return make


@pytest.fixture
def parts(uri: str) -> Callable[..., list[Part]]:
    """Reads the source."""

    def read(*columns: dict[str, Any], query: str = QUERY, uri: str = uri, **facts: Any) -> list[Part]:
        options = {
            "query": query,
            "time_column": "at",
            "columns": list(columns or [LOAD]),
            **facts.pop("options", {}),
        }
        return list(sql.read(request(options, access=Access(uri=uri), **facts)))

    return read


def test_the_period_is_bound_to_the_query(readings: Callable[..., None], parts: Callable[..., list[Part]]) -> None:
    readings()
    (part,) = parts()
    assert list(part.rows.columns) == list(COLUMNS)
    assert str(part.rows["valid_time"].dtype) == "datetime64[ns, UTC]"
    assert part.rows["valid_time"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert part.rows["value"].tolist() == [float(n) for n in range(24, 48)]
    assert part.raw(1) == {"at": "2026-01-01 00:00:00+00", "load_mw": 24.0}
    assert part.bad == []


def test_a_query_may_disregard_the_period_and_end_in_a_comment(
    readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings()
    (part,) = parts(query="WITH r AS (TABLE readings) SELECT * FROM r WHERE other IS NULL -- all of it")
    assert len(part.rows) == 24


def test_an_open_period_is_all_there_is(readings: Callable[..., None], parts: Callable[..., list[Part]]) -> None:
    readings()
    first, second = parts(start=None, end=None)
    assert [(part.file, len(part.rows), part.is_last_of_file) for part in (first, second)] == [
        ("2025-12", 24, True),
        ("2026-01", 72, True),
    ]


def test_many_rows_come_in_parts_of_whole_days_and_a_run_goes_on_behind_the_last_that_was_stored(
    readings: Callable[..., None], parts: Callable[..., list[Part]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "BATCH", 30)
    readings(hours=24 * 40, start="2025-12-20")
    period = {"start": "2025-12-25", "end": "2026-01-20"}
    whole = parts(**period)
    assert len(whole) > 15
    assert pd.concat([part.rows for part in whole])["value"].tolist() == [float(n) for n in range(120, 744)]
    assert all(part.rows["valid_time"].dt.strftime("%Y-%m").eq(part.file).all() for part in whole)
    assert [part.file for part in whole if part.is_last_of_file] == []
    assert whole[-1].done == 1.0
    assert sorted(part.done or 0 for part in whole) == [part.done for part in whole]
    rest = parts(**period, position=whole[4].position)
    together = [*whole[:5], *rest]
    assert pd.concat([part.rows for part in together])["value"].tolist() == [float(n) for n in range(120, 744)]


def test_months_end_where_all_of_them_was_asked_for(
    readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings(hours=24 * 62, start="2025-12-01")
    whole = parts(start="2025-12-01", end="2026-01-15")
    assert [(part.file, part.is_last_of_file) for part in whole] == [("2025-12", True), ("2026-01", False)]
    assert [part.is_last_of_file for part in parts(start="2025-12-02", end="2026-02-01")] == [False, True]
    assert parts(start="2026-01-01", end="2026-01-15", read_at="2026-01-15T06:00")[-1].is_last_of_file


@pytest.mark.parametrize("kind", ["int2", "int8", "float4", "float8", "numeric(12, 3)"])
def test_numbers_of_every_kind_are_read(
    readings: Callable[..., None], parts: Callable[..., list[Part]], kind: str
) -> None:
    readings(value=kind)
    assert parts()[0].rows["value"].tolist() == [float(n) for n in range(24, 48)]


def test_a_decimal_is_the_nearest_float_and_null_is_missing(
    execute: Callable[..., None], readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings(value="numeric")
    execute("UPDATE readings SET load_mw = 0.1 WHERE load_mw = 24")
    execute("UPDATE readings SET load_mw = NULL WHERE load_mw = 25")
    values = parts()[0].rows["value"]
    assert values.iloc[0] == 0.1
    assert values.isna().tolist()[:3] == [False, True, False]


@pytest.mark.parametrize("kind", ["float8", "numeric"])
def test_what_is_not_finite_is_bad_and_costs_none_of_the_others(
    execute: Callable[..., None], readings: Callable[..., None], parts: Callable[..., list[Part]], kind: str
) -> None:
    readings(value=kind)
    for number, value in ((30, "NaN"), (31, "Infinity"), (32, "-Infinity")):
        execute("UPDATE readings SET load_mw = %s WHERE load_mw = %s", value, number)
    (part,) = parts()
    assert len(part.rows) == 21
    assert [(bad.row, bad.rule) for bad in part.bad] == [(0, "not_finite")] * 3
    assert part.bad[0].raw == {"at": "2026-01-01 06:00:00+00", "load_mw": "nan"}


def test_a_time_that_is_none_is_bad_and_costs_none_of_the_others(
    execute: Callable[..., None], readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings()
    execute("INSERT INTO readings VALUES ('infinity', 1), ('-infinity', 2), ('0044-03-15 BC', 3), (NULL, 4)")
    unreadable, *others = parts(query="SELECT * FROM readings", start=None, end=None)
    assert sum(len(part.rows) for part in others) == 96
    assert (unreadable.file, len(unreadable.rows)) == ("unreadable", 0)
    assert {(bad.rule, bad.row) for bad in unreadable.bad} == {("not_a_time", 0)}
    assert {str(bad.raw["at"]) for bad in unreadable.bad} == {
        "infinity",
        "-infinity",
        "0044-03-15 00:00:00+00 BC",
        "None",
    }


@pytest.mark.parametrize("kind", ["timestamp", "text"])
def test_times_without_a_zone_are_on_the_clock_that_is_declared(
    readings: Callable[..., None], parts: Callable[..., list[Part]], kind: str
) -> None:
    readings(time=kind)
    everything = "SELECT * FROM readings"
    (part,) = parts(query=everything, options={"time_zone": "Europe/Berlin"})
    assert part.rows["value"].iloc[0] == 25.0, "midnight in UTC is 01:00 in Berlin"
    assert len(part.rows) == 24
    (undeclared,) = parts(query=everything)
    assert {bad.rule for bad in undeclared.bad} == {"naive_time"}


def test_an_hour_that_comes_twice_is_what_is_declared(
    execute: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    execute("CREATE TABLE readings (at timestamp, load_mw float8)")
    execute(
        "INSERT INTO readings SELECT '2026-10-25 00:00'::timestamp + n * interval '1 hour', n "
        "FROM generate_series(0, 5) AS n"
    )
    facts = {"query": "TABLE readings", "start": "2026-10-24", "end": "2026-10-26", "read_at": "2026-12-01"}
    berlin = {"time_zone": "Europe/Berlin"}
    for choice, hour in (("earlier", 0), ("later", 1)):
        (part,) = parts(**facts, options={**berlin, "ambiguous": choice})
        assert part.rows.set_index("value")["valid_time"].dt.hour[2.0] == hour
        assert [note.rule for note in part.notes] == ["ambiguous"]
    unreadable, _ = parts(**facts, options=berlin)
    assert [bad.rule for bad in unreadable.bad] == ["clock_change"]
    with pytest.raises(SourceError, match="rows of a database have none: 'earlier' or 'later'"):
        parts(**facts, options={**berlin, "ambiguous": "in_order"})


def test_a_time_may_label_the_end_of_its_interval(
    readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings()
    (part,) = parts(options={"labels": "end"})
    assert part.rows["value"].tolist() == [float(n) for n in range(25, 49)]
    assert part.rows["valid_time"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")


def test_forecasts_of_the_weather_have_their_issue(
    execute: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    execute("CREATE TABLE readings (at timestamptz, issued timestamptz, load_mw float8)")
    execute(
        "INSERT INTO readings VALUES ('2026-01-01T05:00Z', '2025-12-31T00:00Z', 1), "
        "('2026-01-01T05:00Z', '2025-12-31T06:00Z', 2), ('2026-01-01T06:00Z', NULL, 3)"
    )
    unreadable, part = parts(query="TABLE readings", options={"issue_time_column": "issued"}, read_at="2026-01-01")
    assert part.rows["value"].tolist() == [1.0, 2.0]
    assert part.rows["issue_time"].dt.hour.tolist() == [0, 6]
    assert [bad.rule for bad in unreadable.bad] == ["not_a_time"]


def test_contradictions_are_bad_and_repetitions_are_one(
    execute: Callable[..., None], readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings()
    execute("INSERT INTO readings SELECT at, load_mw FROM readings WHERE load_mw = 30")
    execute("INSERT INTO readings SELECT at, load_mw + 1 FROM readings WHERE load_mw = 40")
    (part,) = parts()
    assert len(part.rows) == 23
    assert {(bad.rule, bad.raw["load_mw"]) for bad in part.bad} == {("contradiction", 40.0), ("contradiction", 41.0)}
    assert [note.rule for note in part.notes] == ["repeated"]


def test_two_columns_feed_two_series_and_finer_values_are_averaged(
    execute: Callable[..., None], parts: Callable[..., list[Part]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "BATCH", 7)
    execute('CREATE TABLE readings (at timestamptz, a float8, "B %" float8)')
    execute(
        "INSERT INTO readings SELECT '2026-01-01T00:00Z'::timestamptz + n * interval '15 minutes', n, -n "
        "FROM generate_series(0, 95) AS n"
    )
    options = {"resolution": "PT15M", "resample": "mean"}
    found = parts(
        {"column": "a", "series": "a"}, {"column": "B %", "series": "b"}, query="TABLE readings", options=options
    )
    rows = pd.concat([part.rows for part in found])
    assert rows.groupby("series")["value"].agg(["count", "first"]).to_dict("index") == {
        "a": {"count": 24, "first": 1.5},
        "b": {"count": 24, "first": -1.5},
    }
    assert [note for part in found for note in part.notes] == []


def test_nothing_is_read_where_nothing_is(readings: Callable[..., None], parts: Callable[..., list[Part]]) -> None:
    readings()
    assert parts(start="2030-01-01", end="2030-02-01", read_at="2031-01-01") == []


@pytest.mark.parametrize(
    "query", ["DELETE FROM readings RETURNING at, load_mw", "SELECT at, load_mw FROM readings, emptied()"]
)
def test_a_query_cannot_write(
    execute: Callable[..., None],
    readings: Callable[..., None],
    parts: Callable[..., list[Part]],
    query: str,
) -> None:
    readings()
    execute("CREATE FUNCTION emptied() RETURNS int LANGUAGE sql AS 'DELETE FROM readings RETURNING 1'")
    with pytest.raises(SourceError, match="The query of the source fails"):
        parts(query=query)
    assert len(parts()[0].rows) == 24


def test_texts_that_do_not_sort_as_times_are_refused(
    execute: Callable[..., None], parts: Callable[..., list[Part]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "BATCH", 2)
    execute("CREATE TABLE readings (at text, load_mw float8)")
    execute("INSERT INTO readings SELECT '2026-01-0' || n || 'T00:00+14', n FROM generate_series(1, 8) AS n")
    execute("INSERT INTO readings VALUES ('20260101T0000Z', 9)")
    with pytest.raises(SourceError, match=r"do not sort as the times that they are .* cast them to timestamptz"):
        parts(query="TABLE readings", start=None, end=None)


def test_a_query_that_takes_too_long_is_stopped(
    readings: Callable[..., None], parts: Callable[..., list[Part]]
) -> None:
    readings()
    hasty = IMPATIENT.model_copy(update={"source_timeout_seconds": 0.02})
    with pytest.raises(SourceUnavailable, match=r"took longer than 0\.1 s"):
        parts(query="SELECT at, load_mw FROM readings, pg_sleep(5)", settings=hasty)


def test_a_database_that_is_away_is_unavailable_and_a_wrong_one_refused(
    uri: str, parts: Callable[..., list[Part]]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        away = f"postgres://someone:se+cret@127.0.0.1:{silent.getsockname()[1]}/nowhere"
        with pytest.raises(
            SourceUnavailable, match="No connection to the database of the source in 3 attempts"
        ) as gone:
            parts(uri=away)
    assert "se+cret" not in str(gone.value)
    with pytest.raises(SourceError, match=r"refuses the connection: .* does not exist"):
        parts(uri=uri.replace(f"/{django.settings_dict['NAME']}?", "/no_such_database?"))


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"uri": "mysql://a@b/c"}, "needs an Airflow connection of type postgres"),
        ({"uri": "postgres://a@b/c?__extra__=x"}, "no address that PostgreSQL understands"),
        ({"query": " "}, "have no query"),
        ({"query": "SELECT at FROM readings"}, "has no column 'load_mw'; it has 'at'"),
        ({"query": "SELECT other AS load_mw, at FROM readings"}, "'load_mw' of the query is of type text"),
        (
            {"query": "SELECT load_mw, load_mw AS at FROM readings"},
            "'at' of the query is of type float8, which is no time",
        ),
        ({"query": "SELECT nothing FROM nowhere"}, 'fails: relation "nowhere" does not exist'),
        ({"query": "SELECT %(secret)s"}, "query parameter missing"),
        ({"query": "SELECT 1; DROP TABLE readings"}, "syntax error"),
        ({"options": {"time_column": None}}, "name no column of the query for time_column"),
        ({"options": {"labels": "middle"}}, "labels is 'middle'"),
        ({"options": {"time_zone": "Mars"}}, "time_zone 'Mars'"),
        ({"options": {"columns": [{"series": "town"}]}}, "name no column of the query for town"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    readings: Callable[..., None], parts: Callable[..., list[Part]], facts: dict[str, Any], says: str
) -> None:
    readings()
    with pytest.raises(SourceError, match=says):
        parts(**facts)
