"""By how much a forecast moved since the run that was issued before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from include.portal import Portal


def stability(portal: Portal, run: Mapping[str, Any], values: pd.DataFrame) -> dict[str, Any]:
    """The change of the median on the intervals that the run before covers too; empty where there are none.

    Overrides, and runs without a median, are passed over as runs before. Returns `against_run, n,
    mean_absolute_change, mean_change` (this run minus the one before, MW) and `relative`, the mean absolute change as
    a share of the mean absolute forecast before.
    """
    before = portal.run_before(run["series"], issue_time=pd.Timestamp(run["issue_time"]).to_pydatetime())
    if before is None or pd.Timestamp(before["valid_until"]) <= values.index[0]:
        return {}
    earlier = portal.forecast_values(before["id"])[0.5]
    return (
        {"against_run": before["id"], **moved(values[0.5], earlier)} if earlier.index.isin(values.index).any() else {}
    )


def moved(now: pd.Series, before: pd.Series) -> dict[str, Any]:
    """The figures of `stability` of two medians, on the intervals of both, of which there is one at least."""
    common = now.index.intersection(before.index)
    change, level = now[common] - before[common], float(before[common].abs().mean())
    absolute = float(change.abs().mean())
    return {
        "n": len(common),
        "mean_absolute_change": absolute,
        "mean_change": float(change.mean()),
        "relative": absolute / level if level else None,
    }
