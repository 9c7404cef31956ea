"""The test of a difference, in words."""

from __future__ import annotations

from dataclasses import dataclass

from portal.registry.evidence.figures import shown
from portal.registry.evidence.reading import identifier, number_of, part, text_of

_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Significance:
    """What a paired test says of the model and another: a sentence, and how it is meant."""

    verdict: str
    text: str
    test: str


def significance(evidence: object, *, against: str, called: str, unit: str) -> Significance | None:
    """The test against *baseline* or *champion*, named `called` on the page; None where the evidence has none."""
    found = part(part(evidence, "significance"), against)
    difference, p_value = number_of(found, "mean_difference_mw"), number_of(found, "p_value")
    origins = identifier(found, "n_origins")
    if difference is None:
        return None
    size = f"{shown(abs(difference))} {unit}"
    days = f" over {origins} origins" if origins else ""
    what = f"{size} {'less' if difference < 0 else 'more'} error than {called} on average{days}"
    test = text_of(found, "test")
    if p_value is None or not 0 <= p_value <= 1:
        return Significance(
            verdict="same", text=f"{what}. Whether that is chance cannot be said: too few origins.", test=test
        )
    chance = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    if p_value >= _LEVEL:
        return Significance(verdict="same", text=f"{what}. That can be chance ({chance}).", test=test)
    verdict = "better" if difference < 0 else "worse"
    return Significance(verdict=verdict, text=f"{what}. That is hardly chance ({chance}).", test=test)
