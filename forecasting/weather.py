"""What a temperature asks of heating and cooling.

Degrees below and above a base temperature, the outdoor temperature at which a building needs neither: ASHRAE Handbook,
Fundamentals, chapter "Energy estimating and modeling methods". For heating, 15.5 °C is usual in the United Kingdom
(CIBSE TM41), 18 °C or 65 °F elsewhere. Dry-bulb temperature alone; humidity plays no part.
"""

import math

import numpy as np

from forecasting.errors import SettingsError

HEATING_BASE = 15.5
COOLING_BASE = 22.0


def heating_degrees(temperature: np.ndarray, *, base: float = HEATING_BASE) -> np.ndarray:
    """Degrees by which each temperature in °C lies below the base, 0 where it does not; NaN where unknown."""
    return np.maximum(_checked("heating base", base) - np.asarray(temperature, dtype=float), 0.0)


def cooling_degrees(temperature: np.ndarray, *, base: float = COOLING_BASE) -> np.ndarray:
    """Degrees by which each temperature in °C lies above the base, 0 where it does not; NaN where unknown."""
    return np.maximum(np.asarray(temperature, dtype=float) - _checked("cooling base", base), 0.0)


def degree_days(
    temperature: np.ndarray,
    *,
    steps_per_day: int,
    heating_base: float = HEATING_BASE,
    cooling_base: float = COOLING_BASE,
) -> tuple[np.ndarray, np.ndarray]:
    """Heating and cooling degree days, in K·d, over the day up to and with each of n intervals.

    The mean of the degrees over `steps_per_day` intervals, as from hourly values: days with a cold night and a hot
    noon have both, which the mean temperature of the day would hide.

    Args:
        temperature: °C, regular, shape (n,); NaN where unknown.
        steps_per_day: intervals in 24 hours.
        heating_base, cooling_base: °C.

    Returns:
        heating and cooling, each (n,); NaN where the last 24 hours are not wholly known.

    Raises:
        SettingsError: a base that is no temperature, a cooling base below the heating base, or steps below 1.
    """
    if type(steps_per_day) is not int or steps_per_day < 1:
        raise SettingsError(f"steps_per_day {steps_per_day!r} must be a whole number, at least 1")
    if _checked("cooling_base", cooling_base) < _checked("heating_base", heating_base):
        raise SettingsError(f"cooling_base {cooling_base} must not lie below heating_base {heating_base}")
    heating = _trailing_mean(heating_degrees(temperature, base=heating_base), steps_per_day)
    cooling = _trailing_mean(cooling_degrees(temperature, base=cooling_base), steps_per_day)
    return heating, cooling


def _trailing_mean(values: np.ndarray, length: int) -> np.ndarray:
    mean = np.full(values.shape, np.nan)
    if len(values) >= length:
        mean[length - 1 :] = np.lib.stride_tricks.sliding_window_view(values, length).mean(axis=-1)
    return mean


def _checked(name: str, base: float) -> float:
    if not isinstance(base, int | float) or not math.isfinite(base) or not -50 <= base <= 60:
        raise SettingsError(f"{name} {base!r} must be a temperature between -50 and 60 °C")
    return float(base)
