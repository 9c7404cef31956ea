"""The forecast of a registered model from what was known at an issue time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.artifacts import load_artifact
from include.errors import PipelineError
from include.inputs import Recipe, load_future, load_inputs
from include.portal import Portal
from include.settings import Settings

if TYPE_CHECKING:
    from forecasting import Forecaster


LoadArtifact = Callable[..., "Forecaster"]
"""`load_artifact`, or one that remembers."""


class ModelFailed(PipelineError):
    """A model gives no forecast."""


def model_forecast(
    portal: Portal,
    series: Mapping[str, Any],
    version: Mapping[str, Any],
    index: pd.DatetimeIndex,
    *,
    issue_time: datetime,
    settings: Settings,
    weather_as_of: datetime | None = None,
    load: LoadArtifact = load_artifact,
) -> pd.DataFrame:
    """MW by `index` (UTC) and quantile, from a history made as that of the model's training was.

    With `weather_as_of`, the weather ahead is what was observed of it by then (see `load_future`).

    Raises:
        ModelFailed: the model has seen what came after the issue time, or stumbled.
        BadArtifact: its artifact is missing or not what was registered.
        NothingKnown: no load was known.
    """
    if pd.Timestamp(version["data_cutoff"]) > issue_time:
        raise ModelFailed(
            f"version {version['version']} was trained on what was known at {version['data_cutoff']}, "
            "after the issue time"
        )
    model = load(version["artifact_uri"], sha256=version["artifact_sha256"])
    try:
        recipe = Recipe.of_evidence(version["evidence"])
    except Exception as error:
        raise ModelFailed(f"version {version['version']} does not say how its history was prepared: {error}") from error
    inputs = load_inputs(portal, series, as_of=issue_time, days=settings.context_days, recipe=recipe)
    future = load_future(portal, series, index, as_of=issue_time, recipe=recipe, observed_as_of=weather_as_of)
    try:
        return model.predict(recipe.prepared(inputs.history, series).values, future)
    except Exception as error:  # whatever a model stumbles over, there are other rungs
        raise ModelFailed(f"version {version['version']} failed: {type(error).__name__}: {error}") from error
