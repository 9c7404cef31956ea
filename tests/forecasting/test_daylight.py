import numpy as np
import pandas as pd
import pytest

from forecasting import SettingsError
from forecasting.daylight import daylight_hours, solar_elevation_sine


def at(*moments: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(moments, tz="UTC")


@pytest.mark.parametrize(
    ("day", "latitude", "hours", "within"),
    [
        # London: 04:43 to 21:21 and 08:04 to 15:53 on the clock.
        ("2024-06-20 12:00", 51.5, 16.64, 0.05),
        ("2024-12-21 12:00", 51.5, 7.83, 0.05),
        # Melbourne, on the other half of the globe: 14 h 47 min and 9 h 32 min.
        ("2024-12-21 02:00", -37.8, 14.78, 0.05),
        ("2024-06-21 02:00", -37.8, 9.54, 0.05),
        # Tromsø: no sunrise in December, no sunset in June.
        ("2024-12-21 12:00", 69.65, 0.0, 0.0),
        ("2024-06-20 12:00", 69.65, 24.0, 0.0),
        ("2024-06-20 12:00", 90.0, 24.0, 0.0),
        ("2024-06-20 12:00", -90.0, 0.0, 0.0),
    ],
)
def test_days_are_as_long_as_almanacs_say(day: str, latitude: float, hours: float, within: float) -> None:
    assert daylight_hours(at(day), latitude=latitude)[0] == pytest.approx(hours, abs=within)


@pytest.mark.parametrize("moment", ["2024-03-20 03:06", "2024-09-22 12:44", "2000-03-20 07:35"])
@pytest.mark.parametrize("latitude", [-60.0, 0.0, 51.5])
def test_at_an_equinox_the_day_is_twelve_hours_everywhere(moment: str, latitude: float) -> None:
    assert daylight_hours(at(moment), latitude=latitude, horizon_degrees=0)[0] == pytest.approx(12, abs=0.01)


def test_twilight_makes_the_day_longer_and_the_equators_day_is_the_same_all_year() -> None:
    year = pd.date_range("2023-01-01", "2024-12-31", freq="D", tz="UTC")
    civil, sun = (daylight_hours(year, latitude=51.5, horizon_degrees=angle) for angle in (-6, -0.833))
    assert (civil > sun + 0.8).all()
    assert np.ptp(daylight_hours(year, latitude=0)) < 0.02
    assert np.abs(np.diff(sun)).max() < 0.07, "no jump at the turn of a year, leap or not"


@pytest.mark.parametrize(
    ("moment", "latitude", "longitude", "degrees"),
    [
        # At the solstice the sun stands in the zenith of the tropic; there, and at the equator, at solar noon.
        ("2024-06-20 12:02", 23.44, 0.0, 90.0),
        ("2024-03-20 12:07", 0.0, 0.0, 90.0),
        # Noon over London and over Melbourne (02:20 UTC); midnight over London.
        ("2024-06-20 12:02", 51.5, 0.0, 61.9),
        ("2024-12-21 02:18", -37.8, 145.0, 75.6),
        ("2024-06-21 00:02", 51.5, 0.0, -15.1),
    ],
)
def test_the_sun_stands_where_almanacs_say(moment: str, latitude: float, longitude: float, degrees: float) -> None:
    sine = solar_elevation_sine(at(moment), latitude=latitude, longitude=longitude)[0]
    assert np.degrees(np.arcsin(sine)) == pytest.approx(degrees, abs=0.3 if degrees == 90 else 0.15)


def test_the_sun_is_up_for_the_hours_of_daylight_and_highest_at_solar_noon() -> None:
    day = pd.date_range("2024-11-03", periods=1440, freq="min", tz="UTC")
    sine = solar_elevation_sine(day, latitude=51.5, longitude=0.0)
    above = (sine > np.sin(np.radians(-0.833))).sum() / 60
    assert above == pytest.approx(daylight_hours(at("2024-11-03 12:00"), latitude=51.5)[0], abs=0.05)
    # Early in November the sundial is 16.4 minutes ahead, its most in the year.
    assert abs(int(sine.argmax()) - (12 * 60 - 16.4)) < 1.5


def test_any_unit_of_time_gives_the_same() -> None:
    coarse, fine = at("2024-05-05 10:00").as_unit("s"), at("2024-05-05 10:00").as_unit("ns")
    assert solar_elevation_sine(coarse, latitude=1, longitude=2) == solar_elevation_sine(fine, latitude=1, longitude=2)


@pytest.mark.parametrize(("latitude", "longitude"), [(91, 0), (0, 181), (float("nan"), 0), (0, "east")])
def test_a_place_off_the_globe_is_refused(latitude: float, longitude: float) -> None:
    with pytest.raises(SettingsError, match="must be between"):
        solar_elevation_sine(at("2024-01-01"), latitude=latitude, longitude=longitude)
