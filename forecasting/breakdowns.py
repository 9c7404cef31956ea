"""Errors by what an operator knows of an hour: the time of the local day, the kind of day, the holiday."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from forecasting.calendar import LocalClock, holiday_names, holidays_of, local_clock

Scorer = Callable[[pd.DataFrame], dict[str, float | int | None]]
DAY_TYPES = ("weekday", "saturday", "sunday", "holiday", "day_before_holiday", "day_after_holiday")
_SATURDAY, _SUNDAY = 5, 6


def by_hour(predictions: pd.DataFrame, *, timezone: str, scorer: Scorer) -> list[dict[str, Any]]:
    """Score predictions by the hour of the local day; an hour that comes twice when the clock changes counts as one.

    Args:
        predictions: with a column `valid_time` (UTC).
        timezone: IANA name of the local clock.
        scorer: gives the metrics of a part of the rows.

    Returns:
        One dict per hour that has rows: `hour` (0–23) and the metrics.
    """
    hour = _clock(predictions, timezone).minute_of_day // 60
    return [{"hour": number, **scorer(predictions[hour == number])} for number in np.unique(hour).tolist()]


def by_day_type(
    predictions: pd.DataFrame, *, timezone: str, country: str | None, subdivision: str | None, scorer: Scorer
) -> list[dict[str, Any]]:
    """Score predictions by the kind of local day, each row in exactly one: see `day_types`.

    Returns:
        One dict per type that has rows, in the order of `DAY_TYPES`: `day_type` and the metrics.
    """
    day = day_types(_clock(predictions, timezone), country=country, subdivision=subdivision)
    return [{"day_type": each, **scorer(predictions[day == each])} for each in DAY_TYPES if each in day]


def by_holiday(
    predictions: pd.DataFrame, *, timezone: str, country: str | None, subdivision: str | None, scorer: Scorer
) -> list[dict[str, Any]]:
    """Score predictions of each public holiday; empty without a country.

    Returns:
        One dict per holiday, in order of time: `date` (local), `holiday` (its name) and the metrics.
    """
    day = _clock(predictions, timezone).day_number
    names = holiday_names(day, country=country, subdivision=subdivision)
    return [
        {"date": str(np.datetime64(number, "D")), "holiday": names[number], **scorer(predictions[day == number])}
        for number in sorted(names)
    ]


def day_types(clock: LocalClock, *, country: str | None, subdivision: str | None) -> np.ndarray:
    """The one of `DAY_TYPES` that each instant's local day is, shape (n,).

    A public holiday is that whatever its weekday. A Saturday or Sunday beside a holiday remains what it is, since
    nobody was to work; of the other days, those before and after a holiday are types of their own, and one between
    two holidays counts as before.
    """
    number = clock.day_number
    holiday, before, after = (
        holidays_of(number + shift, country=country, subdivision=subdivision) == 1.0 for shift in (0, 1, -1)
    )
    return np.select(
        [holiday, clock.weekday == _SATURDAY, clock.weekday == _SUNDAY, before, after],
        ["holiday", "saturday", "sunday", "day_before_holiday", "day_after_holiday"],
        default="weekday",
    )


def _clock(predictions: pd.DataFrame, timezone: str) -> LocalClock:
    return local_clock(pd.DatetimeIndex(predictions["valid_time"]), timezone=timezone)
