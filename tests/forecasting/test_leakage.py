"""Nothing unknown at the issue time enters a forecast: whatever changes from the origin on changes no forecast."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import backtest, create_model
from forecasting.features import filled_load
from forecasting.grid import build_grid
from forecasting.models.paths import PathForecaster
from tests.forecasting.conftest import SMALL, make_demand

PLACE = {"timezone": "Europe/London", "country": "GB"}
PATH_KINDS = ("regression", "gradient_boosting", "recursive_boosting", "exponential_smoothing", "arima")
KINDS = ("seasonal_naive", *PATH_KINDS, "auto")
END = 30 * 24
STEPS = 24
WILD = st.sampled_from([np.nan, -1e15, 1e15, 0.0, 777.0])


def frame() -> pd.DataFrame:
    """Five weeks over a clock change, with a covariate that is not known ahead and gaps of every kind."""
    demand = make_demand(start="2024-03-01", days=35)
    demand["wind"] = np.random.default_rng(3).normal(8, 2, len(demand))
    demand.iloc[300:310, 0] = np.nan
    demand.iloc[600:640, 2] = np.nan
    return demand


def grid(changes: dict[int, float] | None = None, *, weather: dict[int, float] | None = None):
    """A new grid each time, since a model keeps in it what it has derived from it."""
    changed = frame()
    for column, values in ((0, changes or {}), (2, weather or {})):
        for position, value in values.items():
            changed.iloc[position, column] = value
    return build_grid(changed.asfreq("1h"), None, **PLACE, subdivision=None, known_future=("temperature",))


def new(kind: str) -> PathForecaster:
    model = create_model(kind, **PLACE, horizon="24h", known_future=("temperature",), **SMALL[kind])
    assert isinstance(model, PathForecaster)
    return model


@cache
def learned(kind: str):
    model = new(kind)
    return model, model.learn(grid(), END)


@pytest.mark.parametrize("kind", PATH_KINDS)
@settings(max_examples=12, deadline=None)
@given(
    origin=st.integers(22 * 24, 33 * 24),
    loads=st.dictionaries(st.integers(0, 13 * 24 - 1), WILD, min_size=1, max_size=40),
    weather=st.dictionaries(st.integers(0, 13 * 24 - 1), WILD, max_size=40),
)
def test_no_load_or_weather_from_an_origin_on_touches_a_bit_of_its_path(kind, origin, loads, weather):
    model, state = learned(kind)
    origins = np.array([origin - 25, origin])
    after = [
        {origin + position: value for position, value in values.items() if origin + position < 35 * 24}
        for values in (loads, weather)
    ]
    as_it_was = model.paths(state, grid(), origins, STEPS)
    as_changed = model.paths(state, grid(after[0], weather=after[1]), origins, STEPS)
    assert np.isfinite(as_it_was).all()
    np.testing.assert_array_equal(as_changed, as_it_was)


@pytest.mark.parametrize("kind", [*PATH_KINDS, "auto"])
def test_what_is_learned_before_a_position_is_not_touched_by_what_comes_from_there_on(kind):
    later = dict.fromkeys(range(END, 35 * 24, 3), 1e15) | dict.fromkeys(range(END + 1, 35 * 24, 3), np.nan)
    model = new(kind)
    packed = [model.pack(model.learn(each, END)) for each in (grid(), grid(later, weather=later))]
    assert packed[0] == packed[1]


@pytest.mark.parametrize("kind", ["recursive_boosting", "gradient_boosting", "regression"])
def test_the_shortest_history_is_learned_from_itself_alone(kind):
    """Two weeks do not hold the load of two weeks ago, and the end of the axis must not pass for it."""
    end, later = 12 * 24, dict.fromkeys(range(12 * 24, 35 * 24), 5_000.0)
    model = new(kind)
    assert model.pack(model.learn(grid(), end)) == model.pack(model.learn(grid(later), end))


@settings(max_examples=30, deadline=None)
@given(position=st.integers(0, 35 * 24 - 1), changes=st.dictionaries(st.integers(0, 35 * 24 - 1), WILD, max_size=30))
def test_gaps_are_filled_from_what_lies_before_them(position, changes):
    later = {each: value for each, value in changes.items() if each >= position}
    np.testing.assert_array_equal(filled_load(grid(later))[:position], filled_load(grid())[:position])


@cache
def trained(kind: str):
    options = {"horizon": "24h", "known_future": ("temperature",), **SMALL[kind]}
    return create_model(kind, **PLACE, **options).fit(frame().iloc[:END])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(wind=st.lists(WILD, min_size=24, max_size=24), load=WILD)
def test_what_the_future_holds_besides_the_known_covariates_changes_no_forecast(kind, wind, load):
    model, past = trained(kind), frame().iloc[:END]
    future = frame().iloc[END : END + 24].drop(columns="load")
    pd.testing.assert_frame_equal(
        model.predict(past, future.assign(wind=wind, load=load, rain=load)), model.predict(past, future)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_backtest_sees_no_load_and_no_weather_of_after_its_origin(kind):
    """The last day of the origin's history is as implausible as can be beside the weeks that follow, and stays."""
    origins = pd.DatetimeIndex([frame().index[26 * 24], frame().index[28 * 24]])
    options = {"horizon": "24h", "known_future": (), **SMALL[kind]}
    changed = frame()
    changed.iloc[26 * 24 + 1 :, [0, 1, 2]] *= 50.0
    quantiles = []
    for history in (frame(), changed):
        report = backtest(create_model(kind, **PLACE, **options), history, origins=origins[:1])
        quantiles.append(report.predictions[[0.1, 0.5, 0.9]])
    pd.testing.assert_frame_equal(quantiles[0], quantiles[1], check_exact=True)
