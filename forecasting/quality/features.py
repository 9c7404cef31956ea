"""The tables that Deepchecks and whylogs look at: the window beside its reference."""

from dataclasses import dataclass, replace

import pandas as pd

from forecasting.contracts import LOAD, TEMPERATURE
from forecasting.quality.window import CheckedWindow

MINIMUM_DAYS = 7  # of each table: every day of the week occurs


@dataclass(frozen=True)
class Comparison:
    """Two tables with the same columns, on the regular grid; `basis` says in words what the reference is."""

    reference: pd.DataFrame
    current: pd.DataFrame
    basis: str


class TooShort(Exception):
    """The window or its reference is too short to be compared."""


def compare(window: CheckedWindow) -> Comparison:
    """The window's rows and the reference's; without a reference, the window's second half and its first.

    Columns: `load` (MW), `change` from the step before (MW), `day_change` from a day before (MW), `hour` (local),
    `weekday` (local, name), and `temperature` (°C) where both have it. The first day of each span is left out, since
    its changes are not known.

    Raises:
        TooShort: one of the two tables has less than `MINIMUM_DAYS` days.
    """
    if window.reference is None:
        table = _table(window)
        middle = len(table) // 2
        reference, current, basis = table.iloc[:middle], table.iloc[middle:], "the window's first half"
    else:
        reference = _table(replace(window, history=window.reference))
        current, basis = _table(window), "an earlier window"
    shared = [column for column in current.columns if column in reference.columns]
    needed = round(MINIMUM_DAYS * 24 / window.hours_per_step)
    for name, part in (("reference", reference), ("window", current)):
        if len(part) < needed:
            raise TooShort(f"the {name} to compare has {len(part)} rows; {needed} ({MINIMUM_DAYS} days) are needed")
    return Comparison(reference=reference[shared], current=current[shared], basis=basis)


def _table(window: CheckedWindow) -> pd.DataFrame:
    day = round(24 / window.hours_per_step)
    load = window.load
    local = pd.DatetimeIndex(load.index).tz_convert(window.timezone)
    table = pd.DataFrame(
        {
            LOAD: load,
            "change": load.diff(),
            "day_change": load.diff(day),
            "hour": (local.hour + local.minute / 60).astype("float64"),
            "weekday": local.day_name(),
        },
        index=load.index,
    )
    if window.temperature is not None:
        table[TEMPERATURE] = window.temperature
    return table.iloc[day:]
