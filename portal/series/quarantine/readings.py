"""What can be read of a bad row: which value of which series it has for which time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from portal.core.times import Unplaced, require_placed
from portal.series.incoming import Incoming
from portal.series.models import QuarantinedRow, Source

UTC_TIME = pa.timestamp("us", "UTC")


class Unreadable(ValueError):
    """A text that is no time that can be used; the message is the end of a sentence about it."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A value of a series, complete. None is a value that is known to be missing; forecasts have an issue time."""

    series: str
    valid_time: datetime
    value: float | None
    issue_time: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the row; times in UTC."""
        kept = {"series": self.series, "valid_time": _iso(self.valid_time), "value": self.value}
        return kept if self.issue_time is None else {**kept, "issue_time": _iso(self.issue_time)}


def fed_series(source: Source) -> list[str]:
    """The slugs of the series that a source feeds, each once, in the order of its options."""
    columns = source.options.get("columns") if isinstance(source.options, dict) else None
    named = [column.get("series") for column in columns or () if isinstance(column, dict)]
    return list(dict.fromkeys(slug for slug in named if isinstance(slug, str)))


def gives_forecasts(source: Source) -> bool:
    """True of a source whose rows are weather forecasts: they have an issue time, and are no observations."""
    options = source.options if isinstance(source.options, dict) else {}
    if source.kind == Source.Kind.OPEN_METEO:
        return bool(options.get("dataset") != "archive")
    return "issue_time_column" in options


def read_moment(text: str) -> datetime:
    """An ISO 8601 time that says its offset, in UTC. Raises Unreadable."""
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unreadable("is not a time such as 2014-11-01 11:00+11:00") from None
    try:
        require_placed(time)
    except Unplaced as unplaced:
        raise Unreadable(unplaced.what) from None
    return time.astimezone(UTC)


def local_text(time: datetime, timezone: str) -> str:
    """A time by the clock of a series, with its offset: 2014-11-01 11:00+11:00."""
    local = time.astimezone(ZoneInfo(timezone))
    precise = local.second or local.microsecond
    return local.isoformat(sep=" ", timespec="auto" if precise else "minutes")


def kept_values(values: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What programs say that they could read, in the form of `Reading.as_json`, each part or None.

    Nothing is refused here: a row is bad already, and must not be lost for how it is described.
    """
    kept = []
    for value in values:
        slug, number = value.get("series"), value.get("value")
        is_number = isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number)
        entry = {
            "series": slug.replace("\0", "\ufffd")[:64] if isinstance(slug, str) else None,
            "valid_time": _kept_time(value.get("valid_time")),
            "value": number if is_number else None,
        }
        if value.get("issue_time") is not None:
            entry["issue_time"] = _kept_time(value["issue_time"])
        kept.append(entry)
    return kept


def readings_of(row: QuarantinedRow) -> list[Reading]:
    """The row's own values as they came, if each of them could be read; else none."""
    forecasts = gives_forecasts(row.source)
    readings = []
    for value in row.values:
        if None in (value["series"], value["valid_time"], value["value"]):
            return []
        issued = value.get("issue_time")
        if forecasts and issued is None:
            return []
        readings.append(
            Reading(
                series=value["series"],
                valid_time=read_moment(value["valid_time"]),
                value=float(value["value"]),  # jsonb makes a long integer of a large float
                issue_time=read_moment(issued) if issued else None,
            )
        )
    return readings


def as_body(readings: Sequence[Reading], *, known_at: datetime, forecasts: bool) -> Incoming:
    """Readings as a body of the bulk endpoints, held to the very same rules."""
    table = {
        "series": pa.array([reading.series for reading in readings], pa.string()),
        "valid_time": pa.array([reading.valid_time for reading in readings], UTC_TIME),
        "value": pa.array([reading.value for reading in readings], pa.float64()),
        "known_at": pa.array([known_at] * len(readings), UTC_TIME),
    }
    if not forecasts:
        return Incoming.observations(pa.table(table))
    issued = pa.array([reading.issue_time for reading in readings], UTC_TIME)
    return Incoming.weather_forecasts(pa.table({**table, "issue_time": issued}))


def _kept_time(text: Any) -> str | None:
    try:
        return _iso(read_moment(text))
    except (AttributeError, TypeError, Unreadable):
        return None


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
