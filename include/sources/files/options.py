"""The options of a source of files: what is read, how it is written, and into which series it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from include.errors import SourceError
from include.sources.connector import Request
from include.sources.files.csv_header import DELIMITERS
from include.sources.local_time import AMBIGUOUS, NONEXISTENT, zone_of
from include.sources.resampling import resample
from include.sources.rules import Column, columns_of, duration, latest_time

FORMATS = ("csv", "parquet")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "labels": ("start", "end"),
    "format": FORMATS,
    "delimiter": DELIMITERS,
    "decimal": (".", ","),
    "ambiguous": AMBIGUOUS,
    "nonexistent": NONEXISTENT,
}
_KEYS = {
    *_CHOICES,
    "time_column",
    "time_zone",
    "missing",
    "issue_time_column",
    "columns",
    "resolution",
    "resample",
    "future_tolerance",
}
_COLUMN_KEYS = {"column", "series", "scale", "minimum", "maximum"}


@dataclass(frozen=True)
class FileOptions:
    """The options, checked. `own` has the length of the source's own intervals by series."""

    time_column: str
    issue_time_column: str | None
    columns: list[Column]
    own: Mapping[str, pd.Timedelta]
    zone: ZoneInfo | None
    labels: str
    format: str | None
    delimiter: str | None
    decimal: str
    ambiguous: str
    nonexistent: str
    missing: frozenset[str]
    latest: pd.Timestamp

    @property
    def times(self) -> list[str]:
        """The columns of times."""
        return [self.time_column, *([self.issue_time_column] if self.issue_time_column else [])]

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        return [*self.times, *(column.stated["column"] for column in self.columns)]


def read_options(request: Request) -> FileOptions:
    """The options of a request.

    Raises:
        SourceError: they are incomplete, make no sense, or hold what nobody knows.
    """
    try:
        return _read(request)
    except SourceError as error:
        slug = request.source["slug"]
        raise SourceError(f"The options of source {slug} are incomplete or wrong: {error}") from error


def _read(request: Request) -> FileOptions:
    options = request.options
    if not isinstance(options, Mapping):
        raise SourceError(f"{options!r} is no object of options")
    _refuse_unknown(options, _KEYS, what="option")
    chosen = {name: _choice(options, name, allowed) for name, allowed in _CHOICES.items()}
    columns = columns_of(options)
    for column in columns:
        _refuse_unknown(column.stated, _COLUMN_KEYS, what=f"key of the column for {column.series}")
        _name(column.stated, "column")
        if column.series not in request.resolutions:
            raise SourceError(f"nothing is known of the series {column.series}")
    stated = duration(options, "resolution")
    # What does not fit is refused before a row is read, and not with the first one of a series.
    resample(_example(columns), options, resolutions=request.resolutions)
    missing = options.get("missing", [])
    if not isinstance(missing, list) or not all(isinstance(text, str) for text in missing):
        raise SourceError(f"missing is {missing!r}, which is no list of texts")
    if chosen["decimal"] == "," and chosen["delimiter"] == ",":
        raise SourceError("the comma cannot be the delimiter and the decimal mark")
    return FileOptions(
        time_column=_name(options, "time_column"),
        issue_time_column=_name(options, "issue_time_column") if options.get("issue_time_column") else None,
        columns=columns,
        own={column.series: stated or request.resolutions[column.series] for column in columns},
        zone=zone_of(options.get("time_zone")),
        labels=chosen["labels"] or "start",
        format=chosen["format"],
        delimiter=chosen["delimiter"],
        decimal=chosen["decimal"] or ".",
        ambiguous=chosen["ambiguous"] or "reject",
        nonexistent=chosen["nonexistent"] or "reject",
        missing=frozenset(text.strip().lower() for text in missing),
        latest=latest_time(options, read_at=request.read_at),
    )


def _example(columns: list[Column]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": 1,
            "series": [column.series for column in columns],
            "valid_time": pd.Timestamp(0, tz="UTC").as_unit("ns"),
            "value": 0.0,
        }
    )


def _refuse_unknown(stated: Mapping[str, Any], known: set[str], *, what: str) -> None:
    unknown = sorted(set(stated) - known)
    if unknown:
        raise SourceError(f"{unknown[0]!r} is no {what}; there are {', '.join(sorted(known))}")


def _choice(options: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = options.get(name)
    if value is not None and value not in allowed:
        raise SourceError(f"{name} is {value!r}; it is one of {', '.join(map(repr, allowed))}")
    return value


def _name(stated: Mapping[str, Any], key: str) -> str:
    name = stated.get(key)
    if not isinstance(name, str) or not name.strip():
        raise SourceError(f"{key} is {name!r}, which is no name of a column")
    return name.strip()
