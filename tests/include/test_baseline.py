"""The seasonal naive of the pipeline sees the load alone, and only what was known then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pytest

from forecasting import create_model
from include.baseline import naive_forecast
from include.errors import NothingKnown, Refusal
from include.portal import Portal
from include.settings import Settings
from tests.include.town import DAY, END, START, TIMEZONE, readings


def ahead(hours: float = 24) -> pd.DatetimeIndex:
    return pd.date_range(END - DAY, periods=int(2 * hours), freq="30min", name="valid_time")


def test_it_is_the_librarys_naive_on_the_load_known_then(
    ingested: Callable[..., None], portal: Portal, options: Settings
) -> None:
    ingested(readings().assign(temperature=float("nan")))
    series = portal.series("town")
    forecast = naive_forecast(portal, series, ahead(), known_at=END - DAY, settings=options)
    # With a delay of an hour, the last half hours before the issue time were not known.
    known = readings(end=END)[["load"]].loc[: END - DAY - timedelta(hours=1.5)]
    model = create_model("seasonal_naive", timezone=TIMEZONE, quantiles=options.quantiles, horizon=options.horizon)
    expected = model.fit(known).predict(known, pd.DataFrame(index=ahead()))
    pd.testing.assert_frame_equal(forecast, expected, check_freq=False)
    assert (forecast.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_too_little_history_and_too_far_ahead_are_refused_in_the_librarys_words(
    ingested: Callable[..., None], portal: Portal, options: Settings
) -> None:
    ingested(readings(start=END - 10 * DAY))
    series = portal.series("town")
    with pytest.raises(Refusal, match=r"seasonal naive of town cannot be computed: .*at least 14 days"):
        naive_forecast(portal, series, ahead(), known_at=END, settings=options)
    with pytest.raises(NothingKnown):
        naive_forecast(portal, series, ahead(), known_at=START, settings=options)


def test_an_index_beyond_twice_the_horizon_is_refused(
    ingested: Callable[..., None], portal: Portal, options: Settings
) -> None:
    ingested()
    with pytest.raises(Refusal, match="at most twice as much"):
        naive_forecast(portal, portal.series("town"), ahead(72), known_at=END - DAY, settings=options)
