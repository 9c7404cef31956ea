"""The seasonal naive in the pipeline: the last rung of the ladder, and what every forecast is scored against."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from include.errors import Refusal
from include.history import load_history
from include.portal import Portal
from include.settings import Settings

NAIVE_DAYS = 98
"""Two weeks of history, and twelve of errors that give the seasonal naive its spread."""


def naive_forecast(
    portal: Portal, series: Mapping[str, Any], index: pd.DatetimeIndex, *, known_at: datetime, settings: Settings
) -> pd.DataFrame:
    """The weekly seasonal naive from what was known at `known_at`: MW by `index` (UTC) and quantile.

    Raises:
        NothingKnown: no load was known.
        Refusal: less than two weeks were, or the index lies too far ahead.
    """
    from forecasting import ForecastingError, create_model

    history = load_history(portal, {**series, "covariates": []}, as_of=known_at, days=NAIVE_DAYS)
    try:
        model = create_model(
            "seasonal_naive",
            timezone=series["timezone"],
            quantiles=settings.quantiles,
            horizon=settings.horizon,
        )
        return model.fit(history).predict(history, pd.DataFrame(index=index))
    except ForecastingError as error:
        raise Refusal(f"The seasonal naive of {series['slug']} cannot be computed: {error}") from error
