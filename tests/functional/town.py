"""A small town: its catalog, five weeks of hourly load and temperature, and a file in which the meter froze."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from stack.demo_plan import Replay

TIMEZONE = "Europe/Paris"
WEEKS = 6
REPLAY = Replay(
    series="town",
    source="town-archive",
    timezone=TIMEZONE,
    first_day=datetime(2023, 11, 10),  # noqa: DTZ001 - a local date
    days=2,
    archive_end=datetime(2023, 11, 12, 23, tzinfo=UTC),
)
FROZEN_SOURCE = "town-frozen"
EMPTY_SOURCE = "town-empty"
WEATHER_SOURCE, WEATHER_CONNECTION = "town-weather", "weather_service"
FROZEN_AS_OF = datetime(2023, 11, 17, tzinfo=UTC)


def readings() -> pd.DataFrame:
    """Columns load_mw and temperature_c on an hourly local clock that is set back on 29 October."""
    end = pd.Timestamp(REPLAY.archive_end)
    index = pd.date_range(end - pd.Timedelta(weeks=WEEKS), end, freq="h", inclusive="left")
    local = index.tz_convert(TIMEZONE)
    random = np.random.default_rng(7)
    temperature = 9 + 4 * np.sin((local.hour - 9) / 24 * 2 * np.pi) + random.normal(0, 1, len(index))
    working = np.where(local.dayofweek < 5, 1.0, 0.8)
    daily = 40 + 12 * np.sin((local.hour - 7) / 24 * 2 * np.pi)
    load = daily * working + 0.6 * (16 - temperature) + random.normal(0, 0.5, len(index))
    return pd.DataFrame({"load_mw": load.round(2), "temperature_c": temperature.round(1)}, index=index)


def write_town(folder: Path) -> None:
    """Write catalog.json and the sources' files."""
    good = readings()
    days = pd.date_range(good.index[-1], periods=97, freq="h")[1:]
    frozen = pd.DataFrame({"load_mw": 55.5, "temperature_c": 8.0}, index=days)
    for name, frame in (("town.csv", good), ("frozen.csv", frozen)):
        # As people write them: the local clock, with its offset.
        frame.index = frame.index.tz_convert(TIMEZONE)
        frame.to_csv(folder / name, index_label="time")
    (folder / "empty.csv").touch()
    series = {
        "timezone": TIMEZONE,
        "resolution": "PT1H",
        "country": "FR",
        "subdivision": "",
        "allows_export": False,
        "scheduled": False,
    }
    columns = [
        {"column": "load_mw", "series": "town", "scale": 1},
        {"column": "temperature_c", "series": "town-temperature", "scale": 1},
    ]
    weather = {"name": "temperature", "series": "town-temperature", "weight": 1}
    catalog = {
        "series": [
            {"slug": "town", "name": "Town", "quantity": "load", "unit": "MW", "covariates": [weather], **series},
            {
                "slug": "town-temperature",
                "name": "Temperature",
                "quantity": "temperature",
                "unit": "°C",
                "covariates": [],
                **series,
            },
        ],
        "sources": [
            {
                "slug": slug,
                "name": slug,
                "kind": "file",
                "url": url,
                "availability_delay": "PT1H",
                "options": {"time_column": "time", "columns": columns},
                "enabled": True,
                "scheduled": False,
            }
            for slug, url in (("town-archive", "town.csv"), (FROZEN_SOURCE, "frozen.csv"), (EMPTY_SOURCE, "empty.csv"))
        ],
    }
    place = {"latitude": 48.9, "longitude": 2.3, "variable": "temperature_2m", "series": "town-temperature"}
    catalog["sources"].append(
        {
            "slug": WEATHER_SOURCE,
            "name": WEATHER_SOURCE,
            "kind": "open_meteo",
            "feeds": "weather",
            "connection": WEATHER_CONNECTION,
            "options": {"dataset": "forecast", "columns": [place]},
            "scheduled": False,
        }
    )
    (folder / "catalog.json").write_text(json.dumps(catalog))
