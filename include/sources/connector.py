"""The one interface of all connectors: a request goes in, parts of the source's rows come out.

A connector is a function ``(Request) -> Iterator[Part]``. Each part is stored before the next one is asked for, so a
connector holds no more than one part in memory, and a run that was stopped goes on behind the last part that was
stored. A connector neither writes nor decides what is known when; it says what the source says, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from types import MappingProxyType
from typing import Any, Protocol

import pandas as pd

from include.settings import Settings

COLUMNS = ("row", "series", "valid_time", "value")
_LARGEST_INTEGER = 2**63
NO_MARGIN = timedelta(0)
NO_ROW = 0
"""The row number of a bad row that comes without lines, from a service say: what it says itself tells it apart."""


@dataclass(frozen=True)
class Access:
    """What the Airflow connection of a source holds: where the service is and how one gets in.

    `url` is empty where the service's own address is meant; `uri` is the whole connection as a URI, for databases.
    """

    url: str = ""
    login: str = ""
    secret: str = field(default="", repr=False)
    uri: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True)
class Request:
    """What is wanted of a source.

    `source` is as the portal describes it. `[start, end)` bounds the valid times; None is open. `as_of` is the time to
    work for, `read_at` the time at which the run began by the clock: the two differ in a backfill. `resolutions` has
    the length of an interval of each series that the options name. `position` is that of the last part which an
    earlier try of the same run has stored. `observed` reads another series as known at `as_of`. `ahead` are the series
    whose values may lie in the future, being forecasts themselves (quantity load_forecast).
    """

    source: Mapping[str, Any]
    as_of: datetime
    read_at: datetime
    settings: Settings
    resolutions: Mapping[str, pd.Timedelta]
    start: datetime | None = None
    end: datetime | None = None
    access: Access = Access()
    position: Any = None
    observed: Callable[[str, datetime | None, datetime | None], pd.Series] | None = None
    ahead: frozenset[str] = frozenset()

    @property
    def options(self) -> Mapping[str, Any]:
        options: Mapping[str, Any] = self.source["options"]
        return options

    def of_period(self, rows: pd.DataFrame, *, margin: timedelta = NO_MARGIN) -> pd.DataFrame:
        """The rows whose valid_time is of the period, or within a margin about it."""
        if self.start is not None:
            rows = rows[rows["valid_time"] >= self.start - margin]
        if self.end is not None:
            rows = rows[rows["valid_time"] < self.end + margin]
        return rows


@dataclass(frozen=True)
class BadRow:
    """A row that breaks a rule. `row` is its line in the file, the header being line 1, or `NO_ROW`.

    `values` is what could be read of it all the same: ``{series, valid_time (ISO 8601), value}`` each, and of a weather
    forecast its issue_time.
    """

    row: int
    raw: Mapping[str, Any]
    rule: str
    message: str
    values: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """As the portal's quarantine takes it: whatever a source says, it can be sent as JSON and be shown."""
        return {
            "row": self.row,
            "raw": _sendable(dict(self.raw)),
            "rule": self.rule,
            "message": _sendable(self.message).replace("\0", "\N{REPLACEMENT CHARACTER}"),
            "values": [dict(value) for value in self.values],
        }


@dataclass(frozen=True)
class Note:
    """A declared rule that changed or left out rows without fault, and how many: nothing happens in silence."""

    rule: str
    count: int
    message: str


@dataclass(frozen=True)
class Part:
    """Some rows of one file, or of one answer.

    `rows` has COLUMNS: row (what `raw` takes), series (slug), valid_time (UTC, start of the interval), value (NaN =
    missing); those of a weather forecast also have issue_time (UTC). No (series, valid_time, issue_time) comes twice
    from one file, and none lies outside the request's period. `raw(row)` gives a row as it came, until the next part
    is asked for; the numbers are lines of a file only if `has_lines`. `is_last_of_file` says that all of a file has
    been read: rows of it that were bad earlier and are not now have passed. `position` (JSON) is where the next part
    begins. `done` is the share of the source that is read by now, where it can be told.
    """

    file: str
    rows: pd.DataFrame
    bad: Sequence[BadRow] = ()
    raw: Callable[[int], Mapping[str, Any]] = lambda row: {"row": row}
    has_lines: bool = True
    notes: Sequence[Note] = ()
    is_last_of_file: bool = False
    position: Any = None
    done: float | None = None


class Connector(Protocol):
    """Reads a source of one kind.

    Raises:
        SourceError: the source as a whole, or one file of it, cannot be read; the message says what and why.
        SourceUnavailable: it does not answer, or asks to come back later, after all attempts.
    """

    def __call__(self, request: Request) -> Iterator[Part]: ...


def _sendable(value: Any) -> Any:
    """A value of a row; numbers that JSON lacks, or that nobody reads from it, and halves of characters as texts."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= _LARGEST_INTEGER:
        return str(value)
    if isinstance(value, Mapping):
        return {_sendable(str(name)): _sendable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(each) for each in value]
    return value
