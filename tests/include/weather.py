"""A weather service near the town: an issue every twelve hours, three days ahead, and wrong by more each day."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from include.portal import Portal
from tests.include.town import END, START, readings

TWELVE_HOURS = timedelta(hours=12)
DELAY = timedelta(hours=2)
"""So long after its issue a forecast can be had."""


def forecast_value(issue_time: datetime, valid_time: pd.DatetimeIndex) -> np.ndarray:
    """°C: what will be measured, and an error that tells the issue and how far ahead it looked."""
    truth = readings(end=END + timedelta(days=5))["temperature"].reindex(valid_time).to_numpy()
    days = (valid_time - pd.Timestamp(issue_time)) / pd.Timedelta(days=1)
    return np.asarray(truth + 0.3 * days + issue_time.hour / 100, dtype=float).round(4)


def issues(
    *, start: datetime = START, end: datetime = END, days: float = 3, slug: str = "town-temperature"
) -> pd.DataFrame:
    """Rows of the issues made in `[start, end)`, half-hourly."""
    parts = []
    for issue_time in pd.date_range(start, end, freq=TWELVE_HOURS, inclusive="left"):
        times = pd.date_range(issue_time, issue_time + timedelta(days=days), freq="30min", inclusive="left")
        parts.append(
            pd.DataFrame(
                {
                    "series": slug,
                    "issue_time": issue_time,
                    "valid_time": times,
                    "known_at": issue_time + DELAY,
                    "value": forecast_value(issue_time.to_pydatetime(), times),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def store(portal: Portal, rows: pd.DataFrame) -> None:
    """Tell the portal, which takes all of them."""
    answer = portal.record_weather_forecasts(rows)
    assert answer["inserted"] == len(rows), answer
