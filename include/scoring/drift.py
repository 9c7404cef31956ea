"""Whether the forecasts of a series have become worse than was to be expected, and whether to train anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import pandas as pd

State = Literal["ok", "drift", "unknown"]


@dataclass(frozen=True)
class RunError:
    """The error of one run, in MW over `n` intervals; `naive_mae` on the same, None where no naive could be made."""

    n: int
    mae: float
    naive_mae: float | None = None


@dataclass(frozen=True)
class Judgement:
    """Mean errors of the window in MW, weighted by intervals, over `n` runs; and what they mean, in words too."""

    state: State
    n: int
    mae: float | None
    naive_mae: float | None
    reference_mae: float | None
    message: str


def judge(
    runs: Sequence[RunError], *, reference_mae: float | None, ratio: float, least_runs: int, unit: str = "MW"
) -> Judgement:
    """Drift is an error above `ratio` times the one of the model's backtest, or above that of the seasonal naive.

    The naive is held against our error on the runs of which it is known. With fewer than `least_runs` runs, or with
    neither a reference nor a naive, nothing can be said.
    """
    beside = [run for run in runs if run.naive_mae is not None]
    mae = _mean([(run.mae, run.n) for run in runs])
    naive = _mean([(run.naive_mae, run.n) for run in beside if run.naive_mae is not None])
    ours_beside = _mean([(run.mae, run.n) for run in beside])
    known = f"MAE {_said(mae)} {unit} over {len(runs)} runs"

    def judged(state: State, message: str) -> Judgement:
        return Judgement(state, len(runs), mae, naive, reference_mae, message)

    if len(runs) < least_runs or mae is None:
        return judged("unknown", f"{len(runs)} scored runs of the champion; {least_runs} are needed")
    if reference_mae is None and naive is None:
        return judged("unknown", f"{known}, and nothing to hold it against")
    faults = []
    if reference_mae is not None and mae > ratio * reference_mae:
        faults.append(f"more than {ratio:g} times the {_said(reference_mae)} {unit} of its backtest")
    if naive is not None and ours_beside is not None and ours_beside > naive:
        faults.append(f"worse than the {_said(naive)} {unit} of the seasonal naive")
    if faults:
        return judged("drift", f"{known}: {' and '.join(faults)}")
    return judged("ok", f"{known}; backtest {_said(reference_mae)}, seasonal naive {_said(naive)} {unit}")


def is_to_be_trained(
    judgement: Judgement, versions: Iterable[Mapping[str, Any]], *, as_of: datetime, retrain_days: int
) -> bool:
    """Drift asks for a training, unless one on the data of the last `retrain_days` days is registered already.

    What was rejected, and the seasonal naive, which learns nothing, are no such training.
    """
    since = as_of - timedelta(days=retrain_days)
    recent = any(
        since < pd.Timestamp(version["data_cutoff"]) <= as_of
        for version in versions
        if version["status"] != "rejected" and version["kind"] != "seasonal_naive"
    )
    return judgement.state == "drift" and not recent


def _mean(weighted: Sequence[tuple[float, int]]) -> float | None:
    total = sum(n for _, n in weighted)
    return sum(value * n for value, n in weighted) / total if total else None


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
