"""The header of a CSV: which delimiter it has, and whether the columns that are needed are there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from include.errors import SourceError
from include.sources.files.numbers import short
from include.sources.files.spool import LONGEST_LINE, Spool

DELIMITERS = (",", ";", "\t", "|")
MOST_COLUMNS = 10_000
_BOM = b"\xef\xbb\xbf"
_NAMES_SHOWN = 30


@dataclass(frozen=True)
class Header:
    """The names of the columns, what is between them, and where the first record begins: its byte, and lines before."""

    names: list[str]
    delimiter: str
    end: int
    lines: int


def reader_of(text: str, delimiter: str) -> Iterator[list[str]]:
    """The csv module's reader, strict. Lines end as Python's text files have it."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def read_header(spool: Spool, *, needed: Sequence[str], delimiter: str | None) -> Header:
    """The header of a spooled text.

    Args:
        spool: the text.
        needed: names of columns.
        delimiter: as declared; None takes the one that gives the columns needed.

    Raises:
        SourceError: there is none, it lacks a column or has it twice, or has far too many.
    """
    start = len(_BOM) if spool.read(0, len(_BOM)) == _BOM else 0
    text = spool.read(start, LONGEST_LINE + 2).decode(errors="ignore")
    if not text.strip("\r\n"):
        raise SourceError("is empty")
    tried = [_split(text, start, each) for each in ((delimiter,) if delimiter else DELIMITERS)]
    possible = [header for header in tried if isinstance(header, Header)]
    if not possible:
        raise SourceError(f"is no CSV from line 1 on: {tried[0]}")
    header = max(possible, key=lambda header: (len(set(needed) & set(header.names)), len(header.names)))
    if not header.names:
        raise SourceError("has no header: its first line is blank")
    if len(header.names) > MOST_COLUMNS:
        raise SourceError(f"has {len(header.names):,} columns; {MOST_COLUMNS:,} are the limit")
    check_names(header.names, needed)
    return header


def check_names(names: Sequence[str], needed: Sequence[str]) -> None:
    """Raises SourceError unless each name needed is there, and once."""
    missing = [name for name in dict.fromkeys(needed) if name not in names]
    if missing:
        there = ", ".join(repr(short(name)) for name in names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN:,} others" if len(names) > _NAMES_SHOWN else ""
        lacking = ", ".join(repr(short(name)) for name in missing[:_NAMES_SHOWN])
        raise SourceError(f"has no column {lacking}; it has {there}{more}")
    twice = sorted({name for name in needed if names.count(name) > 1})
    if twice:
        raise SourceError(f"has the column {short(twice[0])!r} twice")


def _split(text: str, start: int, delimiter: str) -> Header | csv.Error:
    reader: Any = reader_of(text, delimiter)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        return error
    lines = io.StringIO(text, newline="")
    size = sum(len(lines.readline().encode()) for _ in range(reader.line_num))
    return Header(names, delimiter, start + size, reader.line_num)
