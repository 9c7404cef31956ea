"""Files that cannot be trusted as a whole: nothing of them is stored."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.include.sources.files.broken.case import HEADER, Case, lines
from tests.include.sources.files.broken.rows import AROUND, FIRST, LAST

GOOD = lines(FIRST, LAST)
TIMES = [datetime(2024, 7, 1, 0, minute, tzinfo=UTC) for minute in (0, 30)]
MOST_BYTES = 4 << 20
"""What the settings of these tests allow a file to unpack to."""


def parquet(**columns: pa.Array) -> bytes:
    """A Parquet file of these columns; time and load are those of the town unless given."""
    table = pa.table({"time": pa.array(TIMES), "load": pa.array([41.0, 43.0]), **columns})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def packed_zst(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    octets: bytes = sink.getvalue().to_pybytes()
    return octets


def zipped(*contents: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"../{number}.csv", content)
    return sink.getvalue()


def with_password(archive: bytes) -> bytes:
    """An archive that says so of its only file, at both places."""
    octets = bytearray(archive)
    octets[6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


LONG = gzip.compress(lines(*(f"2024-07-01T00:00Z,{number}" for number in range(9000))).encode())
DAMAGED = bytearray(parquet())
DAMAGED[30:60] = bytes(30)
HOURLY = lines(*(f"2024-07-01T{hour:02d}:00Z,{hour}" for hour in range(24)))

FILES = [
    Case("an empty file", "", refused="is empty"),
    Case("blank lines only", "\n\n\n", refused="is empty"),
    Case("a header without rows", HEADER, refused="has a header and no rows"),
    Case("a renamed column", "time,power\n2024-07-01T00:00Z,41\n", refused="no column 'load'; it has 'time', 'power'"),
    Case("a column twice", "time,load,load\n2024-07-01T00:00Z,41,42\n", refused="the column 'load' twice"),
    Case("another delimiter than declared", GOOD, refused="has no column", options={"delimiter": ";"}),
    Case("no table at all", "<html><body>504 Gateway Time-out</body></html>\n", refused="has no column"),
    Case("UTF-16", GOOD.encode("utf-16"), refused="UTF-16"),
    Case("UTF-16 that does not say so", GOOD.encode("utf-16-le"), refused="UTF-16 without a byte order mark"),
    Case("Latin-1", GOOD.encode() + b"# M\xfcnchen,1\n", refused="not UTF-8: byte 0xfc in line 4"),
    Case("half of a character at the end", GOOD.encode() + b"\xe2\x82", refused="not UTF-8"),
    Case("NUL bytes at the end", GOOD.encode() + bytes(512), refused="NUL byte in line 4"),
    Case("a last line that is cut", f"{GOOD}2024-07-01T01:0", refused="is cut: its last line, 4, has no line end"),
    Case("a quote that stays open", f'{GOOD}2024-07-01T01:00Z,"5', refused="no CSV from line 4 on"),
    Case("a quote that stays open for long", f'{GOOD}"{LAST}\n' + GOOD * 60_000, refused="no CSV from line 4 on"),
    Case("text behind a quote", f'{GOOD}2024-07-01T01:00Z,"5"5\n', refused="no CSV from line 4 on"),
    Case("a gigantic line", f"{GOOD}2024-07-01T01:00Z,{'5' * (2 << 20)}\n", refused="1,048,576 bytes in line 4"),
    Case("a million columns", ",".join(f"c{n}" for n in range(1_000_000)), refused="1,048,576 bytes in line 1"),
    Case("very many columns", "time,load," + ",".join("abcd" * 5000) + "\n", refused="columns; 10,000 are the limit"),
    Case("a file larger than allowed", GOOD + LAST * (5 << 18), refused="more than", file="town.csv"),
    Case("a bomb of gzip", gzip.compress(b"\n" * (64 << 20)), refused="more than 4,194,304 bytes", file="town.csv.gz"),
    Case("a bomb of bzip2", bz2.compress(b"\n" * (64 << 20)), refused="more than 4,194,304", file="town.csv.bz2"),
    Case("a bomb of xz", lzma.compress(b"\n" * (64 << 20)), refused="more than 4,194,304", file="town.csv.xz"),
    Case("a bomb of zstd", packed_zst(b"\n" * (64 << 20)), refused="more than 4,194,304", file="town.csv.zst"),
    Case("a gzip that is cut", LONG[:-900], refused="cannot be read", file="town.csv.gz"),
    Case("a gzip that lacks its checksum", LONG[:-8], refused="cannot be read", file="town.csv.gz"),
    Case(
        "a gzip with a wrong byte", LONG[:900] + b"\xff" * 9 + LONG[909:], refused="cannot be read", file="town.csv.gz"
    ),
    Case("a text that is called gzip", GOOD, refused="cannot be read", file="town.csv.gz"),
    Case("a gzip that is called a text", LONG, refused="is not UTF-8", file="town.csv"),
    Case("an xz that is cut", lzma.compress(GOOD.encode())[:-9], refused="cannot be read", file="town.csv.xz"),
    Case("a zstd that is cut", packed_zst(GOOD.encode())[:-3], refused="cannot be read", file="town.csv.zst"),
    Case(
        "a zip with a password", with_password(zipped(GOOD)), refused="is encrypted, password required", file="town.zip"
    ),
    Case("a zip with two files", zipped(GOOD, GOOD), refused="it holds 2 files", file="town.zip"),
    Case("hourly values for half an hour", HOURLY, refused="every 0 days 01:00:00, where 0 days 00:30:00"),
    Case("a Parquet that is cut", parquet()[:-5], refused="cannot be read", file="town.parquet"),
    Case("a Parquet with wrong bytes", bytes(DAMAGED), refused="cannot be read", file="town.parquet"),
    Case("a text that is called Parquet", GOOD, refused="cannot be read", file="town.parquet"),
    Case(
        "a Parquet of booleans",
        parquet(load=pa.array([True, False])),
        refused="bool in the column 'load'",
        file="town.parquet",
    ),
    Case(
        "a Parquet of numbers for times",
        parquet(time=pa.array([1, 2])),
        refused="int64 in the column 'time'",
        file="town.parquet",
    ),
    Case(
        "a Parquet with a renamed column",
        parquet().replace(b"load", b"loud"),
        refused="has no column 'load'",
        file="town.parquet",
    ),
    Case(
        "a Parquet that unpacks to much",
        parquet(time=pa.array(TIMES * 400_000), load=pa.array([41.0, 43.0] * 400_000)),
        refused="unpacks to more than 4,194,304 bytes",
        file="town.parquet",
    ),
]

FILES.append(
    Case(
        "a Parquet of texts that are no UTF-8",
        parquet(load=pa.array(["41", "§§§§§§"])).replace("§§§§§§".encode(), b"\xff" * 12),
        refused="cannot be read",
        file="town.parquet",
    )
)

WHOLE = [
    Case("gzip", gzip.compress(GOOD.encode()), stored=AROUND, file="town.csv.gz"),
    Case(
        "gzip in two members",
        gzip.compress(HEADER.encode()) + gzip.compress(lines(FIRST, LAST, header="").encode()),
        stored=AROUND,
        file="town.csv.gz",
    ),
    Case(
        "xz in two streams",
        lzma.compress(HEADER.encode()) + lzma.compress(lines(FIRST, LAST, header="").encode()),
        stored=AROUND,
        file="town.csv.xz",
    ),
    Case("zstd", packed_zst(GOOD.encode()), stored=AROUND, file="town.csv.zst"),
    Case("a zip whose file leads elsewhere", zipped(GOOD), stored=AROUND, file="town.csv.zip"),
    Case("Parquet", parquet(), stored=AROUND, file="town.parquet"),
    Case(
        "Parquet on a local clock",
        parquet(time=pa.array(TIMES, pa.timestamp("ns", "Asia/Tokyo"))),
        stored=AROUND,
        file="town.parquet",
    ),
    Case(
        "Parquet of times without a zone",
        parquet(time=pa.array(pd.DatetimeIndex(TIMES).tz_localize(None))),
        bad=((1, "naive_time"), (2, "naive_time")),
        file="town.parquet",
    ),
    Case(
        "Parquet of times on a declared clock",
        parquet(time=pa.array(pd.DatetimeIndex(TIMES).tz_convert("Europe/Berlin").tz_localize(None))),
        stored=AROUND,
        file="town.parquet",
        options={"time_zone": "Europe/Berlin"},
    ),
    Case(
        "Parquet of texts",
        parquet(time=pa.array(["2024-07-01T00:00Z", "x"]), load=pa.array(["41.0", "5"])),
        stored={"00:00": 41.0},
        bad=((2, "not_a_time"),),
        file="town.parquet",
    ),
    Case(
        "Parquet of decimals",
        parquet(load=pa.array(["41.00", "43.00"]).cast(pa.decimal128(9, 2))),
        stored=AROUND,
        file="town.parquet",
    ),
    Case(
        "Parquet of integers, one of them not exact",
        parquet(load=pa.array([41, 2**53 + 1])),
        stored={"00:00": 41.0},
        bad=((2, "inexact"),),
        file="town.parquet",
    ),
    Case(
        "Parquet of floats, one of them infinite",
        parquet(load=pa.array([41.0, float("inf")])),
        stored={"00:00": 41.0},
        bad=((2, "not_finite"),),
        file="town.parquet",
    ),
    Case(
        "Parquet with missing values",
        parquet(load=pa.array([None, float("nan")])),
        stored={"00:00": None, "00:30": None},
        file="town.parquet",
    ),
    Case("Parquet by declaration", parquet(), stored=AROUND, file="town.dat", options={"format": "parquet"}),
    Case(
        "Parquet of texts, one of them gigantic",
        parquet(load=pa.array(["41", "5" * 2_000_000])),
        stored={"00:00": 41.0},
        bad=((2, "not_a_number"),),
        file="town.parquet",
    ),
]
