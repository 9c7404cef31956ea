"""Times as the pipeline takes them from params, sources and the portal: aware, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from include.errors import Refusal


class TimeUnclear(Refusal):
    """A text is no time, or a time without a zone."""


def read_time(text: str | datetime, *, name: str) -> datetime:
    """An ISO 8601 time with an offset, or an aware datetime, as UTC.

    Raises:
        TimeUnclear: naming `name`, the value and the rule.
    """
    try:
        time = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise TimeUnclear(f"{name} is {text!r}, which is no ISO 8601 time such as 2014-12-24T00:00:00+11:00") from error
    if time.tzinfo is None:
        raise TimeUnclear(f"{name} is {text!r}, which has no offset; write it with one, such as 2014-12-24T00:00:00Z")
    return time.astimezone(UTC)


def resolution_of(series: dict[str, str]) -> pd.Timedelta:
    """The length of a series' intervals, from the portal's ISO 8601 duration."""
    return pd.Timedelta(series["resolution"])
