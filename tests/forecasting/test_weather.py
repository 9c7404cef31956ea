import numpy as np
import pytest

from forecasting import SettingsError
from forecasting.weather import cooling_degrees, degree_days, heating_degrees

CELSIUS = np.array([-5.0, 15.5, 18.0, 22.0, 30.0, np.nan])


def test_degrees_count_from_the_base_and_never_below_zero() -> None:
    np.testing.assert_array_equal(heating_degrees(CELSIUS), [20.5, 0, 0, 0, 0, np.nan])
    np.testing.assert_array_equal(cooling_degrees(CELSIUS), [0, 0, 0, 0, 8, np.nan])
    np.testing.assert_array_equal(heating_degrees(CELSIUS, base=18), [23, 2.5, 0, 0, 0, np.nan])
    np.testing.assert_array_equal(cooling_degrees(CELSIUS, base=18), [0, 0, 0, 4, 12, np.nan])


def test_a_day_with_a_cold_night_and_a_hot_noon_has_both() -> None:
    heating, cooling = degree_days(np.array([5.5, 31.0] * 3), steps_per_day=2)
    assert np.isnan([heating[0], cooling[0]]).all()
    assert heating[1:].tolist() == [5.0] * 5
    assert cooling[1:].tolist() == [4.5] * 5


def test_a_day_that_is_not_wholly_known_has_no_degree_days_and_the_next_has() -> None:
    celsius = np.array([5.5, 5.5, np.nan, 5.5, 5.5])
    heating, _ = degree_days(celsius, steps_per_day=2)
    np.testing.assert_array_equal(heating, [np.nan, 10, np.nan, np.nan, 10])
    assert np.isnan(degree_days(celsius[:1], steps_per_day=2)[0]).all()


def test_nothing_after_an_interval_reaches_it() -> None:
    celsius = np.random.default_rng(0).normal(12, 8, 200)
    later = celsius.copy()
    later[120:] += 10
    for before, after in zip(degree_days(celsius, steps_per_day=24), degree_days(later, steps_per_day=24), strict=True):
        np.testing.assert_array_equal(before[:120], after[:120])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"heating_base": float("nan")}, "heating_base nan must be a temperature"),
        ({"cooling_base": 295.0}, "between -50 and 60"),
        ({"heating_base": 20, "cooling_base": 18}, "cooling_base 18 must not lie below heating_base 20"),
        ({"steps_per_day": 0}, "steps_per_day 0"),
    ],
)
def test_a_base_that_makes_no_sense_is_named(options: dict[str, float], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        degree_days(CELSIUS, **{"steps_per_day": 2, **options})  # type: ignore[arg-type]
