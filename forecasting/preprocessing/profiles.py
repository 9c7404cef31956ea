"""Profiles: named lists of steps, as a frozen value and as JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import pandas as pd

from forecasting.errors import SettingsError
from forecasting.preprocessing.steps import STEPS, Flatline, Linear, NeighbouringWeeks, Outliers, Step


@dataclass(frozen=True)
class Profile:
    """What is done to a history, in order."""

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def reach(self) -> pd.Timedelta | None:
        """How far after a time the values lie that decide what becomes of it; None: anywhere in the history.

        What a history cut at an origin becomes is, up to the origin minus this, what the whole history becomes.
        """
        reaches = [step.reach for step in self.steps]
        spans = [reach for reach in reaches if reach is not None]
        return sum(spans, pd.Timedelta(0)) if len(spans) == len(reaches) else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: `Profile.from_mapping` takes it back."""
        return {"name": self.name, "steps": [{"step": step.name, **parameters_of(step)} for step in self.steps]}

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "Profile":
        """A profile from `{"name": "mine", "steps": [{"step": "linear", "up_to": "3h"}, …]}`.

        Raises:
            SettingsError: naming the step, the parameter and what is allowed.
        """
        if not isinstance(mapping, Mapping) or set(mapping) != {"name", "steps"}:
            raise SettingsError(f"profile {mapping!r} must have a name and steps, and nothing else")
        name, steps = mapping["name"], mapping["steps"]
        if not isinstance(name, str) or not name.strip():
            raise SettingsError(f"the name {name!r} of a profile must be text")
        if not isinstance(steps, list | tuple):
            raise SettingsError(f"profile {name!r}: steps {steps!r} must be a list")
        return cls(name, tuple(_step(name, number, step) for number, step in enumerate(steps)))


def parameters_of(step: Step) -> dict[str, Any]:
    """The parameters of a step, JSON-able."""
    return {
        name: list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
        for name, value in asdict(step).items()
    }


def profile_named(profile: "str | Mapping[str, Any] | Profile") -> Profile:
    """A profile of `PROFILES` by its name, or one's own from a mapping.

    Raises:
        SettingsError: no such profile, or a mapping that is none.
    """
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, Mapping):
        return Profile.from_mapping(profile)
    if not isinstance(profile, str) or profile not in PROFILES:
        raise SettingsError(f"no preprocessing profile is called {profile!r}; there are {', '.join(PROFILES)}")
    return PROFILES[profile]


def _step(profile: str, number: int, given: Any) -> Step:
    where = f"profile {profile!r}, step {number}"
    if not isinstance(given, Mapping) or "step" not in given:
        raise SettingsError(f"{where}: {given!r} must name its step, one of {', '.join(STEPS)}")
    parameters = dict(given)
    kind = parameters.pop("step")
    if not isinstance(kind, str) or kind not in STEPS:
        raise SettingsError(f"{where}: there is no step {kind!r}; there are {', '.join(STEPS)}")
    known = {field.name: field for field in fields(STEPS[kind])}
    if unknown := [name for name in parameters if name not in known]:
        raise SettingsError(f"{where}: {kind} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    needed = [name for name, field in known.items() if field.default is MISSING and name not in parameters]
    if needed:
        raise SettingsError(f"{where}: {kind} needs {', '.join(needed)}")
    if "columns" in parameters:
        parameters["columns"] = _columns(where, parameters["columns"])
    try:
        step: Step = STEPS[kind](**parameters)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    return step


def _columns(where: str, columns: Any) -> tuple[str, ...]:
    given = columns if isinstance(columns, list | tuple) else (None,)
    if not given or not all(isinstance(name, str) and name for name in given) or len(set(given)) < len(given):
        raise SettingsError(f"{where}: columns {columns!r} must be a list of names, each once")
    return tuple(given)


_BRIDGED = (Linear(up_to="2h"), NeighbouringWeeks(up_to="48h", weeks=3))

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("raw"),
            Profile("gaps", _BRIDGED),
            Profile("standard", (Flatline(longer_than="12h", zeros_longer_than="3h"), Outliers(), *_BRIDGED)),
        )
    }
)
"""By name: `raw` does nothing; `gaps` fills short gaps; `standard` takes frozen meters and gross outliers out first."""
