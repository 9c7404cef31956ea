"""From one resolution to another: finer to coarser by whole intervals only, coarser to finer by repetition."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecasting.contracts import SHORTEST_STEP, resolution_of
from forecasting.errors import SettingsError

MEAN, SUM, REPEAT = "mean", "sum", "repeat"
_HOUR = pd.Timedelta(hours=1)


def resample(frame: pd.DataFrame, to: pd.Timedelta, *, how: str | Mapping[str, str] = MEAN) -> pd.DataFrame:
    """A frame at another resolution, on the grid that counts from midnight UTC.

    Args:
        frame: numeric columns on a regular UTC index.
        to: the new resolution; a whole multiple of the old one, or a whole part of it.
        how: for all columns, or by column: "mean" (the default, for MW and °C) or "sum" (for MWh and mm) to a coarser
            resolution, where an interval of which a part is missing is NaN, and one that the frame covers in part only
            is left out; "repeat" to a finer one, where each value holds for its whole interval.

    Raises:
        SettingsError: neither resolution divides the other, or a rule does not fit.
    """
    step = resolution_of(frame.index)
    rules = _rules(frame, how)
    coarser = to > step
    larger, smaller = max(to, step), min(to, step)
    if larger % smaller != pd.Timedelta(0):
        raise SettingsError(f"from {step} to {to} there is no whole number of intervals")
    if to == step:
        return frame.copy()
    for column, rule in rules.items():
        if (rule == REPEAT) == coarser:
            ways = f"{MEAN!r} or {SUM!r}" if coarser else repr(REPEAT)
            raise SettingsError(f"from {step} to {to} column {column!r} goes by {ways}, not by {rule!r}")
    index = pd.DatetimeIndex(frame.index)
    parts = int(larger // smaller)
    if not coarser:
        finer = pd.date_range(index[0], index[-1] + step, freq=to, inclusive="left", name=index.name)
        return pd.DataFrame(np.repeat(frame.to_numpy(), parts, axis=0), index=finer, columns=frame.columns)
    first, last = _whole(index, step=step, to=to)
    kept = frame.iloc[first:last]
    blocks = kept.to_numpy(dtype="float64").reshape(-1, parts, len(frame.columns))
    # A NaN among the parts makes the whole NaN, in a sum as in a mean.
    summed = blocks.sum(axis=1)
    values = {
        column: summed[:, number] / (parts if rule == MEAN else 1)
        for number, (column, rule) in enumerate(rules.items())
    }
    grid = pd.date_range(index[first] if first < last else index[0], periods=len(blocks), freq=to, name=index.name)
    return pd.DataFrame(values, index=grid, columns=frame.columns)


def checked_resolution(name: str, to: pd.Timedelta) -> pd.Timedelta:
    """A resolution that a model takes.

    Raises:
        SettingsError: it does not divide the hour, or is below five minutes.
    """
    if not SHORTEST_STEP <= to <= _HOUR or _HOUR % to != pd.Timedelta(0):
        raise SettingsError(f"{name} {to} must divide the hour and be 5 minutes at least")
    return to


def _rules(frame: pd.DataFrame, how: str | Mapping[str, str]) -> dict[str, str]:
    rules = dict.fromkeys(frame.columns, how) if isinstance(how, str) else {c: how.get(c, MEAN) for c in frame.columns}
    for column, rule in rules.items():
        if rule not in (MEAN, SUM, REPEAT):
            raise SettingsError(f"how {rule!r} of column {column!r} must be {MEAN!r}, {SUM!r} or {REPEAT!r}")
    return rules


def _whole(index: pd.DatetimeIndex, *, step: pd.Timedelta, to: pd.Timedelta) -> tuple[int, int]:
    """The rows that make whole intervals."""
    start, end = index[0].ceil(to), (index[-1] + step).floor(to)
    first = int((start - index[0]) // step)
    last = int((end - index[0]) // step)
    return (first, last) if last > first else (0, 0)
