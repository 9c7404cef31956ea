"""A history after its profile, with what was changed, and the measured values as they came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecasting.calendar import check_country, check_timezone
from forecasting.contracts import resolution_of, validate_history
from forecasting.errors import DataContractError
from forecasting.preprocessing.profiles import Profile, parameters_of, profile_named
from forecasting.preprocessing.resampling import resample
from forecasting.preprocessing.steps import IMPUTING, ColumnStep, Place, Resample

UNTOUCHED = ""
_Changed = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Preprocessed:
    """What became of a history."""

    profile: Profile
    raw: pd.DataFrame = field(repr=False)
    """The history as it was given, bit for bit: nothing is lost."""
    values: pd.DataFrame = field(repr=False)
    """The history as `Forecaster.fit` takes it."""
    mask: pd.DataFrame = field(repr=False)
    """As `values`: the name of the step that changed a value last, or empty text where it is as it was measured."""
    _changed: tuple[_Changed, ...] = ()

    def evidence(self) -> dict[str, Any]:
        """What was done, JSON-able.

        `profile` (its name), `rows`, and `steps`: per step its `parameters` and what it `changed`, by column: `count`,
        `share` of the rows, and the `first` and the `last` time.
        """
        steps = [
            {"step": step.name, "parameters": parameters_of(step), "changed": changed}
            for step, changed in zip(self.profile.steps, self._changed, strict=True)
        ]
        return {"profile": self.profile.name, "rows": len(self.values), "steps": steps}


def profile_of_evidence(evidence: Mapping[str, Any]) -> Profile:
    """The profile that an evidence tells of, with the parameters that it had then.

    Raises:
        SettingsError: it names a step or a parameter that does not exist any more.
    """
    steps = [{"step": each["step"], **each["parameters"]} for each in evidence["steps"]]
    return Profile.from_mapping({"name": evidence["profile"], "steps": steps})


def preprocess(
    history: pd.DataFrame,
    profile: str | Mapping[str, Any] | Profile = "raw",
    *,
    timezone: str,
    country: str | None = None,
    subdivision: str | None = None,
) -> Preprocessed:
    """Apply a profile to a history.

    All of the history counts as known: give the history up to the issue time, and for a backtest apply the profile
    anew at each origin (`backtest(…, prepare=…)`). Values at the end that are missing stay so: late loads are no gap.

    Args:
        history: as in `Forecaster.fit`; left as it is.
        profile: a name of `PROFILES`, one's own, or a mapping as `Profile.from_mapping` takes it.
        timezone: IANA name of the series' local clock.
        country: ISO 3166 code whose public holidays are told apart from other days, and `subdivision` its state.

    Raises:
        SettingsError: a setting, a profile or one of its parameters is unknown or out of range.
        DataContractError: the history breaks the contract, or lacks a column that a step works on.
    """
    chosen = profile_named(profile)
    check_timezone(timezone)
    check_country(country, subdivision)
    raw = history.copy()
    if not chosen.steps:
        return Preprocessed(chosen, raw, history.copy(), _untouched(history))
    values = validate_history(history, minimum=pd.Timedelta(0))
    mask = _untouched(values)
    changed = []
    for step in chosen.steps:
        before = mask
        if isinstance(step, Resample):
            values, mask = _resampled(step, values, mask)
            touched = mask == step.name
        else:
            place = Place(pd.DatetimeIndex(values.index), resolution_of(values.index), timezone, country, subdivision)
            values, mask, touched = _applied(step, values, before, place)
        changed.append({str(name): _facts(touched[name]) for name in touched.columns if touched[name].any()})
    return Preprocessed(chosen, raw, values, mask, tuple(changed))


def _untouched(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(UNTOUCHED, index=frame.index, columns=frame.columns, dtype=object)


def _applied(
    step: ColumnStep, values: pd.DataFrame, mask: pd.DataFrame, place: Place
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    new, marked = values.copy(), mask.copy()
    touched = pd.DataFrame(False, index=values.index, columns=values.columns)
    for column in step.columns:
        if column not in values.columns:
            raise DataContractError(
                f"history has no column {column!r}, which the step {step.name} works on",
                rule="the history has every column that its preprocessing names",
                value=list(values.columns),
            )
        old = values[column].to_numpy()
        measured = ~np.isnan(old) & ~mask[column].isin(IMPUTING).to_numpy()
        result = step.apply(old, measured=measured, place=place)
        differs = ~((result == old) | (np.isnan(result) & np.isnan(old)))
        new[column] = result
        touched[column] = differs
        marked[column] = np.where(differs, step.name, mask[column])
    return new, marked, touched


def _resampled(step: Resample, values: pd.DataFrame, mask: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """On the new grid a value is marked by the step that touched a part of it, else by the resampling."""
    to = pd.Timedelta(step.to)
    new = resample(values, to, how=step.how)
    old = resolution_of(values.index)
    if to == old:
        return new, mask
    marked = pd.DataFrame(step.name, index=new.index, columns=new.columns, dtype=object)
    # Where the parts of a new interval lie among the old ones, or the old interval that a new one lies in.
    offsets = range(max(int(to // old), 1))
    for offset in offsets:
        parts = pd.DatetimeIndex(new.index) + offset * old if to > old else pd.DatetimeIndex(new.index).floor(old)
        before = mask.reindex(parts).to_numpy()
        marked[:] = np.where(before == UNTOUCHED, marked.to_numpy(), before)
    return new, marked


def _facts(touched: pd.Series) -> dict[str, Any]:
    times = touched.index[touched.to_numpy()]
    return {
        "count": len(times),
        "share": round(len(times) / len(touched), 6),
        "first": times[0].isoformat(),
        "last": times[-1].isoformat(),
    }
