"""Covariates are taken as they were forecast, where that was known then, and else as observed; and it is said which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.inputs import Recipe, WeatherAhead, load_future, load_inputs
from include.portal import Portal
from include.weather import Weather
from portal.series.catalog import load_catalog
from tests.include.town import DAY, END, HALF_HOUR, START, catalog, readings
from tests.include.weather import DELAY, TWELVE_HOURS, forecast_value, issues, store

NAN = float("nan")
HOUR = timedelta(hours=1)
DAY_AHEAD = Recipe.of_series({"preprocessing": "raw"}, weather_lead=DAY)
OBSERVED = Recipe.of_evidence({})


def grid_of(start: datetime, periods: int) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=periods, freq="30min", name="valid_time")


@pytest.fixture
def served(ingested: Callable[..., None], portal: Portal) -> dict[str, Any]:
    """The town with its readings, and forecasts of the last two weeks and the days ahead."""
    ingested()
    store(portal, issues(start=END - 14 * DAY))
    return portal.series("town")


def newest_issue(valid_time: pd.Timestamp, *, known_by: datetime) -> datetime:
    """The issue that the portal should answer with, found by trying each."""
    possible = pd.date_range(END - 14 * DAY, END, freq=TWELVE_HOURS, inclusive="left")
    known = [each for each in possible if each + DELAY <= known_by and each <= valid_time < each + 3 * DAY]
    return max(known).to_pydatetime()


def test_the_past_is_what_was_forecast_a_day_ahead_and_before_that_what_was_observed(
    portal: Portal, served: dict[str, Any]
) -> None:
    inputs = load_inputs(portal, served, as_of=END, days=35, recipe=DAY_AHEAD)
    temperature, told = inputs.history["temperature"], inputs.told
    first = END - 14 * DAY + DELAY + DAY
    forecast = temperature[temperature.index >= first]
    for time in (first, first + HALF_HOUR, END - 3 * DAY, END - 2 * HOUR):
        moment = pd.Timestamp(time)
        issue = newest_issue(moment, known_by=moment.to_pydatetime() - DAY)
        assert forecast[moment] == forecast_value(issue, pd.DatetimeIndex([moment]))[0]
    measured = readings()["temperature"]
    np.testing.assert_array_equal(temperature[temperature.index < first], measured[measured.index < first])
    evidence = told.evidence()["temperature"]
    assert evidence["observed"]["first"] == START.isoformat()
    assert evidence["observed"]["last"] == (first - HALF_HOUR).isoformat()
    assert evidence["forecast"]["first"] == first.isoformat()
    assert evidence["forecast"]["last"] == inputs.history.index[-1].isoformat()
    assert evidence["observed"]["share"] + evidence["forecast"]["share"] == pytest.approx(1)


def test_without_any_forecast_the_history_is_what_was_observed_bit_for_bit(
    ingested: Callable[..., None], portal: Portal
) -> None:
    ingested()
    series = portal.series("town")
    found = load_inputs(portal, series, as_of=END, days=35, recipe=DAY_AHEAD)
    observed = load_inputs(portal, series, as_of=END, days=35, recipe=OBSERVED)
    pd.testing.assert_frame_equal(found.history, observed.history, check_exact=True)
    assert found.told.evidence()["temperature"]["forecast"] is None


def test_a_model_that_was_trained_on_observations_alone_keeps_to_them(portal: Portal, served: dict[str, Any]) -> None:
    inputs = load_inputs(portal, served, as_of=END, days=35, recipe=OBSERVED)
    measured = readings()["temperature"].reindex(inputs.history.index)
    np.testing.assert_array_equal(inputs.history["temperature"], measured)
    assert load_future(portal, served, grid_of(END, 4), as_of=END, recipe=OBSERVED).isna().all(axis=None)


def test_the_future_is_the_newest_forecast_known_at_the_issue_time(portal: Portal, served: dict[str, Any]) -> None:
    for issue_time, newest in ((END, END - TWELVE_HOURS), (END - TWELVE_HOURS + HOUR, END - DAY)):
        index = grid_of(issue_time, 96)
        future = load_future(portal, served, index, as_of=issue_time, recipe=DAY_AHEAD)["temperature"]
        np.testing.assert_array_equal(future, forecast_value(newest, index))


def test_where_no_forecast_reaches_what_was_known_of_the_time_stands_in(portal: Portal, served: dict[str, Any]) -> None:
    index = grid_of(END + 2 * DAY + 12 * HOUR - HALF_HOUR, 3)
    rows = pd.DataFrame({"series": "town-temperature", "valid_time": index[1:2], "value": [21.0], "known_at": END})
    portal.record_observations(rows, recorded_at=END)
    future = load_future(portal, served, index, as_of=END, recipe=DAY_AHEAD)["temperature"]
    np.testing.assert_array_equal(future, [forecast_value(END - TWELVE_HOURS, index[:1])[0], 21.0, NAN])


def test_the_weather_at_an_origin_holds_nothing_issued_or_known_later(portal: Portal, served: dict[str, Any]) -> None:
    origin = pd.Timestamp(END - 5 * DAY)
    index = grid_of(origin.to_pydatetime(), 48)
    ahead = WeatherAhead(portal, served)
    first = ahead(origin, index)
    np.testing.assert_array_equal(first["temperature"], forecast_value((origin - TWELVE_HOURS).to_pydatetime(), index))
    later = issues(start=END - 5 * DAY, end=END - 5 * DAY + HOUR)
    unseen = later.assign(issue_time=later["issue_time"] + HOUR, known_at=later["known_at"], value=99.0)
    store(portal, unseen[unseen["valid_time"] >= unseen["issue_time"]])
    pd.testing.assert_frame_equal(WeatherAhead(portal, served)(origin, index), first)
    assert ahead(origin, index) is first, "asked for once"


def test_several_places_of_one_name_are_averaged_by_weight_and_other_covariates_have_no_forecast(
    portal: Portal, token: str
) -> None:
    load, weather = catalog()["series"]
    places = {"north": 1.0, "south": 3.0}
    load["covariates"] = [{"name": "temperature", "series": slug, "weight": places[slug]} for slug in places]
    load["covariates"].append({"name": "other", "series": "neighbour", "weight": 1})
    neighbour = {**load, "slug": "neighbour", "covariates": []}
    north = {**weather, "slug": "north", "resolution": "PT1H"}
    load_catalog({"series": [load, north, {**weather, "slug": "south"}, neighbour]})
    index = grid_of(END, 2)
    at = {"issue_time": END - DAY, "known_at": END - DAY}
    rows = [("north", index[0], 4.0), ("south", index[0], 8.0), ("south", index[1], NAN)]
    told = pd.DataFrame([row for row in rows if row[2] == row[2]], columns=["series", "valid_time", "value"])
    store(portal, told.assign(**at))
    forecast = Weather(portal, portal.series("town")).forecast(index, as_of=END)
    assert list(forecast) == ["temperature"]
    np.testing.assert_array_equal(forecast["temperature"], [7.0, 4.0])


def test_forecasts_come_back_as_they_were_told_and_stay_as_they_were_issued(
    ingested: Callable[..., None], portal: Portal
) -> None:
    ingested()
    rows = issues(start=END, end=END + HOUR, days=0.125)
    store(portal, rows)
    answer = portal.record_weather_forecasts(rows.assign(value=[*rows["value"][:-1], 55.0]))
    assert (answer["unchanged"], [bad["rule"] for bad in answer["rejected"]]) == (5, ["issued_otherwise"])
    period = {"start": END, "end": END + DAY}
    found = portal.weather_forecasts("town-temperature", **period, as_of=END + DELAY)
    kept = rows[rows["valid_time"] >= END + DELAY]
    assert list(found.index) == list(kept["valid_time"]), "of what is over when it is known nothing was forecast"
    np.testing.assert_array_equal(found["value"], kept["value"])
    assert set(found["issue_time"]) == {END}
    assert set(found["known_at"]) == {END + DELAY}
    assert portal.weather_forecasts("town-temperature", **period, as_of=END + HOUR).empty
    ahead = portal.weather_forecasts("town-temperature", **period, as_of=END + DAY, lead_time=timedelta(minutes=30))
    assert list(ahead.index) == list(kept["valid_time"])[1:]
