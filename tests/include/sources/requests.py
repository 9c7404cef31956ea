"""Requests as the ingest makes them, every fact replaceable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from include.settings import Settings
from include.sources.connector import Access, Request

SECRET = "a+secret/key=0123456789"
HOUR = pd.Timedelta("1h")
IMPATIENT = Settings(source_timeout_seconds=2.0, source_attempts=3, source_pause_seconds=0.01)


def moment(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def request(
    options: Mapping[str, Any],
    *,
    url: str = "",
    secret: str = SECRET,
    start: str | None = "2026-01-01",
    end: str | None = "2026-01-02",
    read_at: str = "2026-06-01",
    as_of: str | None = None,
    resolution: pd.Timedelta = HOUR,
    **facts: Any,
) -> Request:
    """A request for hourly series, read long after the period unless said otherwise."""
    access = Access(url=url, secret=secret)
    return Request(
        **{
            "source": {"slug": "some-source", "options": options},
            "as_of": moment(as_of or read_at),
            "read_at": moment(read_at),
            "settings": IMPATIENT,
            "resolutions": {column["series"]: resolution for column in options["columns"]},
            "start": moment(start) if start else None,
            "end": moment(end) if end else None,
            "access": access,
            **facts,
        }
    )
