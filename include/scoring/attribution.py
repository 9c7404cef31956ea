"""How much of a run's error came with the weather forecast: the same model again, with the weather that happened."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from include.errors import PipelineError
from include.model_forecast import LoadArtifact
from include.portal import Portal, PortalUnavailable
from include.settings import Settings
from include.tasks.reproduce import computed_again
from include.weather import Weather

_log = logging.getLogger(__name__)


def with_observed_weather(
    portal: Portal,
    series: Mapping[str, Any],
    run: Mapping[str, Any],
    index: pd.DatetimeIndex,
    *,
    as_of: datetime,
    settings: Settings,
    load: LoadArtifact,
) -> tuple[pd.Series | None, dict[str, Any]]:
    """The median of the run's model had it known the weather of the period, as observed and known at `as_of`.

    All else is as it was at the issue time. None for runs without a model, and of models that are told no weather
    ahead. A failing model is no failure of the score.

    Returns:
        MW by `index` and `{"observed_share": …}`; or None and, where it was tried, why it was `skipped`. Unless all was
        observed, `observed_values` says how many values of the covariates were known: more of them make it due again.
    """
    if run["model"] is None or run["rung"] == "override" or not series["covariates"]:
        return None, {}
    told = _told_ahead(portal.model(run["model"]["id"]))
    if not told:
        return None, {}
    observed, values = Weather(portal, series).observed_and_counted(index, as_of=as_of)
    share = float(pd.DataFrame({name: observed[name].notna() for name in told & set(observed)}).mean().mean())
    if not share > 0:
        return None, {"skipped": "no weather of the period was observed", "observed_values": values}
    try:
        again = computed_again(portal, run, settings, weather_as_of=as_of, load=load)[0.5].reindex(index)
    except PortalUnavailable:
        raise
    except PipelineError as error:
        _log.warning("run %d of %s cannot be made again: %s", run["id"], run["series"], error)
        return None, {"skipped": str(error)[:1000], "observed_values": values}
    return again, {"observed_share": round(share, 6)} | ({"observed_values": values} if share < 1 else {})


def _told_ahead(version: Mapping[str, Any]) -> set[str]:
    """The covariates whose values ahead the model uses."""
    features = " ".join(map(str, version["features"]))
    return {name for name in version["parameters"].get("known_future") or () if name in features}
