"""The outcome of a run against the project's targets. Accuracy and speed are ratios to a peer of the same run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.benchmarks.results import Result, succeeded
from tests.benchmarks.sources import UNIVARIATE

DEFAULT = "auto"
TREES = "gradient_boosting"
TREE_PEERS = ("mlf_lgbm", "skf_lgbm", "lgbm_direct")
FULL_PEER = "mlf_lgbm"
STATISTICAL = ("arima", "exponential_smoothing")
STATISTICAL_PEER = "sf_mstl_ets"
REFERENCES = {"operator_da"}
"""Shown, but no peer: the operator's own forecast has weather that no model of that regime was given."""

TIE = 1.03
GEOMETRIC_MEAN, GEOMETRIC_MEAN_AIM = 0.90, 0.85
POOLED_COVERAGE, CASE_COVERAGE = (0.77, 0.83), (0.70, 0.90)
FULL_PEER_CPU = 3.0
IMPORT_SECONDS = 1.0

Measure = Callable[[Result], float | None]


class Outcome(StrEnum):
    """How a target came out."""

    MET = "met"
    TIE = "tie"
    MISSED = "missed"
    UNKNOWN = "not measured"
    UNTARGETED = "no target"


@dataclass(frozen=True)
class Verdict:
    """One target beside what was reached."""

    what: str
    target: str
    reached: str
    outcome: Outcome
    by: str = ""

    @property
    def said(self) -> str:
        return f"{self.outcome} by {self.by}" if self.by else str(self.outcome)


def judged(what: str, target: str, reached: str, met: bool) -> Verdict:
    """A target that is met or missed, and nothing between."""
    return Verdict(what, target, reached, Outcome.MET if met else Outcome.MISSED)


@dataclass(frozen=True)
class Ratio:
    """Ours to the best peer on one case and regime."""

    case: str
    regime: str
    ours: float
    peer: str
    theirs: float

    @property
    def value(self) -> float:
        return self.ours / self.theirs


def geometric_mean(values: Iterable[float]) -> float | None:
    """None of nothing, and where a value is not above zero."""
    found = list(values)
    if not found or min(found) <= 0:
        return None
    return math.exp(sum(map(math.log, found)) / len(found))


def at_most(what: str, reached: float | None, limit: float, *, target: str, tie: float | None = None) -> Verdict:
    """A ratio (or seconds) that should not be above its limit; up to `tie` is a tie."""
    if reached is None:
        return Verdict(what, target, "—", Outcome.UNKNOWN)
    if reached <= limit:
        return Verdict(what, target, f"{reached:.3f}", Outcome.MET)
    if tie is not None and reached <= tie:
        return Verdict(what, target, f"{reached:.3f}", Outcome.TIE)
    return Verdict(what, target, f"{reached:.3f}", Outcome.MISSED, f"{100 * (reached / limit - 1):.1f} %")


def within(what: str, reached: float | None, limits: tuple[float, float]) -> Verdict:
    """A share that should lie in a range; a miss is told in percentage points."""
    low, high = limits
    target = f"{low:.2f} to {high:.2f}"
    if reached is None:
        return Verdict(what, target, "—", Outcome.UNKNOWN)
    beyond = max(low - reached, reached - high)
    if beyond <= 0:
        return Verdict(what, target, f"{reached:.3f}", Outcome.MET)
    return Verdict(what, target, f"{reached:.3f}", Outcome.MISSED, f"{100 * beyond:.1f} points")


def untargeted(what: str, reached: float | None) -> Verdict:
    """A figure that is shown without being held to anything."""
    if reached is None:
        return Verdict(what, "—", "—", Outcome.UNKNOWN)
    return Verdict(what, "—", f"{reached:.3f}", Outcome.UNTARGETED)


def groups(results: Iterable[Result]) -> list[tuple[str, str]]:
    """The pairs of case and regime that a run has, in the order in which they were measured."""
    return list(dict.fromkeys((each.case, each.regime) for each in results))


def comparable(results: Sequence[Result], case: str, regime: str) -> list[Result]:
    """All that succeeded on a case in a regime; models without covariates count in both, though measured once."""
    good = succeeded(results)
    here = [each for each in good if each.case == case and each.regime == regime]
    if regime != "uni":
        here += [each for each in good if each.case == case and each.regime == "uni" and each.model in UNIVARIATE]
    return here


def best_peer(results: Sequence[Result], case: str, regime: str, measure: Measure) -> Result | None:
    """The other library's model with the smallest error, or the cheapest, on a case."""
    peers = [each for each in comparable(results, case, regime) if not each.ours and each.model not in REFERENCES]
    measured = [each for each in peers if measure(each) is not None]
    return min(measured, key=lambda each: measure(each) or 0.0, default=None)


def ratios(results: Sequence[Result], model: str, measure: Measure, *, peers: Sequence[str] = ()) -> list[Ratio]:
    """Ours to the best of the peers (of those named, or all), wherever both were measured."""
    found = []
    for ours in succeeded(results):
        if ours.model != model or (mine := measure(ours)) is None:
            continue
        others = [each for each in results if each.ours or not peers or each.model in peers]
        peer = best_peer(others, ours.case, ours.regime, measure)
        if peer is not None and (theirs := measure(peer)):
            found.append(Ratio(ours.case, ours.regime, mine, peer.model, theirs))
    return found


def pooled_coverage(results: Sequence[Result], model: str) -> float | None:
    """Share of all points of all cases within the 80 % interval."""
    rows = [each for each in succeeded(results) if each.model == model and each.coverage is not None and each.points]
    points = sum(each.points for each in rows)
    return sum((each.coverage or 0.0) * each.points for each in rows) / points if points else None


def mae_of(result: Result) -> float | None:
    return result.mae


def pinball_of(result: Result) -> float | None:
    return result.pinball


def cpu_of(result: Result) -> float | None:
    return result.cpu


ERRORS: dict[str, Measure] = {"MAE": mae_of, "pinball": pinball_of}


def accuracy(results: Sequence[Result], model: str = DEFAULT) -> list[Verdict]:
    """The default model against the best peer of each case, chosen in hindsight and per measure."""
    found = []
    for name, measure in ERRORS.items():
        each = ratios(results, model, measure)
        target = f"below 1 (tie up to {TIE:g})"
        for ratio in each:
            what = f"{name}, {ratio.case} {ratio.regime}: {model} / {ratio.peer}"
            found.append(at_most(what, ratio.value, 1.0, target=target, tie=TIE))
        mean = geometric_mean(ratio.value for ratio in each)
        aim = f"at most {GEOMETRIC_MEAN:.2f} (aim {GEOMETRIC_MEAN_AIM:.2f})"
        what = f"{name}, geometric mean of the {len(each)} ratios: {model} / best peer"
        found.append(at_most(what, mean, GEOMETRIC_MEAN, target=aim))
    return found + [_unmeasured(row, model) for row in lacking(results, model)]


def lacking(results: Sequence[Result], model: str) -> list[Result]:
    """Failures of a model: a case that it did not finish is no target met."""
    return [each for each in results if each.model == model and each.error]


def _unmeasured(row: Result, model: str) -> Verdict:
    what = f"MAE and pinball, {row.case} {row.regime}: {model}"
    return Verdict(what, "a forecast", "failed", Outcome.MISSED, "a failure")


def calibration(results: Sequence[Result], model: str = DEFAULT) -> list[Verdict]:
    """Coverage of the 80 % interval, over all points and on each case."""
    found = [within(f"80 % coverage, pooled: {model}", pooled_coverage(results, model), POOLED_COVERAGE)]
    rows = [each for each in succeeded(results) if each.model == model]
    return found + [
        within(f"80 % coverage, {each.case} {each.regime}: {model}", each.coverage, CASE_COVERAGE) for each in rows
    ]


def cost(results: Sequence[Result]) -> list[Verdict]:
    """CPU of fitting and forecasting, as ratios: geometric mean over the cases, and the worst case."""
    cheapest = ratios(results, TREES, cpu_of, peers=TREE_PEERS)
    found = [
        _mean_ratio(f"CPU, {TREES} / cheapest tree peer", cheapest, 1.0),
        _worst_ratio(f"CPU, {TREES} / cheapest tree peer", cheapest, 1.0),
    ]
    better = [value for ratio in cheapest if (value := _error_against(results, TREES, ratio)) is not None]
    target = "below 1"
    what = f"MAE, {TREES} / that cheapest tree peer, geometric mean"
    found.append(at_most(what, geometric_mean(better), 1.0, target=target))
    full = ratios(results, DEFAULT, cpu_of, peers=(FULL_PEER,))
    found += [
        _mean_ratio(f"CPU, {DEFAULT} / {FULL_PEER}", full, FULL_PEER_CPU),
        _worst_ratio(f"CPU, {DEFAULT} / {FULL_PEER}", full, FULL_PEER_CPU),
    ]
    for kind in STATISTICAL:
        for name, measure in (("CPU", cpu_of), ("MAE", mae_of)):
            mean = geometric_mean(each.value for each in ratios(results, kind, measure, peers=(STATISTICAL_PEER,)))
            found.append(untargeted(f"{name}, {kind} / {STATISTICAL_PEER}, geometric mean", mean))
    return found


def import_time(seconds: float | None) -> Verdict:
    """The library alone, without the pandas that its functions bring."""
    return at_most("seconds to `import forecasting`", seconds, IMPORT_SECONDS, target=f"below {IMPORT_SECONDS:g} s")


def all_of(results: Sequence[Result], *, importing: float | None) -> list[Verdict]:
    """Every target, in the order in which the document shows them."""
    return [*accuracy(results), *calibration(results), *cost(results), import_time(importing)]


def _mean_ratio(what: str, found: Sequence[Ratio], limit: float) -> Verdict:
    mean = geometric_mean(ratio.value for ratio in found)
    return at_most(f"{what}, geometric mean of {len(found)}", mean, limit, target=f"at most {limit:g}")


def _worst_ratio(what: str, found: Sequence[Ratio], limit: float) -> Verdict:
    worst = max(found, key=lambda ratio: ratio.value, default=None)
    where = f" ({worst.case} {worst.regime}: {worst.peer})" if worst else ""
    return at_most(f"{what}, worst case{where}", worst and worst.value, limit, target=f"at most {limit:g}")


def _error_against(results: Sequence[Result], model: str, ratio: Ratio) -> float | None:
    here = {each.model: each for each in comparable(results, ratio.case, ratio.regime)}
    mine, theirs = here[model].mae, here[ratio.peer].mae
    return mine / theirs if mine is not None and theirs else None
