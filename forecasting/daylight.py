"""The sun: its elevation at an instant and the hours of daylight, from where and when alone.

The position of the sun is that of the Astronomical Almanac's low-precision formulas (page C5; Michalsky, 1988, "The
Astronomical Almanac's algorithm for approximate solar position", Solar Energy 40(3)): within 0.01 degrees and a few
seconds from 1950 to 2050. The series of Spencer (1971), one for all years, is off by up to half a degree about the
equinoxes, since the calendar's leap days shift the seasons. Latitudes and longitudes are in degrees, north and east
positive.
"""

import numpy as np
import pandas as pd

from forecasting.errors import SettingsError

SUN = "sun_elevation"
"""A covariate of our own, where latitude and longitude are given: the sine of the sun's elevation, 0 at night."""
_HORIZON_DEGREES = -0.833
"""Elevation of the sun's centre at sunrise: its upper edge shows, lifted by refraction (NOAA)."""
_NOON_OF_2000 = 10957.5
"""2000-01-01 12:00 UTC, the epoch J2000, in days from 1970-01-01."""
_NS_PER_DAY = 86_400_000_000_000


def solar_elevation_sine(index: pd.DatetimeIndex, *, latitude: float, longitude: float) -> np.ndarray:
    """Sine of the sun's elevation at UTC instants, negative at night; shape (n,).

    With a clear sky, the radiation on a level surface is nearly proportional to its positive part. For the mean of an
    interval, ask for its middle.

    Raises:
        SettingsError: a coordinate that is not on the globe.
    """
    _check("latitude", latitude, 90)
    _check("longitude", longitude, 180)
    days = _days(index)
    declination, equation_minutes = _sun(days)
    hour_angle = 2 * np.pi * (days % 1 + equation_minutes / 1440 + longitude / 360 - 0.5)
    north = np.radians(latitude)
    return np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(hour_angle)


def daylight_hours(
    index: pd.DatetimeIndex, *, latitude: float, horizon_degrees: float = _HORIZON_DEGREES
) -> np.ndarray:
    """Hours from sunrise to sunset of a day with the sun as it stands at each UTC instant; shape (n,).

    0 in the polar night, 24 under the midnight sun.

    Args:
        index: UTC instants.
        latitude: of the place.
        horizon_degrees: elevation of the sun's centre at sunrise and sunset; -0.833, the default, is when its upper
            edge shows; 0 leaves out its size and the refraction; -6 counts civil twilight as day.

    Raises:
        SettingsError: a latitude that is not on the globe, or a horizon that is no angle below 90 degrees.
    """
    _check("latitude", latitude, 90)
    _check("horizon_degrees", horizon_degrees, 90)
    declination, _ = _sun(_days(index))
    # The poles have no east and west: a hair beside them the sun rises as it does there.
    north = np.clip(np.radians(latitude), -np.pi / 2 + 1e-9, np.pi / 2 - 1e-9)
    height = np.sin(np.radians(horizon_degrees)) - np.sin(north) * np.sin(declination)
    half_day = np.arccos(np.clip(height / (np.cos(north) * np.cos(declination)), -1.0, 1.0))
    return half_day * 24 / np.pi


def _days(index: pd.DatetimeIndex) -> np.ndarray:
    """Days from 1970-01-01, with their fraction."""
    return index.as_unit("ns").asi8 / _NS_PER_DAY


def _sun(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Declination in radians, and equation of time in minutes (how far the sundial is ahead), each (n,)."""
    since_2000 = days - _NOON_OF_2000
    mean_longitude = 280.460 + 0.9856474 * since_2000
    anomaly = np.radians(357.528 + 0.9856003 * since_2000)
    longitude = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 0.0000004 * since_2000)
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    ascension = np.degrees(np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude)))
    equation_degrees = (mean_longitude - ascension + 180) % 360 - 180
    return declination, equation_degrees * 4


def _check(name: str, degrees: float, most: float) -> None:
    if not isinstance(degrees, int | float) or not -most <= degrees <= most:
        raise SettingsError(f"{name} {degrees!r} must be between {-most} and {most} degrees")
