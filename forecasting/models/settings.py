"""What a model is asked for, whatever its kind: checked once, when it is made."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from forecasting.calendar import check_country, check_timezone, checked_duration
from forecasting.contracts import LOAD
from forecasting.daylight import solar_elevation_sine
from forecasting.errors import SettingsError

_LONGEST_HORIZON = pd.Timedelta(days=14)
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Settings:
    """What a model is asked for, whatever its kind."""

    timezone: str
    country: str | None
    subdivision: str | None
    quantiles: tuple[float, ...]
    horizon: pd.Timedelta
    known_future: tuple[str, ...] | None
    """None: every covariate of the history."""
    seed: int
    threads: int
    latitude: float | None = None
    longitude: float | None = None
    """Degrees north and east; without both, daylight plays no part."""

    @classmethod
    def checked(
        cls,
        *,
        timezone: str,
        country: str | None,
        subdivision: str | None,
        quantiles: Sequence[float],
        horizon: str | pd.Timedelta,
        known_future: Sequence[str] | None,
        seed: int,
        threads: int,
        latitude: float | None = None,
        longitude: float | None = None,
    ) -> "Settings":
        """Build the settings.

        Raises:
            SettingsError: naming the setting, its value and what is allowed.
        """
        check_timezone(timezone)
        check_country(country, subdivision)
        try:
            levels = tuple(float(level) for level in quantiles)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"quantiles {quantiles!r} must be numbers such as (0.1, 0.5, 0.9)") from error
        if list(levels) != sorted(set(levels)) or not all(0 < level < 1 for level in levels) or 0.5 not in levels:
            raise SettingsError(f"quantiles {levels} must increase, lie between 0 and 1, and contain 0.5")
        span = checked_duration("horizon", horizon)
        if not span <= _LONGEST_HORIZON:
            raise SettingsError(f"horizon {horizon!r} must be at most {_LONGEST_HORIZON.days} days")
        ahead = None if known_future is None else _names_of_covariates(known_future)
        if not _is_whole(threads) or not 1 <= threads <= _MOST_THREADS:
            raise SettingsError(f"threads {threads!r} must be a whole number from 1 to {_MOST_THREADS}")
        if not _is_whole(seed) or not 0 <= seed < 2**31:
            raise SettingsError(f"seed {seed!r} must be a whole number, at least 0 and below 2**31")
        where = _checked_place(latitude, longitude)
        return cls(timezone, country, subdivision, levels, span, ahead, int(seed), int(threads), *where)


SETTINGS = tuple(field.name for field in fields(Settings))
"""Names of what `create_model` takes besides a kind's hyper-parameters."""


def _checked_place(latitude: float | None, longitude: float | None) -> tuple[float | None, float | None]:
    if (latitude is None) != (longitude is None):
        raise SettingsError(f"latitude {latitude!r} and longitude {longitude!r} must be given together")
    if latitude is None or longitude is None:
        return None, None
    # Asked for one instant, to be refused here where a value is none.
    solar_elevation_sine(pd.DatetimeIndex(["2000-01-01"], tz="UTC"), latitude=latitude, longitude=longitude)
    return float(latitude), float(longitude)


def _names_of_covariates(names: object) -> tuple[str, ...]:
    # A text is a sequence of letters to Python, and never what is meant here.
    given = names if isinstance(names, list | tuple | set | frozenset) else (None,)
    if LOAD in given or not all(isinstance(name, str) and name for name in given):
        raise SettingsError(f"known_future {names!r} must be a list of names of covariates; the load is none")
    return tuple(sorted({str(name) for name in given}))


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
