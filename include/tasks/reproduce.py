"""A published run made again from its artifact and what was known at its data cut-off, and held against the ledger."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from include.artifacts import load_artifact
from include.baseline import naive_forecast
from include.errors import Refusal
from include.model_forecast import LoadArtifact, model_forecast
from include.portal import Portal
from include.settings import Settings
from include.times import resolution_of

_log = logging.getLogger(__name__)
TOLERANCE = 1e-9
"""Relative; other processors round the last bits of a sum in another way."""


class NotReproduced(Refusal):
    """A run cannot be made again as it was published; the message names the first difference."""


class NotReproducible(Refusal):
    """A run was not computed by the library: the message names the portal's command, which makes it again."""


@dataclass(frozen=True)
class Reproduced:
    """A run as it was made again, and from what; `values` are MW by valid time (UTC) and quantile."""

    run: int
    series: str
    rung: str
    origin: str
    largest_difference: float
    values: pd.DataFrame = field(repr=False)


def reproduce_run(portal: Portal, run_id: int, settings: Settings) -> Reproduced:
    """Make a published run again and compare it with the ledger, whatever was corrected or became known since.

    `settings` are those of the publication (`context_days`, `horizon`); the quantiles are the run's own. What else may
    not have changed is the series itself: its covariates and their weights. What a person adjusted is made again from
    the run that was adjusted, as the ledger has it; a copy of a run that the library did not compute, from that run.

    Raises:
        NotReproduced: naming the first valid time and quantile that differ, with both values.
        NotReproducible: the portal computed it, not the library.
        NotFound: there is no such run, or no such model any more.
        PipelineError: the artifact is missing or damaged, or nothing was known at the cut-off.
    """
    run = portal.forecast_run(run_id)
    published = portal.forecast_values(run_id)
    origin, made = _made_again(portal, run, settings.model_copy(update={"quantiles": tuple(published.columns)}))
    again = made.reindex(index=published.index)
    _compare(run, published, again)
    _log.info("run %d of %s, by %s: %d values are reproduced", run_id, run["series"], run["rung"], published.size)
    return Reproduced(
        run=run_id,
        series=run["series"],
        rung=run["rung"],
        origin=origin,
        largest_difference=float(np.abs(again.to_numpy() - published.to_numpy()).max()),
        values=again,
    )


def _made_again(portal: Portal, run: dict[str, Any], settings: Settings) -> tuple[str, pd.DataFrame]:
    """From what, and the values."""
    if run["rung"] == "override":
        original = portal.forecast_values(run["adjusts"])
        return f"from run {run['adjusts']} and its adjustment", _adjusted(original, run["adjustment"])
    source = _copied_from(portal, run) if run["rung"] == "earlier_run" else None
    if source is not None and ("guard" in (run["publisher"], source["publisher"]) or source["adjusts"] is not None):
        return f"as a copy of run {source['id']}", portal.forecast_values(source["id"])
    if run["publisher"] == "guard":
        raise NotReproducible(
            f"the deadline guard computed it in the portal, as {run['rung']}; it is made again by "
            f"`python -m portal reproduce {run['id']}`, where the portal runs"
        )
    model = "" if run["model"] is None else f"the artifact of version {run['model']['version']} and "
    return f"from {model}what was known at {run['data_cutoff']}", computed_again(portal, run, settings)


def _copied_from(portal: Portal, run: dict[str, Any]) -> dict[str, Any] | None:
    """The newest run of the same model and data that was there to be copied, and covers all of its period."""
    cutoff, issued = (pd.Timestamp(run[name]).to_pydatetime() for name in ("data_cutoff", "issue_time"))
    for earlier in portal.forecast_runs(run["series"], issued_from=cutoff, issued_to=issued):
        same = all(earlier[name] == run[name] for name in ("model", "data_cutoff", "quantiles"))
        was_there = pd.Timestamp(earlier["published_at"]) <= pd.Timestamp(run["published_at"])
        if same and was_there and pd.Timestamp(earlier["valid_until"]) >= pd.Timestamp(run["valid_until"]):
            return earlier
    return None


def _adjusted(original: pd.DataFrame, adjustment: dict[str, Any]) -> pd.DataFrame:
    """As the portal adjusts: a percentage scales every quantile, values move them all by what the median moves."""
    made = original.copy()
    start, end = pd.Timestamp(adjustment["start"]), pd.Timestamp(adjustment["end"])
    inside = (made.index >= start) & (made.index < end)
    if adjustment["kind"] == "percentage":
        made.loc[inside] *= 1 + adjustment["percentage"] / 100
    else:
        medians = np.broadcast_to(adjustment["values"], inside.sum())  # one value alone is for every interval
        made.loc[inside] += (medians - made.loc[inside, 0.5].to_numpy())[:, None]
        made.loc[inside, 0.5] = medians
    return made


def computed_again(
    portal: Portal,
    run: Mapping[str, Any],
    settings: Settings,
    *,
    weather_as_of: datetime | None = None,
    load: LoadArtifact = load_artifact,
) -> pd.DataFrame:
    """A run of the library from its cut-off on, which is the issue time, or that of the earlier run issued again.

    With `weather_as_of`, as the model would have made it had it known the weather that was observed by then.
    """
    series = portal.series(run["series"])
    cutoff = pd.Timestamp(run["data_cutoff"])
    moment = cutoff.to_pydatetime()
    step, end = resolution_of(series), pd.Timestamp(run["valid_until"])
    index = pd.date_range(cutoff.ceil(step), end, freq=step, inclusive="left", name="valid_time")
    if run["model"] is None:
        return naive_forecast(portal, series, index, known_at=moment, settings=settings)
    version = portal.model(run["model"]["id"])
    return model_forecast(
        portal, series, version, index, issue_time=moment, settings=settings, weather_as_of=weather_as_of, load=load
    )


def _compare(run: dict[str, Any], published: pd.DataFrame, again: pd.DataFrame) -> None:
    where = f"Run {run['id']} of {run['series']}, issued {run['issue_time']} by {run['rung']}"
    if list(again.columns) != list(published.columns):
        raise NotReproduced(
            f"{where}, has the quantiles {list(published.columns)}; made again, it has {list(again.columns)}"
        )
    same = np.isclose(again.to_numpy(), published.to_numpy(), rtol=TOLERANCE, atol=0.0)
    if same.all():
        return
    row, column = np.argwhere(~same)[0]
    raise NotReproduced(
        f"{where}, cannot be reproduced: {int((~same).sum())} of {same.size} values differ, the first at "
        f"{published.index[row].isoformat()}, quantile {published.columns[column]:g}: "
        f"published {published.iloc[row, column]:.12g}, made again {again.iloc[row, column]:.12g}"
    )
