"""CSV files, plain or compressed, in a local folder or at any fsspec URL.

A file is read whole as text, so that a line that is wrong is kept as it came, with its line number and the rule that it
breaks, and costs none of the others. What makes the whole file unreadable is a SourceError.
"""

from __future__ import annotations

import codecs
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import fsspec
import numpy as np
import pandas as pd

from include.errors import SourceError
from include.sources.rows import BadRow, SourceRows

MISSING = ("", "-", "na", "n/a", "nan", "null")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
# Written out, because the parser alone also takes "now", and years that overflow once a zone is applied.
_LOCAL = r"(?:18|19|20|21)\d\d-?\d\d-?\d\d(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d{1,9})?)?)?"
_NAIVE = re.compile(rf"{_LOCAL})?", re.ASCII)
_WITH_OFFSET = re.compile(rf"{_LOCAL}) ?(?:Z|[+-]\d\d(?::?\d\d)?)", re.ASCII)
_UNREADABLE = (OSError, EOFError, ValueError, ImportError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
Faults = dict[Any, tuple[str, str]]
"""By line: the rule that is broken, and how."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_file(source: Mapping[str, Any], *, data_url: str) -> SourceRows:
    """Read the file of a source.

    Args:
        source: as the portal describes it: `url` (relative to `data_url`, or a whole one) and `options` with
            `time_column`, `columns` (column, series, scale) and `time_zone`, the zone of times without an offset.
        data_url: fsspec URL of the folder of relative sources.

    Raises:
        SourceError: the file is missing, cut, empty, not UTF-8, or lacks a column; or the options make no sense.
    """
    url = resolve_url(str(source["url"]), data_url=data_url)
    try:
        options = source["options"]
        time_column, columns, zone = options["time_column"], options["columns"], _zone(options.get("time_zone"))
        wanted = [(each["column"], each["series"], float(each.get("scale", 1))) for each in columns]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"The options of source {source['slug']} are incomplete: {error!r}") from error
    table, bad = _read_table(url, needed=[time_column, *(column for column, _, _ in wanted)])
    times, faults = _times(table[time_column], zone=zone)
    bad += _bad(table, faults)
    parts = []
    for column, series, scale in wanted:
        values, faults = _numbers(table[column], column=column, scale=scale)
        bad += _bad(table, faults)
        good = times.notna() & ~table.index.isin(list(faults))
        parts.append(
            pd.DataFrame({"row": table.index[good], "series": series, "valid_time": times[good], "value": values[good]})
        )
    return SourceRows(
        file=str(source["url"]),
        rows=pd.concat(parts, ignore_index=True),
        bad=sorted(bad, key=lambda row: row.row),
        raw=table.to_dict("index"),  # type: ignore[arg-type]  # the index holds lines, the columns are texts
    )


def resolve_url(url: str, *, data_url: str) -> str:
    """A source's URL, whole; a relative one stays below `data_url`.

    Raises:
        SourceError: it leaves the folder.
    """
    if "://" in url:
        return url
    if url.startswith("/") or ".." in url.split("/"):
        raise SourceError(f"The source's URL {url!r} leaves the data folder; give a path inside it, or a whole URL")
    return f"{data_url}/{url}"


def _read_table(url: str, *, needed: list[str]) -> tuple[pd.DataFrame, list[BadRow]]:
    """The file as text columns, indexed by line, and the lines with a wrong number of fields."""
    reader = csv.reader(io.StringIO(_text(url), newline=""), strict=True)
    lines, rows, bad = [], [], []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(url, header, needed)
        for fields in reader:
            if not fields:
                continue
            if len(fields) == len(header):
                lines.append(reader.line_num)
                rows.append(fields)
            else:
                message = f"The line has {len(fields)} fields, the header {len(header)}."
                raw = {"fields": [_short(text) for text in fields[: len(header) + 1]]}
                bad.append(BadRow(reader.line_num, raw, "field_count", message))
    except csv.Error as error:
        raise SourceError(f"{url} is no CSV from line {reader.line_num} on: {error}") from error
    return pd.DataFrame(rows, columns=header, index=pd.Index(lines, dtype="int64"), dtype=str), bad


def _text(url: str) -> str:
    try:
        with fsspec.open(url, "rb", compression="infer") as stream:
            content: bytes = stream.read()
    except _UNREADABLE as error:
        raise SourceError(f"{url} cannot be read: {type(error).__name__}: {error}") from error
    if content.startswith(_UTF16):
        raise SourceError(f"{url} is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{url} is not UTF-8: byte {content[error.start]:#04x} in line {line}") from error
    if "\0" in text:
        raise SourceError(f"{url} has a NUL byte in line {text.count(chr(10), 0, text.index(chr(0))) + 1}: it is cut")
    return text


def _check_header(url: str, header: list[str], needed: list[str]) -> None:
    if not header:
        raise SourceError(f"{url} is empty")
    missing = [name for name in needed if name not in header]
    if missing:
        raise SourceError(f"{url} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, header))}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise SourceError(f"{url} has the column {twice[0]!r} twice")


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise SourceError(f"time_zone {name!r} is no IANA timezone") from error


def _times(texts: pd.Series, *, zone: ZoneInfo | None) -> tuple[pd.Series, Faults]:
    """Times as UTC, NaT where a rule is broken, and which rule that is, by line."""
    texts = texts.str.strip().str.upper()
    with_offset = texts.str.fullmatch(_WITH_OFFSET)
    times = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[ns, UTC]")
    times[with_offset] = pd.to_datetime(texts[with_offset], format="ISO8601", errors="coerce", utc=True)
    naive = pd.to_datetime(texts[texts.str.fullmatch(_NAIVE)], format="ISO8601", errors="coerce")
    no_time = times.isna() & naive.reindex(texts.index).isna()
    faults: Faults = {
        line: ("not_a_time", f"{_short(text)!r} is no ISO 8601 time.") for line, text in texts[no_time].items()
    }
    naive = naive.dropna()
    if zone is None:
        faults |= dict.fromkeys(naive.index, ("naive_time", "The time has no offset, and the source declares no zone."))
        return times, faults
    local = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    unclear = local[local.isna()]
    message = f"On the clock of {zone.key} this time does not exist or comes twice; write it with an offset."
    faults |= dict.fromkeys(unclear.index, ("clock_change", message))
    times[local.dropna().index] = local.dropna().dt.tz_convert("UTC").dt.as_unit("ns")
    return times, faults


def _numbers(texts: pd.Series, *, column: str, scale: float) -> tuple[pd.Series, Faults]:
    """Values times `scale` as float, NaN where missing, and the lines that hold something else."""
    texts = texts.str.strip()
    numeric = texts.str.fullmatch(_NUMBER)
    missing = texts.str.lower().isin(MISSING)
    values = texts.where(numeric, "nan").astype("float64") * scale
    faults: Faults = {
        line: ("not_a_number", f"{column}: {_short(text)} is no number.")
        for line, text in texts[~numeric & ~missing].items()
    }
    faults |= {
        line: ("not_finite", f"{column}: {_short(text)} is larger than any number that can be kept.")
        for line, text in texts[np.isinf(values)].items()
    }
    return values, faults


def _bad(table: pd.DataFrame, faults: Faults) -> list[BadRow]:
    broken = table.loc[list(faults)] if faults else table.iloc[:0]
    return [
        BadRow(line, {name: _short(text) for name, text in zip(table.columns, fields, strict=True)}, *faults[line])
        for line, *fields in broken.itertuples()
    ]


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"
