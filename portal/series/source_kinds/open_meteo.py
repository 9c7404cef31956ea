"""Open-Meteo: weather forecasts and archive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from portal.series.source_kinds.fields import Choice, Integers, Number, Pattern
from portal.series.source_kinds.kind import (
    WEATHER,
    WEATHERS,
    Column,
    ColumnOptions,
    Kind,
    Need,
    ReadOptions,
    many,
)


class PlaceColumn(ColumnOptions):
    """One variable at one place."""

    latitude = Number(least=-90, most=90, help_text="degrees north, −90 to 90")
    longitude = Number(least=-180, most=180, help_text="degrees east, −180 to 180")
    variable = Pattern(
        r"[a-z][a-z0-9_]{0,63}",
        form="the name of an hourly variable, in small letters, such as “temperature_2m”",
        help_text="hourly variable as Open-Meteo names it: “temperature_2m”, “wind_speed_10m”",
    )


class OpenMeteoOptions(ReadOptions):
    """What is asked of the service."""

    dataset = Choice(
        "forecast",
        "previous_runs",
        "archive",
        help_text="“forecast” (what is forecast now), “previous_runs” (what was forecast on earlier days, for "
        "backtests), “archive” (what the weather was)",
    )
    previous_days = Integers(
        least=1,
        most=7,
        required=False,
        help_text="of “previous_runs”: what was forecast so many days before is read; [1, 2] by default",
    )
    columns = many(PlaceColumn, help_text="one variable at one place each")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "previous_days" in attrs and attrs["dataset"] != "previous_runs":
            raise serializers.ValidationError({"previous_days": "is for the dataset “previous_runs”"})
        return attrs


def _quantities(column: Column, feeds: str) -> frozenset[str]:
    return WEATHERS


OPEN_METEO = Kind(
    options=OpenMeteoOptions,
    feeds=(WEATHER,),
    url=Need.REFUSED,
    connection=Need.OPTIONAL,
    about_connection="of a customer: its password is the API key, its host the customer's address",
    quantities=_quantities,
    resolution=timedelta(hours=1),
    example={
        "feeds": WEATHER,
        "url": "",
        "connection": "",
        "options": {
            "dataset": "forecast",
            "resample": "repeat",
            "columns": [
                {
                    "latitude": -37.81,
                    "longitude": 144.96,
                    "variable": "temperature_2m",
                    "series": "melbourne-temperature",
                    "minimum": -20,
                    "maximum": 55,
                }
            ],
        },
    },
)
