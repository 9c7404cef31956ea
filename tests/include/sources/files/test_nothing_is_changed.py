"""Whatever the bytes, every value that is read stands in the file, and every line of the file is accounted for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.sources.files import connector, csv_text, runs
from include.sources.files.csv_header import DELIMITERS
from include.sources.files.numbers import MISSING
from tests.include.sources.files.reading import Content, read, request

COLUMNS = [
    {"column": "load", "series": "town", "scale": 1000},
    {"column": "temperature", "series": "town-temperature"},
]
SCALES = {"town": ("load", 1000), "town-temperature": ("temperature", 1)}
HEADER = b"time,load,temperature\n"

TIMES = st.one_of(
    st.integers(0, 40).map(lambda n: f"2024-07-0{1 + n // 20}T{n % 20:02d}:30Z"),
    st.datetimes(datetime(2024, 3, 30), datetime(2024, 4, 1)).map(lambda time: time.isoformat(" ")),  # noqa: DTZ001
    st.sampled_from(["2024-10-27 02:30", "2024-07-01T00:00+10:00", "20240701T000000Z", "2024-07-01", "now", ""]),
)
NUMBERS = st.one_of(
    st.decimals(-1000, 1000, places=3).map(str),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(["", "-", "NA", "1e309", "0x1", "1,5", '"1,5"', '"41"', "+4.1e1", "1e-400", "９", "1_0"]),
)
LINES = st.lists(st.tuples(TIMES, NUMBERS, NUMBERS).map(",".join), max_size=12)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 3),
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from(
                [
                    b",",
                    b'"',
                    b"\n",
                    b"\r",
                    b"\0",
                    b"\xff",
                    b";",
                    b"2024-07-01T00:30Z,1,2\n",
                    b"\xef\xbb\xbf",
                    b"-",
                    b".",
                ]
            ),
        ),
    ),
    max_size=3,
)


def mutated(content: bytes, mutations: list[tuple[int, int, bytes]]) -> bytes:
    """Some bytes put in the place of others."""
    for place, length, put in mutations:
        at = len(HEADER) + place % (len(content) - len(HEADER) + 1)
        content = content[:at] + put + content[at + length :]
    return content


FILES = st.one_of(
    st.builds(lambda lines, end: HEADER + "".join(f"{line}{end}" for line in lines).encode(), LINES, ENDS),
    st.binary(max_size=60),
    st.binary(max_size=60).map(lambda octets: HEADER + octets),
)


@pytest.fixture
def in_small_bits(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """All that is done chunk by chunk is done so with the smallest file."""
    monkeypatch.setattr(connector, "PART_ROWS", 4)
    monkeypatch.setattr(runs, "_STEP", 2)
    return monkeypatch


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    content=FILES,
    mutations=MUTATIONS,
    block=st.sampled_from([100, 1 << 22]),
    zone=st.sampled_from([None, "Europe/Berlin"]),
)
@example(content=HEADER + b'2024-07-01T00:30Z,"1\n', mutations=[], block=1, zone=None)
@example(content=HEADER + b'2024-07-01T00:30Z,"1\n",2\n2024-07-01T00:30Z,"1', mutations=[], block=40, zone=None)
@example(content=HEADER + b"2024-07-01T00:30Z,1,2\r\n2024-07-01T00:30Z,2,2\r", mutations=[], block=23, zone=None)
@example(content=HEADER + b"\xef\xbb\xbf2024-07-01T00:30Z,1,2\n", mutations=[], block=1, zone=None)
def test_any_bytes_are_refused_as_a_whole_or_read_as_they_stand(
    in_small_bits: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes,
    mutations: list[tuple[int, int, bytes]],
    block: int,
    zone: str | None,
) -> None:
    octets = mutated(content, mutations) if content.startswith(HEADER) else content
    (tmp_path / "town.csv").write_bytes(octets)
    in_small_bits.setattr(csv_text, "BLOCK", block)
    asked = request(
        tmp_path,
        settings={"ingest_days_per_request": 1},
        columns=COLUMNS,
        **({"time_zone": zone} if zone else {}),
    )
    found = read(asked, catch=True)
    if found.refused is not None:
        assert found.parts == [], "nothing is handed on of a file that is refused"
        assert "town.csv" in str(found.refused)
        return
    check(found, records_of(octets), zone=zone)


def check(found: Content, records: dict[int, dict[str, str] | None], *, zone: str | None) -> None:
    """Compare what was read with the fields of each line (None: not as many as there are columns)."""
    for row, series, time, value in found.rows[["row", "series", "valid_time", "value"]].itertuples(index=False):
        fields = records[row]
        assert fields is not None
        assert found.raw[row] == fields
        column, scale = SCALES[series]
        text = fields[column].strip()
        assert time == time_of(fields["time"], zone=zone)
        if np.isnan(value):
            assert text.lower() in MISSING
        else:
            assert value == float(Decimal(text)) * scale
    bad: dict[int, set[str]] = {}
    for each in found.bad:
        bad.setdefault(each.row, set()).add(each.rule)
        assert each.message
    assert set(bad) <= set(records)
    assert not found.rows.duplicated(["series", "valid_time"]).any()
    left = sum(
        row not in bad and series not in of_row
        for row, of_row in {row: set(found.rows.loc[found.rows["row"] == row, "series"]) for row in records}.items()
        for series in SCALES
    )
    noted = found.noted()
    assert left <= noted.get("repeated", 0) + noted.get("future_missing", 0)
    assert found.rows["valid_time"].is_monotonic_increasing


def records_of(octets: bytes) -> dict[int, dict[str, str] | None]:
    """The records of a file by their last line, by the standard library alone."""
    text = octets.decode("utf-8-sig")
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader)]
        if {"time", "load", "temperature"} <= set(header):
            records: dict[int, dict[str, str] | None] = {}
            for fields in filter(None, reader):
                whole = len(fields) == len(header)
                records[reader.line_num] = dict(zip(header, fields, strict=True)) if whole else None
            return records
    raise AssertionError("the header has the columns under one delimiter")


def time_of(text: str, *, zone: str | None) -> datetime:
    """A time by the standard library alone."""
    time = datetime.fromisoformat(text.strip().upper().replace(" +", "+").replace(" -", "-"))
    if time.tzinfo is None:
        assert zone is not None
        time = time.replace(tzinfo=ZoneInfo(zone))
    return time.astimezone(UTC)


ROWS: Any = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["1.5", "2.5", "", "x"])), min_size=1, max_size=40)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(rows=ROWS, block=st.sampled_from([150, 1 << 22]))
def test_repetitions_and_contradictions_are_found_however_far_apart(
    in_small_bits: pytest.MonkeyPatch, tmp_path: Path, rows: list[tuple[int, str]], block: int
) -> None:
    in_small_bits.setattr(csv_text, "BLOCK", block)
    times = [f"2024-07-{1 + n // 10:02d}T{n % 10:02d}:{30 * (n % 2):02d}Z" for n, _ in rows]
    (tmp_path / "town.csv").write_text(
        "time,load\n" + "".join(f"{time},{value}\n" for time, (_, value) in zip(times, rows, strict=True))
    )
    asked = request(
        tmp_path,
        settings={"ingest_days_per_request": 1},
        resolutions={"town": pd.Timedelta("1D")},
        columns=[{"column": "load", "series": "town"}],
    )
    found = read(asked)
    said: dict[str, dict[int, str]] = {}
    for line, (time, (_, value)) in enumerate(zip(times, rows, strict=True), start=2):
        if value != "x":
            said.setdefault(time, {})[line] = value
    agreed = {time: lines for time, lines in said.items() if len(set(lines.values())) == 1}
    assert set(found.rows["row"]) == {min(lines) for lines in agreed.values()}
    # A line that repeats another before the contradiction is seen is noted as that; each value of it is set aside.
    set_aside = {row for row, rule in found.found() if rule == "contradiction"}
    for time in said.keys() - agreed.keys():
        assert {value for line, value in said[time].items() if line in set_aside} == set(said[time].values())
    assert all(line not in set_aside for lines in agreed.values() for line in lines)
    bad = sum(value == "x" for _, value in rows)
    assert len(found.found()) == len(set_aside) + bad
    assert len(found.rows) + found.noted().get("repeated", 0) + len(found.found()) == len(rows), "every line is told of"
