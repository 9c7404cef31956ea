"""What the file reader takes, what it sets aside line by line, and what makes it refuse a whole file."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from include.errors import SourceError
from tests.include.sources.files.reading import HEADER, Content, request
from tests.include.sources.files.reading import read as read_all


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Content]:
    """Reads a content (text or bytes) as the town's file."""

    def file(content: str | bytes, *, name: str = "town.csv", **options: Any) -> Content:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_all(request(tmp_path, name, **options))

    return file


def loads(content: Content) -> dict[int, float]:
    """The loads by line."""
    return content.values()


def found(content: Content) -> list[tuple[int, str]]:
    return content.found()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("yesterday,1,2", "not_a_time"),
        ("2024-13-01T00:00Z,1,2", "not_a_time"),
        ("2024-02-30T00:00Z,1,2", "not_a_time"),
        ("2024-07-01T25:00Z,1,2", "not_a_time"),
        ("now,1,2", "not_a_time"),
        ("today,1,2", "not_a_time"),
        (",1,2", "not_a_time"),
        ("1677-09-21T00:12:44,1,2", "not_a_time"),
        ("9999-12-31T00:00Z,1,2", "not_a_time"),
        ("01/07/2024 00:00,1,2", "not_a_time"),
        ("2024-07-01T00:00,1,2", "naive_time"),
        ("2024-07-01,1,2", "naive_time"),
        ("2024-07-01T00:00Z,one,2", "not_a_number"),
        ('2024-07-01T00:00Z,"1,5",2', "not_a_number"),
        ("2024-07-01T00:00Z,1_000,2", "not_a_number"),
        ("2024-07-01T00:00Z,0x10,2", "not_a_number"),
        ("2024-07-01T00:00Z,inf,2", "not_finite"),
        ("2024-07-01T00:00Z,1e309,2", "not_finite"),
        (f"2024-07-01T00:00Z,{'9' * 400},2", "not_finite"),
        ("2024-07-01T00:00Z,-1e999,2", "not_finite"),
        ("2024-07-01T00:00Z,1", "field_count"),
        ("2024-07-01T00:00Z,1,2,3", "field_count"),
        ("   ", "field_count"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_number_and_the_good_ones_stay(
    read: Callable[..., Content], line: str, rule: str
) -> None:
    content = read(f"{HEADER}2024-06-30T23:30Z,41,9\n{line}\n2024-07-01T01:00Z,43,8\n")
    assert found(content) == [(3, rule)]
    assert loads(content) == {2: 41.0, 4: 43.0}


def test_a_long_field_is_kept_short_in_what_goes_to_quarantine(read: Callable[..., Content]) -> None:
    content = read(f"{HEADER}{'x' * 5000},1,2\n2024-07-01T00:00Z,{'9' * 5000},2\n2024-07-01T00:00Z,{'y' * 5000}\n")
    assert [bad.rule for bad in content.bad] == ["not_a_time", "not_finite", "field_count"]
    assert all(len(str(bad.as_dict())) < 1000 for bad in content.bad)


def test_a_line_with_one_bad_column_keeps_the_other(read: Callable[..., Content]) -> None:
    content = read(f"{HEADER}2024-07-01T00:00Z,broken,9.5\n")
    assert content.rows[["series", "value"]].to_numpy().tolist() == [["town-temperature", 9.5]]
    assert content.bad[0].raw == {"time": "2024-07-01T00:00Z", "load": "broken", "temperature": "9.5"}
    assert "'load'" in content.bad[0].message or "load:" in content.bad[0].message


@pytest.mark.parametrize("token", ["", "-", "NA", "n/a", "NaN", "null", "  "])
def test_what_stands_for_missing_is_a_row_without_a_value(read: Callable[..., Content], token: str) -> None:
    content = read(f"{HEADER}2024-07-01T00:00Z,{token},9\n")
    assert not content.bad
    assert np.isnan(loads(content)[2])


@pytest.mark.parametrize(
    "text",
    [
        "2024-07-01T10:00+1000",
        "2024-07-01T10:00:00+10:00",
        "2024-07-01 10:00+10",
        "2024-07-01T10:00:00.000 +10:00",
        "2024-07-01t00:00z",
        "20240701T000000Z",
        "2024-06-30T14:00-10",
    ],
)
def test_an_offset_is_understood_however_it_is_written(read: Callable[..., Content], text: str) -> None:
    content = read(f"{HEADER}{text},41,9\n2024-07-01T00:30Z,42,9\n")
    assert not content.bad
    assert content.rows["valid_time"].iloc[0] == pd.Timestamp("2024-07-01T00:00Z")
    assert str(content.rows["valid_time"].dtype) == "datetime64[ns, UTC]"


def test_times_on_the_declared_clock_become_utc_and_those_the_clock_change_blurs_are_set_aside(
    read: Callable[..., Content],
) -> None:
    lines = (
        "2024-04-07 01:30,1,9",  # summer time, UTC+11
        "2024-04-07 02:30,2,9",  # comes twice
        "2024-04-07T02:30+10:00,3,9",  # says which
        "2024-04-07 03:00,4,9",  # UTC+10
        "2024-10-06 01:30,5,9",
        "2024-10-06 02:30,6,9",  # does not exist
        "2024-10-06 03:00,7,9",
    )
    content = read(HEADER + "\n".join(lines) + "\n", time_zone="Australia/Melbourne")
    assert found(content) == [(3, "clock_change"), (7, "clock_change")]
    town = content.rows[content.rows["series"] == "town"]
    assert [f"{time:%m-%dT%H:%M}" for time in town["valid_time"]] == [
        "04-06T14:30",
        "04-06T16:30",
        "04-06T17:00",
        "10-05T15:30",
        "10-05T16:00",
    ]


def test_a_byte_order_mark_blank_lines_and_spaces_in_the_header_do_no_harm(read: Callable[..., Content]) -> None:
    content = read(b"\xef\xbb\xbf" + b" time , load ,temperature\r\n\r\n2024-07-01T00:00Z,41,9\r\n")
    assert not content.bad
    assert loads(content) == {3: 41.0}


def test_a_quoted_field_over_two_lines_is_counted_by_its_last_line(read: Callable[..., Content]) -> None:
    content = read(f'{HEADER}2024-07-01T00:00Z,"4\n1",9\n2024-07-01T01:00Z,43,8\n')
    assert found(content) == [(3, "not_a_number")]
    assert loads(content) == {4: 43.0}


@pytest.mark.parametrize(
    ("name", "pack"), [("town.csv.gz", gzip.compress), ("town.csv.bz2", bz2.compress), ("town.csv.xz", lzma.compress)]
)
def test_a_compressed_file_reads_as_a_plain_one(
    read: Callable[..., Content], name: str, pack: Callable[[bytes], bytes]
) -> None:
    assert loads(read(pack(f"{HEADER}2024-07-01T00:00Z,41,9\n".encode()), name=name)) == {2: 41.0}


def test_a_column_that_two_series_take_serves_both_and_is_scaled_for_each(read: Callable[..., Content]) -> None:
    columns = [
        {"column": "load", "series": "town", "scale": 0.001},
        {"column": "load", "series": "twin-town", "scale": 1},
    ]
    content = read(f"{HEADER}2024-07-01T00:00Z,4100,9\n", columns=columns)
    assert content.rows[["series", "value"]].to_numpy().tolist() == [["town", 4.1], ["twin-town", 4100.0]]


def test_a_value_that_only_its_scale_makes_infinite_is_set_aside(read: Callable[..., Content]) -> None:
    columns = [{"column": "load", "series": "town", "scale": 1000}]
    assert found(read(f"{HEADER}2024-07-01T00:00Z,1e306,9\n", columns=columns)) == [(2, "not_finite")]


PACKED = gzip.compress(HEADER.encode() + np.random.default_rng(1).bytes(4000).hex().encode())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("town.csv", b"", "is empty"),
        ("town.csv", HEADER.encode("utf-16"), "UTF-16"),
        ("town.csv", b"time,load,temperature\n2024-07-01T00:00Z,4\xff,9\n", "not UTF-8: byte 0xff in line 2"),
        ("town.csv", f"{HEADER}2024-07-01T00:00Z,41,\0\0\0".encode(), "NUL byte in line 2"),
        ("town.csv", b"time,load\n", "has no column 'temperature'; it has 'time', 'load'"),
        ("town.csv", b"time,load,temperature,load\n", "has the column 'load' twice"),
        ("town.csv", f'{HEADER}2024-07-01T00:00Z,"41'.encode(), "no CSV from line 2 on"),
        ("town.csv", f"{HEADER}2024-07-01T00:00Z,{'9' * 200_000},9".encode(), "no CSV from line"),
        ("town.csv.gz", PACKED[:-900], "cannot be read"),
        ("town.csv.gz", PACKED[:500] + b"\xff" * 40 + PACKED[540:], "cannot be read"),
        ("town.csv.gz", HEADER.encode(), "cannot be read"),
        ("town.csv.bz2", b"no", "cannot be read"),
        ("town.csv.xz", HEADER.encode(), "cannot be read"),
        ("town.zip", HEADER.encode(), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_trusted_as_a_whole_is_refused_by_name(
    read: Callable[..., Content], name: str, content: bytes, words: str
) -> None:
    with pytest.raises(SourceError) as refused:
        read(content, name=name)
    assert name in str(refused.value)
    assert words in str(refused.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv cannot be read: FileNotFoundError"):
        read_all(request(tmp_path, "nowhere.csv"))


def test_a_scheme_that_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"carrier-pigeon://town\.csv cannot be read"):
        read_all(request(tmp_path, "carrier-pigeon://town.csv"))


@pytest.mark.parametrize("url", ["/etc/passwd", "../secrets.csv", "a/../../b.csv", ".."])
def test_a_url_that_leaves_the_data_folder_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceError, match="leaves the data folder"):
        read_all(request(tmp_path, url))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time_zone": "Mars/Olympus"}, "no IANA timezone"),
        ({"columns": [{"column": "load"}]}, "options of source town-file are incomplete"),
        ({"columns": [{"column": "load", "series": "town", "scale": "much"}]}, "options of source town-file"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(
    read: Callable[..., Content], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        read(f"{HEADER}2024-07-01T00:00Z,41,9\n", **options)


TIMES = st.one_of(
    st.datetimes().map(lambda time: time.isoformat()),
    st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    st.datetimes().map(lambda time: f"{time:%Y-%m-%d %H:%M}+11"),
    st.sampled_from(["now", "today", "2024-07-01T00:00+10:00", "2024-04-07 02:30", "1900", "20240701"]),
    st.text(max_size=12),
)
FIELDS = st.one_of(
    st.floats().map(str), st.integers().map(str), st.sampled_from(["", "NA", "1e309", "٣", "½"]), st.text(max_size=12)
)
LINES = st.one_of(
    st.tuples(TIMES, FIELDS, FIELDS).map(",".join), st.lists(FIELDS, max_size=5).map(",".join), st.text(max_size=30)
)
FILES = st.one_of(
    st.lists(LINES, max_size=8).map(lambda lines: (HEADER + "\n".join(lines)).encode("utf-8", "surrogatepass")),
    st.binary(max_size=80),
)


@hypothesis_settings(
    max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(content=FILES, zone=st.sampled_from([None, "Australia/Melbourne", "Europe/Dublin"]))
@example(content=f"{HEADER}2024-07-01T00:00+11,1,2\n2024-07-01,1,2".encode(), zone=None)
def test_any_file_is_refused_as_a_whole_or_accounted_for_line_by_line(
    read: Callable[..., Content], content: bytes, zone: str | None
) -> None:
    try:
        rows = read(content, **({"time_zone": zone} if zone else {}))
    except SourceError as refusal:
        assert "town.csv" in str(refusal)  # noqa: PT017 - both outcomes are right
        return
    records = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    lines = {records.line_num for fields in records if fields} - {1}
    bad = {row.row for row in rows.bad}
    good = {slug: set(part["row"]) for slug, part in rows.rows.groupby("series")}
    in_every_column = good.get("town", set()) & good.get("town-temperature", set())
    assert not bad & in_every_column
    assert bad | in_every_column <= lines
    assert len(lines - bad - in_every_column) <= rows.noted().get("repeated", 0)
    assert not rows.rows.duplicated(["row", "series"]).any()
    assert rows.rows["valid_time"].notna().all()
    assert not np.isinf(rows.rows["value"]).any()
    assert all(bad.rule and bad.message for bad in rows.bad)
