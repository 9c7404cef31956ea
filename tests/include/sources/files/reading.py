"""Reads files as the connector gives them, all parts of a file put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from include.errors import SourceError
from include.settings import Settings
from include.sources.connector import BadRow, Note, Part, Request
from include.sources.files.connector import read_file

READ_AT = datetime(2025, 1, 1, tzinfo=UTC)
HEADER = "time,load,temperature\n"
COLUMNS = [
    {"column": "load", "series": "town", "scale": 1},
    {"column": "temperature", "series": "town-temperature", "scale": 1},
]
HALF_HOURLY = {name: pd.Timedelta("30min") for name in ("town", "town-temperature", "twin-town")}


@dataclass
class Content:
    """What the parts of a source held. `raw` has each good row as it came."""

    rows: pd.DataFrame
    parts: list[Part]
    bad: list[BadRow] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    raw: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    refused: SourceError | None = None

    def found(self) -> list[tuple[int, str]]:
        """Line and rule of each bad row."""
        return [(bad.row, bad.rule) for bad in self.bad]

    def noted(self) -> dict[str, int]:
        """How often each rule was noted."""
        counts: dict[str, int] = {}
        for note in self.notes:
            counts[note.rule] = counts.get(note.rule, 0) + note.count
        return counts

    def values(self, series: str = "town") -> dict[int, float]:
        """The values of a series by line."""
        rows = self.rows[self.rows["series"] == series]
        return dict(zip(rows["row"], rows["value"], strict=True))

    def times(self, series: str = "town") -> list[str]:
        """The times of a series: 07-01T00:30."""
        rows = self.rows[self.rows["series"] == series]
        return [f"{time:%m-%dT%H:%M}" for time in rows["valid_time"]]


def request(
    folder: Path,
    url: str = "town.csv",
    *,
    settings: Mapping[str, Any] | None = None,
    resolutions: Mapping[str, pd.Timedelta] | None = None,
    facts: Mapping[str, Any] | None = None,
    **options: Any,
) -> Request:
    """A request for a source of files in a folder; `options` are added to those of the town."""
    return Request(
        source={"slug": "town-file", "url": url, "options": {"time_column": "time", "columns": COLUMNS, **options}},
        as_of=READ_AT,
        settings=Settings(data_url=f"file://{folder}", **(settings or {})),
        resolutions=resolutions or HALF_HOURLY,
        **{"read_at": READ_AT, **(facts or {})},
    )


def read(asked: Request, *, catch: bool = False) -> Content:
    """All parts, put together. With `catch`, a SourceError at the end is kept in `refused`."""
    content = Content(rows=pd.DataFrame(), parts=[])
    frames = []
    try:
        for part in read_file(asked):
            frames.append(part.rows)
            content.parts.append(part)
            content.bad += part.bad
            content.notes += part.notes
            content.raw |= {row: part.raw(row) for row in part.rows["row"].unique().tolist()}
    except SourceError as error:
        if not catch:
            raise
        content.refused = error
    if frames:
        content.rows = pd.concat(frames, ignore_index=True)
    content.bad.sort(key=lambda bad: bad.row)
    return content
