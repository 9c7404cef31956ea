"""The Pareto picture: what a model errs against what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from tests.benchmarks import verdicts
from tests.benchmarks.results import Result

OURS, PEERS, FRONT = "#0b6e99", "#c1692b", "#b8b8b8"
LEAST_SECONDS = 0.01
TITLES = {"uni": "without covariates", "wx": "temperature and holidays known ahead"}


@dataclass(frozen=True)
class Point:
    """A model over all cases of a regime: geometric means."""

    model: str
    ours: bool
    cpu: float
    mase: float


def points(results: Sequence[Result], regime: str) -> list[Point]:
    """The models that finished every case of a regime; a mean over fewer would be of easier or harder ones."""
    cases = [case for case, its in verdicts.groups(results) if its == regime]
    rows = {case: {each.model: each for each in verdicts.comparable(results, case, regime)} for case in cases}
    found = []
    for model in dict.fromkeys(name for here in rows.values() for name in here):
        mine = [rows[case][model] for case in cases if model in rows[case]]
        cpu = verdicts.geometric_mean(max(each.cpu or 0.0, LEAST_SECONDS) for each in mine)
        mase = verdicts.geometric_mean(each.mase or 0.0 for each in mine)
        if len(mine) == len(cases) and cpu is not None and mase is not None:
            found.append(Point(model, mine[0].ours, cpu, mase))
    return found


def front(found: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both, from the cheapest to the most accurate."""
    best: list[Point] = []
    for point in sorted(found, key=lambda each: (each.cpu, each.mase)):
        if not best or point.mase < best[-1].mase:
            best.append(point)
    return best


def draw(results: Sequence[Result], path: Path) -> None:
    """Write the picture, one panel per regime."""
    panels = [(regime, found) for regime in TITLES if (found := points(results, regime))]
    figure = Figure(figsize=(6.0 * max(len(panels), 1), 4.8), layout="constrained")
    for number, (regime, found) in enumerate(panels, 1):
        _panel(figure.add_subplot(1, len(panels), number), regime, found)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _name(axes: Axes, found: Sequence[Point]) -> None:
    """Write each model's name where it covers no other name and no point, if there is such a place beside its point."""
    axes.autoscale_view()
    places = [axes.transData.transform((each.cpu, each.mase)) for each in found]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in places]
    for each, (x, y) in zip(found, places, strict=True):
        width, height = 6.2 * len(each.model), 12.0
        sides = [
            (6, 4, "left"),
            (-6, 4, "right"),
            (6, -12, "left"),
            (-6, -12, "right"),
            (6, 14, "left"),
            (6, -22, "left"),
        ]
        boxes = [
            Bbox.from_bounds(x + right if how == "left" else x + right - width, y + up, width, height)
            for right, up, how in sides
        ]
        choice = min(range(len(sides)), key=lambda number: (boxes[number].count_overlaps(taken), number))
        taken.append(boxes[choice])
        right, up, how = sides[choice]
        axes.annotate(
            each.model, (each.cpu, each.mase), xytext=(right, up), textcoords="offset pixels", fontsize=8, ha=how
        )


def _panel(axes: Axes, regime: str, found: Sequence[Point]) -> None:
    best = front(found)
    axes.step([each.cpu for each in best], [each.mase for each in best], where="post", color=FRONT, zorder=1)
    for ours, colour, label in ((True, OURS, "ours"), (False, PEERS, "other libraries")):
        mine = [each for each in found if each.ours is ours]
        axes.scatter([each.cpu for each in mine], [each.mase for each in mine], color=colour, label=label, zorder=2)
    axes.set_xscale("log")
    axes.margins(x=0.18, y=0.1)
    _name(axes, found)
    axes.set_xlabel("CPU seconds per case: fit and 14 forecasts, one thread")
    axes.set_ylabel("MASE")
    axes.set_title(f"{regime}: {TITLES[regime]}", fontsize=10)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
