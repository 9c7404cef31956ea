"""What data of the field looks like: each kind forecasts it sanely, or refuses it in words."""

import numpy as np
import pandas as pd
import pytest

from forecasting import available_models, create_model
from forecasting.grid import build_grid
from tests.forecasting.conftest import KNOWN

# What `ensemble` does, `auto` does as well; the network has tests of its own.
KINDS = tuple(kind for kind in available_models() if kind not in {"ensemble", "lstm"})
SINGLE_KINDS = tuple(kind for kind in KINDS if kind != "auto")
AHEAD = 48


def split(frame: pd.DataFrame, ahead: int = AHEAD) -> tuple[pd.DataFrame, pd.DataFrame]:
    return frame.iloc[:-ahead].copy(), frame.iloc[-ahead:].drop(columns="load")


def error_of(forecast: pd.DataFrame, frame: pd.DataFrame) -> float:
    """Mean absolute error in MW of the median, once the forecast is known to be one."""
    assert np.isfinite(forecast.to_numpy()).all()
    assert (np.diff(forecast.to_numpy(), axis=1) >= 0).all()
    return float((forecast[0.5] - frame["load"].loc[forecast.index]).abs().mean())


# The demand varies by 150 MW around its mean, and weather that is not known ahead moves it by 50 MW from day to day.
SANE = 160.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1000.0, 0.0])
@pytest.mark.parametrize("hours_ago", [1, 13])
def test_an_outlier_in_the_last_day_does_no_harm(kind, factor, hours_ago, fitted, demand):
    history, future = split(demand().iloc[:-24])
    as_it_was = fitted(kind).predict(history, future)
    history.iloc[-hours_ago, 0] *= factor
    changed = fitted(kind).predict(history, future)
    assert (changed - as_it_was).abs().max().max() < 60


@pytest.mark.parametrize("kind", SINGLE_KINDS)
@pytest.mark.parametrize("days", [16, 40])
def test_outliers_in_the_training_do_no_harm(kind, days, new_model, demand):
    frame = demand(days=days)
    history, future = split(frame)
    history.iloc[100, 0] *= 1000.0
    history.iloc[200, 0] = 0.0
    history.iloc[-30, 0] *= -1000.0
    model = new_model(kind).fit(history)
    assert model.training["implausible_loads"] == 3
    forecast = model.predict(history, future)
    assert error_of(forecast, frame) < SANE
    assert (forecast[0.9] - forecast[0.1]).max() < 800


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "weather",
    [lambda celsius: celsius + 273.15, lambda celsius: celsius * 9 / 5 + 32, lambda _: 10.0, lambda _: np.nan],
    ids=["kelvin", "fahrenheit", "constant", "unknown"],
)
@pytest.mark.parametrize("where", ["future", "both"])
def test_a_temperature_of_another_unit_is_bounded_by_what_was_seen(kind, weather, where, fitted, demand):
    frame = demand().iloc[:-24]
    history, future = split(frame)
    future = future.assign(temperature=weather(future["temperature"]))
    if where == "both":
        history = history.assign(temperature=weather(history["temperature"]))
    forecast = fitted(kind).predict(history, future)
    assert error_of(forecast, frame) < 400
    assert forecast.min().min() > 300
    assert forecast.max().max() < 1800


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("days_late", [3, 13])
def test_loads_that_are_late_by_days_still_give_a_forecast(kind, days_late, fitted, demand):
    frame = demand().iloc[:-24]
    history, future = split(frame)
    late = history.iloc[: -days_late * 24]
    assert error_of(fitted(kind).predict(late, future), frame) < 1.5 * SANE


@pytest.mark.parametrize("kind", SINGLE_KINDS)
def test_three_weeks_without_loads_and_a_frozen_meter_in_the_training(kind, new_model, demand):
    frame = demand(days=70)
    history, future = split(frame)
    history.iloc[20 * 24 : 41 * 24, 0] = np.nan
    history.iloc[55 * 24 : 57 * 24, 0] = history.iloc[55 * 24, 0]
    model = new_model(kind).fit(history)
    assert model.training["implausible_loads"] == 47
    assert error_of(model.predict(history, future), frame) < SANE


@pytest.mark.parametrize("kind", KINDS)
def test_a_meter_that_froze_two_days_ago_is_not_believed(kind, fitted, demand):
    frame = demand().iloc[:-24]
    history, future = split(frame)
    history.iloc[-48:, 0] = history.iloc[-48, 0]
    assert error_of(fitted(kind).predict(history, future), frame) < SANE


@pytest.mark.parametrize("kind", SINGLE_KINDS)
def test_three_months_of_another_unit_before_the_good_data_are_survived(kind, new_model, demand):
    frame = demand(days=150)
    history, future = split(frame)
    history.iloc[: 90 * 24, 0] *= 1000.0
    forecast = new_model(kind).fit(history).predict(history, future)
    assert error_of(forecast, frame) < SANE


@pytest.mark.parametrize("kind", SINGLE_KINDS)
def test_three_months_without_loads_before_the_good_data_are_no_part_of_it(kind, new_model, demand):
    frame = demand(days=120)
    history, future = split(frame)
    history.iloc[: 90 * 24, 0] = np.nan
    model = new_model(kind).fit(history)
    assert error_of(model.predict(history, future), frame) < SANE
    assert error_of(model.predict(history.iloc[80 * 24 :], future), frame) < SANE


@pytest.mark.parametrize("kind", KINDS)
def test_two_weeks_are_enough(kind, new_model, demand):
    frame = demand(days=16)
    history, future = split(frame)
    assert error_of(new_model(kind).fit(history).predict(history, future), frame) < SANE


@pytest.mark.parametrize("kind", SINGLE_KINDS)
@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_every_resolution_can_be_forecast(kind, minutes, new_model, demand):
    frame = demand(days=16, minutes=minutes)
    history, future = split(frame, 360 // minutes)
    options = {"most_rows": 2000} if "boosting" in kind else {}
    assert error_of(new_model(kind, horizon="6h", **options).fit(history).predict(history, future), frame) < SANE


@pytest.mark.parametrize("kind", SINGLE_KINDS)
def test_net_load_below_zero_is_forecast_like_any_other(kind, new_model, demand):
    frame = demand(days=40)
    frame["load"] -= 1000.0
    history, future = split(frame)
    forecast = new_model(kind).fit(history).predict(history, future)
    assert error_of(forecast, frame) < SANE
    assert forecast[0.5].min() < -50


@pytest.mark.parametrize("kind", SINGLE_KINDS)
@pytest.mark.parametrize(
    ("timezone", "start", "minutes"),
    [
        ("Europe/London", "2024-02-25", 60),
        ("Europe/London", "2024-09-22", 60),
        ("Australia/Adelaide", "2024-03-02", 30),
        ("Australia/Lord_Howe", "2024-03-02", 30),
        ("Asia/Kathmandu", "2024-03-02", 60),
    ],
)
def test_the_shape_of_the_day_keeps_to_the_wall_clock(kind, timezone, start, minutes, new_model, demand):
    """Where there is a clock change, it comes some hours after the origin, 36 days in."""
    day = 1440 // minutes
    frame = demand(start=start, days=38, timezone=timezone, temperature=False, mw_per_degree=0, minutes=minutes)
    history, future = split(frame, 2 * day)
    options = {"most_rows": 2000} if "boosting" in kind else {}
    model = new_model(kind, timezone=timezone, country=None, **options).fit(history)
    # Two days of an hour's slip would cost some 33 MW on average (half of that on Lord Howe), the noise costs seven.
    assert error_of(model.predict(history, future), frame) < 15


@pytest.mark.parametrize("kind", ["exponential_smoothing", "recursive_boosting"])
@pytest.mark.parametrize("start", ["2024-02-25", "2024-09-22"])
def test_what_leans_on_single_loads_keeps_to_the_wall_clock_after_a_change_too(kind, start, new_model, demand):
    """The clock changed three days before the origin."""
    frame = demand(start=start, days=41, temperature=False, mw_per_degree=0)
    model = new_model(kind, country=None).fit(frame.iloc[: 33 * 24])
    history, future = split(frame)
    assert error_of(model.predict(history, future), frame) < 15


@pytest.mark.parametrize("kind", SINGLE_KINDS)
def test_a_leap_day_is_a_day_like_others(kind, new_model, demand):
    frame = demand(start="2024-01-21", days=41)
    assert frame.index[-48].strftime("%m-%d") == "02-29"
    history, future = split(frame)
    assert error_of(new_model(kind).fit(history).predict(history, future), frame) < SANE


NAMES_OF_OURS = (
    "weekday",
    "lead_time_hours",
    "holiday",
    "regression",
    "regression_minus_baseline",
    "day_ago",
    "minute_of_day",
    "temperature_change_week",
    "covariate_weekday",
    "change_week_weekday",
    "calendar_holiday",
    "monday",
    "year_sin_1",
)


@pytest.mark.parametrize("kind", SINGLE_KINDS)
@pytest.mark.parametrize("known", [True, False])
def test_a_covariate_called_like_a_feature_does_not_take_its_place(kind, known, new_model, demand):
    frame = demand(days=40)
    plain = new_model(kind, known_future=KNOWN).fit(frame)
    # Values that differ from each other and say nothing of the load.
    noise = np.random.default_rng(5).normal(1e4, 1e3, (len(frame), len(NAMES_OF_OURS)))
    named = frame.assign(**dict(zip(NAMES_OF_OURS, noise.T, strict=True)))
    model = new_model(kind, known_future=(*KNOWN, *NAMES_OF_OURS) if known else KNOWN).fit(named)
    assert set(plain.features) <= set(model.features)
    assert len(model.features) == len(set(model.features))
    history, future = split(named)
    assert error_of(model.predict(history, future), frame) < SANE


def test_a_path_from_a_few_days_of_history_leans_on_those_days(demand):
    frame = demand(days=42, temperature=False, mw_per_degree=0)
    place = {"timezone": "Europe/London", "country": None, "subdivision": None}
    options = {"quantiles": (0.1, 0.5, 0.9), "horizon": "24h", "known_future": (), "seed": 0, "threads": 1}
    model = create_model("recursive_boosting", **place, **options)
    grid = build_grid(frame.asfreq("1h"), None, **place)
    state = model.learn(grid, 30 * 24)
    short = frame.iloc[30 * 24 :].copy()
    short.iloc[: 2 * 24] = np.nan
    path = model.paths(state, build_grid(short.asfreq("1h"), None, **place), np.array([10 * 24]), 24)[0]
    assert np.abs(path - frame["load"].to_numpy()[40 * 24 : 41 * 24]).mean() < 40
