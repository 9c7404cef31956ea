"""The regressors of the linear model: Fourier terms of the local day by kind of day, of the year, and weather.

Harmonic regression with weather by hour of the day, as in Hong (2010) and Hyndman & Athanasopoulos (2021, ch. 10).
Only what is known ahead enters: the calendar and the covariates in `known_future`; the load does not.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.contracts import TEMPERATURE
from forecasting.grid import Grid
from forecasting.linear import Design
from forecasting.weather import degree_days

_KINDS_OF_DAY = ("monday", "midweek", "friday", "saturday", "sunday_or_holiday")
_YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Terms:
    """Which regressors: sine and cosine pairs of the local day (for each kind of day) and of the year, and the bends.

    No pair of the year for histories too short to tell a season; `temperature_knots` are the °C where the slope on
    temperature may change.
    """

    daily_harmonics: int
    yearly_harmonics: int
    temperature_knots: tuple[float, ...]

    @classmethod
    def learned(cls, grid: Grid, end: int, *, daily_harmonics: int, yearly_harmonics: int) -> "Terms":
        """Those that the intervals before `end` can tell."""
        yearly = yearly_harmonics if grid.tells_seasons(end) else 0
        return cls(daily_harmonics, yearly, _temperature_knots(grid, end))

    def facts(self) -> dict[str, Any]:
        """What the training decided, JSON-able; `restored` takes it back."""
        return {"knots": self.temperature_knots, "yearly_harmonics": self.yearly_harmonics}

    @classmethod
    def restored(cls, facts: Mapping[str, Any], *, daily_harmonics: int) -> "Terms":
        """Take back what `facts` gave."""
        return cls(daily_harmonics, facts["yearly_harmonics"], tuple(facts["knots"]))


def regressors(grid: Grid, terms: Terms) -> dict[str, np.ndarray]:
    """Regressors at every interval of the grid, named, each of shape (n,); NaN where a covariate is unknown."""
    clock = grid.clock
    day_angle = 2 * np.pi * clock.minute_of_day / 1440
    daily = _harmonics(day_angle, terms.daily_harmonics, "day")
    columns: dict[str, np.ndarray] = {}
    for name, member in _kinds_of_day(grid).items():
        columns[name] = member
        columns |= {f"{name}:{term}": member * values for term, values in daily.items()}
    if grid.holiday.any():
        columns["holiday"] = grid.holiday
        columns["holiday_after"] = grid.holiday_after
    for name, member in (("bridge_day", grid.bridge), ("school_holiday", grid.school_holiday)):
        if member.any():
            columns[name] = member
            columns |= {f"{name}:{term}": member * values for term, values in _harmonics(day_angle, 1, "day").items()}
    low = _harmonics(day_angle, min(3, terms.daily_harmonics), "day")
    yearly = _harmonics(2 * np.pi * clock.day_of_year / _YEAR_DAYS, terms.yearly_harmonics, "year")
    for name, values in yearly.items():
        columns[name] = values
        columns |= {f"{name}:{term}": values * part for term, part in low.items()}
    for name in grid.known_future:
        values = grid.covariates[name]
        # A covariate may be called like a regressor, and must not take its place; the temperature is one of ours.
        columns[name if name == TEMPERATURE else f"covariate_{name}"] = values
        if name == TEMPERATURE:
            columns |= _weather(values, grid, low=low, knots=terms.temperature_knots)
    return columns


def shared_regressors(grid: Grid, terms: Terms) -> dict[str, np.ndarray]:
    """`regressors`, once for all series on the axis that know the same ahead."""
    return grid.shared.get(("regressors", terms, grid.digest_of_known_future()), lambda: regressors(grid, terms))


def shared_design(grid: Grid, rows: np.ndarray, terms: Terms, *, penalty: float) -> Design:
    """The regressors, ready to learn from some rows: once for all series that have the loads of these rows."""
    which = hashlib.sha256(rows.tobytes()).hexdigest()
    return grid.shared.get(
        ("design", which, penalty, terms, grid.digest_of_known_future()),
        lambda: Design.of(shared_regressors(grid, terms), rows, penalty=penalty),
    )


def _temperature_knots(grid: Grid, end: int) -> tuple[float, ...]:
    """Quantiles of the temperature before the position `end`, in °C: where its effect may bend, if known ahead."""
    if TEMPERATURE not in grid.known_future:
        return ()
    known = grid.covariates[TEMPERATURE][:end]
    known = known[np.isfinite(known)]
    if known.size == 0:
        return ()
    return tuple(np.unique(np.quantile(known, (0.2, 0.4, 0.6, 0.8, 0.95)).round(2)).tolist())


def _kinds_of_day(grid: Grid) -> dict[str, np.ndarray]:
    weekday = grid.clock.weekday
    kind = np.select([weekday == 0, weekday < 4, weekday == 4, weekday == 5], [0, 1, 2, 3], default=4)
    kind = np.where(grid.holiday > 0, 4, kind)
    return {name: (kind == number).astype(float) for number, name in enumerate(_KINDS_OF_DAY)}


def _harmonics(angle: np.ndarray, number: int, name: str) -> dict[str, np.ndarray]:
    terms = {}
    for order in range(1, number + 1):
        terms[f"{name}_sin_{order}"] = np.sin(order * angle)
        terms[f"{name}_cos_{order}"] = np.cos(order * angle)
    return terms


def _weather(
    values: np.ndarray, grid: Grid, *, low: dict[str, np.ndarray], knots: tuple[float, ...]
) -> dict[str, np.ndarray]:
    smooth = {
        "now": values,
        "day": _decayed_mean(values, half_life=0.35 * grid.steps_per_day),
        "three_days": _decayed_mean(values, half_life=1.5 * grid.steps_per_day),
    }
    columns: dict[str, np.ndarray] = {}
    for memory, series in smooth.items():
        bends = {f"temperature_{memory}_above_{knot:g}": np.maximum(series - knot, 0.0) for knot in knots}
        bends[f"temperature_{memory}"] = series
        columns |= bends
        for name, bend in bends.items():
            columns |= {f"{name}:{term}": bend * part for term, part in low.items()}
    heating, cooling = degree_days(values, steps_per_day=grid.steps_per_day)
    return columns | {"heating_degree_days": heating, "cooling_degree_days": cooling}


def _decayed_mean(values: np.ndarray, *, half_life: float) -> np.ndarray:
    """Exponentially decaying mean of the past, unknown values passed over; NaN before the first known."""
    keep = 0.5 ** (1 / half_life)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    total, weight = _decay(filled, keep), _decay(known.astype(float), keep)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan)


def _decay(values: np.ndarray, keep: float) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1 - keep], [1, -keep], values)
