"""Open-Meteo's hourly variables: their units, and which of them describe the hour before their time.

From the tables of https://open-meteo.com/en/docs, in the units that the service has where none is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from include.errors import SourceError

HOUR = pd.Timedelta(1, unit="h")


@dataclass(frozen=True)
class Variable:
    """`is_of_hour_before`: the sum or mean of the hour that ends at the time that is told, not the state at it."""

    unit: str
    is_of_hour_before: bool = False


# The longer names first: direct_radiation_instant is a state, direct_radiation a mean.
_BY_NAME = [
    (r"(?:apparent_)?temperature_\w+|apparent_temperature|dew_point_2m|soil_temperature_\w+", Variable("°C")),
    (r"relative_humidity_2m|cloud_cover(?:_low|_mid|_high)?", Variable("%")),
    (r"precipitation_probability", Variable("%", is_of_hour_before=True)),
    (r"pressure_msl|surface_pressure", Variable("hPa")),
    (r"wind_speed_\d+m", Variable("km/h")),
    (r"wind_gusts_10m", Variable("km/h", is_of_hour_before=True)),
    (r"wind_direction_\d+m", Variable("°")),
    (r"(?:shortwave_radiation|direct_radiation|diffuse_radiation|direct_normal_irradiance)_instant", Variable("W/m²")),
    (
        r"shortwave_radiation|direct_radiation|diffuse_radiation|direct_normal_irradiance",
        Variable("W/m²", is_of_hour_before=True),
    ),
    (r"precipitation|rain|showers|(?:et0_fao_)?evapotranspiration", Variable("mm", is_of_hour_before=True)),
    (r"snowfall", Variable("cm", is_of_hour_before=True)),
    (r"sunshine_duration", Variable("s", is_of_hour_before=True)),
    (r"snow_depth|visibility", Variable("m")),
    (r"vapour_pressure_deficit", Variable("kPa")),
    (r"soil_moisture_\w+", Variable("m³/m³")),
]


def variable_of(name: Any) -> Variable:
    """What is known of a variable.

    Raises:
        SourceError: nothing, so its values could not be checked.
    """
    for pattern, variable in _BY_NAME:
        if isinstance(name, str) and re.fullmatch(pattern, name):
            return variable
    raise SourceError(
        f"The variable {name!r} is none that is known here; such are temperature_2m, relative_humidity_2m, "
        "cloud_cover, wind_speed_10m, shortwave_radiation, precipitation (see docs/guides/sources.md)"
    )
