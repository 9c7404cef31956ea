"""Rows as connectors hand them on, built in view."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from include.sources.rules import Column


def rows(start: str, values: Sequence[float], *, every: str = "1h", series: str = "town") -> pd.DataFrame:
    """Values at regular times from `start` (UTC) on, in lines 2, 3, …"""
    times = pd.date_range(pd.Timestamp(start, tz="UTC"), periods=len(values), freq=every).as_unit("ns")
    return pd.DataFrame(
        {"row": range(2, 2 + len(values)), "series": series, "valid_time": times, "value": values}
    ).astype({"value": "float64"})


def column(
    series: str = "town", *, scale: float = 1.0, minimum: float | None = None, maximum: float | None = None
) -> Column:
    """A column of the options as it was read."""
    return Column(series=series, scale=scale, minimum=minimum, maximum=maximum, stated={"series": series})
