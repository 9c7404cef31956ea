"""Somebody else's forecast of the same load, such as the operator's own, as it was known when ours was issued."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from include.portal import Portal
from include.scoring.figures import Judged, beside_figures
from include.times import resolution_of


def external_forecast(
    portal: Portal, series: Mapping[str, Any], judged: Judged, *, as_of: datetime
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows to compare, and what the score says of them; empty where the series names no such forecast.

    Taken are the values known at the issue time of ours (`known`: ``issue_time``). Where none at all was known then,
    those known before each interval began stand in (``delivery``), which favours them: they had longer. Both are
    compared on the longer of the two intervals, as means over it.

    Returns:
        `beside` of `Judged`, and `series, known, n, mae, rmse, mape, bias, mae_beside_external, skill`, or `series` and
        why it was `skipped`. By two counts the portal tells whether more of theirs was stored since: `known_values`,
        in ``delivery`` those of intervals begun by `as_of`, and in ``issue_time`` how many `known_in_a_row` from the
        first interval on.
    """
    slug = series.get("external_forecast")
    if not slug:
        return judged.beside, {}
    other = portal.series(slug)
    index = judged.values.index
    period: dict[str, Any] = {"start": index[0], "end": index[-1] + judged.resolution}
    known = "issue_time"
    theirs = portal.observations(slug, **period, as_of=judged.issue_time)["value"].dropna()
    if theirs.empty:
        known = "delivery"
        theirs = portal.observations(slug, **period, as_of=period["end"], lead_time=timedelta(0))["value"].dropna()
    if theirs.empty:
        return judged.beside, {
            "series": slug,
            "known_values": 0,
            "skipped": "nothing of it was known before the intervals began",
        }
    resolution = resolution_of(other)
    facts: dict[str, Any] = {"series": slug, "known": known}
    if known == "issue_time":
        first = index[0].ceil(resolution)
        facts |= {"known_values": len(theirs), "known_in_a_row": _in_a_row(theirs.index, first, resolution)}
    else:
        facts |= {"known_values": int((theirs.index < as_of).sum())}
    beside = compared(judged, theirs, resolution=resolution)
    if beside.empty:
        return beside, {**facts, "skipped": "it covers no interval of which the load is known"}
    return beside, {**facts, **beside_figures(beside)}


def _in_a_row(times: pd.Index, first: pd.Timestamp, step: pd.Timedelta) -> int:
    """How many of sorted times are the first ones of the grid that begins at `first`."""
    grid = pd.date_range(first, periods=len(times), freq=step)
    return int((times == grid).cumprod().sum())


def compared(judged: Judged, theirs: pd.Series, *, resolution: pd.Timedelta) -> pd.DataFrame:
    """`load`, `ours` and `theirs` (MW) by the longer interval, where all three are known for the whole of it."""
    ours = pd.DataFrame({"load": judged.load, "ours": judged.values[0.5]}).dropna()
    step = max(resolution, judged.resolution)
    parts = (_means(ours, judged.resolution, step), _means(theirs.to_frame("theirs"), resolution, step))
    return pd.concat(parts, axis=1, join="inner").dropna()


def _means(values: pd.DataFrame, resolution: pd.Timedelta, step: pd.Timedelta) -> pd.DataFrame:
    """Means over the intervals of `step` of which every part is there; days are whole numbers of them, from 00:00Z."""
    if resolution == step:
        return values
    groups = values.groupby(pd.DatetimeIndex(values.index).floor(step))
    return groups.mean()[groups.size() == step // resolution]
