"""A stand-in of Open-Meteo on loopback: places, datasets, unixtime and error bodies as its documentation has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.include.wire import Answer, Seen, Wire, open_wire

UNITS = {"temperature_2m": "°C", "shortwave_radiation": "W/m²", "wind_speed_10m": "km/h"}


@dataclass
class Meteo:
    """Its values are the hours since 2026-01-01 at its place, less 1000 for each day that a forecast is older.

    `today` is the day of its clock; `units` are what it gives its variables in; `lacking` unix times have no value.
    """

    today: date = date(2026, 1, 10)
    units: dict[str, str] = field(default_factory=lambda: dict(UNITS))
    lacking: set[int] = field(default_factory=set)
    changes: dict[str, Any] = field(default_factory=dict)

    def __call__(self, seen: Seen) -> Answer:
        if seen.path not in ("/v1/forecast", "/v1/archive"):
            return Answer(404, b'{"reason":"Not Found","error":true}')
        query = seen.query
        names = query["hourly"].split(",")
        unknown = [name for name in names if name.partition("_previous_day")[0] not in self.units]
        if unknown:
            return _refusal(f"Cannot initialize HourlyVariable from invalid String value {unknown[0]} for key hourly")
        if "start_date" in query:
            start, end = (date.fromisoformat(query[name]) for name in ("start_date", "end_date"))
        else:
            start, end = self.today, self.today + timedelta(days=int(query.get("forecast_days", 7)) - 1)
        most = self.today + timedelta(days=0 if seen.path == "/v1/archive" else 15)
        if end > most:
            return _refusal(f"Parameter 'end_date' is out of allowed range from 1940-01-01 to {most}")
        places = [query[name].split(",") for name in ("latitude", "longitude")]
        answers = [
            self._place(number, float(latitude), float(longitude), names, start, end)
            for number, (latitude, longitude) in enumerate(zip(*places, strict=True))
        ]
        document = answers if len(answers) > 1 else answers[0]
        return Answer(body=json.dumps(document).encode(), kind="application/json; charset=utf-8")

    def _place(
        self, number: int, latitude: float, longitude: float, names: list[str], start: date, end: date
    ) -> dict[str, Any]:
        begin = datetime(start.year, start.month, start.day, tzinfo=UTC)
        times = [int(begin.timestamp()) + 3600 * n for n in range(24 * ((end - start).days + 1))]
        zero = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        hourly: dict[str, list[Any]] = {"time": list(times)}
        for name in names:
            age = int(name.partition("_previous_day")[2] or 0)
            hourly[name] = [
                None if time in self.lacking else (time - zero) / 3600 - 1000 * age + 10000 * number for time in times
            ]
        return {
            **({"location_id": number} if number else {}),
            "latitude": round(latitude, 1),
            "longitude": round(longitude, 1),
            "generationtime_ms": 0.05,
            "utc_offset_seconds": 0,
            "timezone": "UTC",
            "timezone_abbreviation": "UTC",
            "elevation": 38.0,
            "hourly_units": {
                "time": "unixtime",
                **{name: self.units[name.partition("_previous_day")[0]] for name in names},
            },
            "hourly": hourly,
            **self.changes,
        }


def _refusal(reason: str) -> Answer:
    return Answer(400, json.dumps({"error": True, "reason": reason}).encode())


@contextmanager
def open_meteo(meteo: Meteo) -> Iterator[Wire]:
    """The service on a port of its own."""
    with open_wire(service=meteo) as wire:
        yield wire
