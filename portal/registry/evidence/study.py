"""The search for hyper-parameters, as the evidence tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.registry.evidence.figures import shown
from portal.registry.evidence.reading import finite, number_of, objects, part, text_of

SHOWN_TRIALS = 100


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial: its number, how it ended, its loss and its parameters as they read."""

    number: int
    state: str
    value: float | None
    parameters: str
    best: bool

    @property
    def value_text(self) -> str:
        return shown(self.value)


@dataclass(frozen=True, kw_only=True)
class Study:
    """A search, or why there was none (`skipped`); both empty where the evidence tells of none."""

    skipped: str = ""
    objective: str = ""
    trials: list[Trial] = field(default_factory=list)

    @property
    def values(self) -> list[tuple[float, float]]:
        """Points (number, loss) of the trials that ended."""
        return [(float(trial.number), trial.value) for trial in self.trials if trial.value is not None]

    @property
    def best_so_far(self) -> list[tuple[float, float]]:
        """Points (number, least loss up to it)."""
        values = self.values
        return [(number, min(value for _, value in values[: i + 1])) for i, (number, _) in enumerate(values)]

    @property
    def shown(self) -> list[Trial]:
        """The trials of the table, the best first."""
        order = sorted(self.trials, key=lambda t: (t.value is None, t.value or 0.0, t.number))
        return order[:SHOWN_TRIALS]


def study(evidence: object) -> Study:
    """The study of the evidence; trials without a number are left out."""
    found = part(evidence, "tuning")
    best = number_of(part(found, "best"), "number")
    trials = [
        Trial(
            number=int(trial["number"]),
            state=text_of(trial, "state", longest=20),
            value=_loss(trial),
            parameters=_told(trial.get("parameters")),
            best=trial["number"] == best,
        )
        for trial in objects(found, "trials")
        if finite(trial.get("number")) and 0 <= trial["number"] < 1e6
    ]
    return Study(
        skipped=text_of(found, "skipped", longest=500),
        objective=text_of(found, "objective"),
        trials=sorted(trials, key=lambda trial: trial.number),
    )


def _loss(trial: Mapping[str, Any]) -> float | None:
    value = number_of(trial, "value")
    return value if value is not None and abs(value) < 1e15 else None


def _told(parameters: Any) -> str:
    if not isinstance(parameters, Mapping):
        return ""
    return ", ".join(f"{name} {f'{v:.4g}' if finite(v) else str(v)[:40]}" for name, v in list(parameters.items())[:30])
