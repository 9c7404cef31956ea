"""Memory does not grow with a file, and parts can be taken up where a run stopped."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from include.errors import SourceError
from include.sources.files import bad_on_disk
from tests.include.sources.files.broken.case import lines
from tests.include.sources.files.reading import read, request

LOAD = {"columns": [{"column": "load", "series": "town"}]}
MEASURE = """
import json, pathlib, re, sys
from datetime import UTC, datetime
import pandas as pd
from include.settings import Settings
from include.sources.connector import Request
from include.sources.files.connector import read_file

folder, url = sys.argv[1:]
asked = Request(
    source={"slug": "s", "url": url, "options": {"time_column": "time", "columns": [
        {"column": "load", "series": "town"}, {"column": "temperature", "series": "weather"}]}},
    as_of=datetime(2100, 1, 1, tzinfo=UTC), read_at=datetime(2100, 1, 1, tzinfo=UTC),
    settings=Settings(data_url=f"file://{folder}"),
    resolutions={"town": pd.Timedelta("1min"), "weather": pd.Timedelta("1min")})
def rows():
    return sum(len(part.rows) + len(part.bad) for part in read_file(asked))
warm = Request(**{**asked.__dict__, "source": {**asked.source, "url": "warm.csv"}})
for _ in read_file(warm): pass
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024
base = peak()
found = rows()
print(json.dumps([found, peak() - base]))
"""


def write(path: Path, rows: int, *, shuffled: bool = False, bad: bool = False) -> None:
    times = pd.date_range("2000-01-01", periods=rows, freq="1min", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = pd.DataFrame({"time": times, "load": range(rows), "temperature": "much" if bad else "9.5"})
    (frame.sample(frac=1, random_state=1) if shuffled else frame).to_csv(path, index=False)


def measured(folder: Path, url: str) -> tuple[int, int]:
    """How many rows came of a file, and how many MiB the process grew by."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder), url], capture_output=True, text=True, check=True, timeout=240
    )
    found, grown = done.stdout.strip()[1:-1].split(",")
    return int(found), int(grown)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is Linux's to tell")
def test_a_file_ten_times_as_large_takes_hardly_more_memory(tmp_path: Path) -> None:
    """In the worst order, by chance. The larger file has 40 MiB more of text, which are many times that as objects."""
    write(tmp_path / "warm.csv", 1000)
    write(tmp_path / "small.csv", 150_000, shuffled=True)
    write(tmp_path / "large.csv", 1_500_000, shuffled=True)
    rows, small = measured(tmp_path, "small.csv")
    assert rows == 300_000
    rows, large = measured(tmp_path, "large.csv")
    assert rows == 3_000_000
    assert large < small + 50, f"MiB grown by: {small} small, {large} large"


def test_bad_rows_come_some_at_a_time_before_the_good_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_on_disk, "_MOST_ROWS", 10)
    (tmp_path / "town.csv").write_text(lines(*(f"x,{n}" for n in range(25)), "2024-07-01T00:00Z,1"))
    content = read(request(tmp_path, **LOAD))
    assert [(len(part.bad), len(part.rows)) for part in content.parts] == [(10, 0), (10, 0), (5, 1)]
    assert [bad.row for bad in content.bad] == list(range(2, 27))


def three_days(folder: Path, name: str = "town.csv") -> None:
    times = pd.date_range("2024-07-01", periods=144, freq="30min", tz="UTC")
    (folder / name).write_text(lines(*(f"{time.isoformat()},{n}" for n, time in enumerate(times))))


DAILY = {"ingest_days_per_request": 1}


def test_the_parts_are_the_days_in_their_order(tmp_path: Path) -> None:
    three_days(tmp_path)
    content = read(request(tmp_path, settings=DAILY, **LOAD))
    assert [len(part.rows) for part in content.parts] == [48, 48, 48]
    assert [part.is_last_of_file for part in content.parts] == [False, False, True]
    assert [round(part.done or 0, 2) for part in content.parts] == [0.33, 0.67, 1.0]


def test_a_run_goes_on_behind_the_last_part_that_was_stored(tmp_path: Path) -> None:
    for name in ("a.csv", "c.csv"):
        three_days(tmp_path, name)
    (tmp_path / "b.csv").write_text("time\n")
    first = read(request(tmp_path, "*.csv", settings=DAILY, **LOAD), catch=True)
    assert len(first.parts) == 6
    for number, part in enumerate(first.parts, start=1):
        rest = read(request(tmp_path, "*.csv", settings=DAILY, facts={"position": part.position}, **LOAD), catch=True)
        assert [each.position for each in rest.parts] == [each.position for each in first.parts[number:]]
        assert str(rest.refused) == str(first.refused), "what was refused before is named as well"


def test_a_file_that_changed_or_is_read_otherwise_begins_anew(tmp_path: Path) -> None:
    three_days(tmp_path)
    position = read(request(tmp_path, settings=DAILY, **LOAD)).parts[1].position
    at = {"position": position}
    assert len(read(request(tmp_path, settings=DAILY, facts=at, **LOAD)).parts) == 1
    later = {**at, "read_at": datetime(2025, 1, 2, tzinfo=UTC)}
    assert len(read(request(tmp_path, settings=DAILY, facts=later, **LOAD)).parts) == 3
    assert len(read(request(tmp_path, settings=DAILY, facts=at, labels="end", **LOAD)).parts) == 3
    with (tmp_path / "town.csv").open("a") as file:
        file.write("2024-07-04T00:00Z,5\n")
    assert len(read(request(tmp_path, settings=DAILY, facts=at, **LOAD)).parts) == 4


def test_the_period_is_half_open_and_a_file_read_in_part_is_not_read_to_its_end(tmp_path: Path) -> None:
    three_days(tmp_path)
    period = {"start": datetime(2024, 7, 1, 12, tzinfo=UTC), "end": datetime(2024, 7, 1, 13, tzinfo=UTC)}
    content = read(request(tmp_path, facts=period, **LOAD))
    assert content.times() == ["07-01T12:00", "07-01T12:30"]
    assert not any(part.is_last_of_file for part in content.parts)
    around = {"start": datetime(2024, 1, 1, tzinfo=UTC), "end": datetime(2025, 1, 1, tzinfo=UTC)}
    assert read(request(tmp_path, facts=around, **LOAD)).parts[-1].is_last_of_file


def test_intervals_at_the_edges_of_a_part_are_whole(tmp_path: Path) -> None:
    times = pd.date_range("2024-07-01 11:00", periods=600, freq="10min", tz="UTC")
    (tmp_path / "town.csv").write_text(lines(*(f"{time.isoformat()},1" for time in times)))
    resampled = {"resolution": "PT10M", "resample": "sum"}
    content = read(request(tmp_path, settings=DAILY, **resampled, **LOAD))
    assert set(content.rows["value"]) == {3.0}
    assert len(content.rows) == 200
    assert len(content.parts) == 5
    assert content.noted() == {}


def test_a_file_of_forecasts_has_each_time_once_per_issue(tmp_path: Path) -> None:
    header = "issued,time,load\n"
    rows = [f"2024-06-30T{issue}:00Z,2024-07-01T{hour}:00Z,{issue}" for issue in ("00", "06") for hour in ("00", "01")]
    text = lines(*rows, rows[0], "2024-06-30T00:00Z,2030-01-01T00:00Z,9", "x,2024-07-01T00:00Z,1", header=header)
    (tmp_path / "town.csv").write_text(text)
    content = read(request(tmp_path, issue_time_column="issued", **LOAD))
    assert content.rows["issue_time"].dt.hour.tolist() == [0, 6, 0, 6, 0]
    assert content.found() == [(8, "not_a_time")]
    assert content.noted() == {"repeated": 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tiem_zone": "UTC"}, "'tiem_zone' is no option"),
        ({"columns": [{"column": "load", "series": "town", "unit": "kW"}]}, "'unit' is no key of the column for town"),
        ({"columns": [{"column": "load", "series": "elsewhere"}]}, "nothing is known of the series elsewhere"),
        ({"labels": "middle"}, "labels is 'middle'; it is one of 'start', 'end'"),
        ({"delimiter": ",", "decimal": ","}, "cannot be the delimiter and the decimal mark"),
        ({"missing": "NA"}, "no list of texts"),
        ({"resolution": "PT5M"}, "resample says how"),
        ({"time_column": ""}, "time_column is ''"),
        ({"future_tolerance": "1 hour"}, "no ISO 8601 duration"),
        ({"time_zone": 5}, "no IANA timezone"),
    ],
)
def test_options_that_nobody_knows_or_that_make_no_sense_are_refused(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    three_days(tmp_path)
    with pytest.raises(SourceError, match=words):
        read(request(tmp_path, **{**LOAD, **options}))
