"""Whether a candidate beats the champion everywhere, as a rule that approves without asking wants to see it.

What is missing counts as not beaten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portal.registry.evidence import SEGMENTS, compared_with, finite, number_of, part, rows, segment_name
from portal.registry.models import ApprovalRule, ModelVersion

APPROVE = "registry.approve_modelversion"
WHOLE = (("mae", "MAE"), ("pinball", "pinball loss"), ("peak_mae", "error of the daily peak"))
_MAY_BE_EMPTY = "by_holiday"
"""A backtest without a public holiday has nothing to lose there."""


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What came of it, in words: the weakest segment where it won, the first thing that is missing or too weak else."""

    won: bool
    text: str


def by_rule(rule: ApprovalRule, model: ModelVersion, champion: ModelVersion | None) -> Challenge:
    """Whether `rule` lets `model` through: who set it may approve still and did not train it, and it wins."""
    if rule.set_by_id == model.trained_by_id:
        return Challenge(won=False, text=f"{rule.set_by}, who set the rule, trained it")
    if not rule.set_by.has_perm(APPROVE):
        return Challenge(won=False, text=f"{rule.set_by}, who set the rule, may approve no more")
    return challenge(model, champion, margin=rule.margin)


def challenge(model: ModelVersion, champion: ModelVersion | None, *, margin: float) -> Challenge:
    """Compare the evidence of `model` with `champion` on every segment; `margin` is a fraction of the error.

    An equal error is not less, whatever the margin.
    """
    if champion is None:
        return Challenge(won=False, text="there is no champion to beat")
    if compared_with(model.evidence).pk != champion.pk:
        return Challenge(won=False, text=f"it was not compared with the present champion, version {champion.version}")
    check_run = part(model.evidence, "check_run").get("status")
    if check_run not in ("passed", "warned"):
        return Challenge(won=False, text="its data passed no quality run")
    skills = list(_skills(model.evidence))
    for segment, skill in skills:
        if skill is None:
            return Challenge(won=False, text=f"nothing is known of {segment}")
    segment, least = min(((name, skill) for name, skill in skills if skill is not None), key=lambda pair: pair[1])
    size = "the same error as" if least == 0 else f"{abs(least):.1%} {'less' if least > 0 else 'more'} error than"
    text = f"weakest is {segment}, with {size} version {champion.version}"
    return Challenge(won=least > 0 and least >= margin, text=text)


def _skills(evidence: object) -> Iterator[tuple[str, float | None]]:
    for key, name in WHOLE:
        error, other = (number_of(part(evidence, whose), key) for whose in ("metrics", "champion"))
        yield f"the {name}", None if error is None or not other else 1.0 - error / other
    for segment in SEGMENTS:
        found = rows(evidence, segment.key)
        if found is None or not (found or segment.key == _MAY_BE_EMPTY):
            yield segment.title.lower(), None
            continue
        for row in found:
            skill = row.get("skill_against_champion") if isinstance(row, dict) else None
            yield segment_name(segment, row), float(skill) if finite(skill) else None
