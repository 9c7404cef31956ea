"""A small town near Melbourne: half-hourly load and temperature, its catalog, and the file that a source reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TIMEZONE = "Australia/Melbourne"
HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)
START = datetime(2024, 7, 1, 14, tzinfo=UTC)
"""A local midnight, on a clock that is not set in these weeks."""
WEEKS = 5
END = START + timedelta(weeks=WEEKS)


def readings(*, start: datetime = START, end: datetime = END, seed: int = 7) -> pd.DataFrame:
    """Columns load (MW) and temperature (°C) by UTC start of the interval, `[start, end)`."""
    index = pd.date_range(start, end, freq="30min", inclusive="left", name="time")
    local = index.tz_convert(TIMEZONE)
    random = np.random.default_rng(seed)
    hour = local.hour + local.minute / 60
    temperature = 10 + 4 * np.sin((hour - 9) / 24 * 2 * np.pi) + random.normal(0, 1, len(index))
    daily = 40 + 12 * np.sin((hour - 7) / 24 * 2 * np.pi)
    load = daily * np.where(local.dayofweek < 5, 1.0, 0.8) + 0.6 * (16 - temperature)
    noise = random.normal(0, 0.4, len(index))
    return pd.DataFrame({"load": (load + noise).round(3), "temperature": temperature.round(2)}, index=index)


def catalog(*, url: str = "town.csv", availability_delay: str | None = "PT1H", **source: Any) -> dict[str, Any]:
    """The town, its temperature, and one source with both, as the portal's catalog has them."""
    place = {"timezone": TIMEZONE, "resolution": "PT30M", "country": "AU", "subdivision": "VIC"}
    return {
        "series": [
            {
                "slug": "town",
                "name": "Town",
                "quantity": "load",
                "unit": "MW",
                "covariates": [{"name": "temperature", "series": "town-temperature", "weight": 1}],
                **place,
            },
            {"slug": "town-temperature", "name": "Weather", "quantity": "temperature", "unit": "°C", **place},
        ],
        "sources": [
            {
                "slug": "town-file",
                "name": "Town's file",
                "kind": "file",
                "url": url,
                "availability_delay": availability_delay,
                "options": {
                    "time_column": "time",
                    "columns": [
                        {"column": "load", "series": "town", "scale": 1},
                        {"column": "temperature", "series": "town-temperature", "scale": 1},
                    ],
                },
                **source,
            }
        ],
    }


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write readings as a source has them: ISO 8601 with an offset, an empty field where nothing was measured."""
    path.write_text(frame.to_csv(date_format="%Y-%m-%dT%H:%M:%S%z", index_label="time"))
    return path
