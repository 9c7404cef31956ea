"""What a forecast is made of: contributions in MW that sum to its median."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import ForecastingError, NotFittedError, available_models, load_model
from forecasting.contributions import LEVEL, OTHER, group_of_feature, groups, of_logarithms
from forecasting.models.arima import Arima
from forecasting.models.exponential_smoothing import ExponentialSmoothing
from forecasting.models.regression import Regression

EXPLAINING = tuple(kind for kind in available_models() if kind != "lstm")
LINEAR = ("arima", "regression", "gradient_boosting")
MW_PER_DEGREE = -12.0
HOLIDAY_MW = -150.0


def split(frame, ahead=72):
    return frame.iloc[:-ahead], frame.drop(columns="load").iloc[-ahead:].iloc[:48]


def assert_sums(model, history, future):
    explained = model.explain(history, future)
    assert explained.index.equals(future.index)
    np.testing.assert_allclose(explained.sum(axis=1), model.predict(history, future)[0.5], rtol=1e-9)
    return explained


@pytest.fixture(scope="module")
def with_holidays(demand):
    """Half a year in which each bank holiday costs 150 MW, and the future is the one of late August."""
    frame = demand(start="2024-03-01", days=179)
    days = pd.to_datetime(["2024-03-29", "2024-04-01", "2024-05-06", "2024-05-27", "2024-08-26"]).date
    on_holiday = np.isin(frame.index.tz_convert("Europe/London").date, days)
    return frame.assign(load=frame["load"] + HOLIDAY_MW * on_holiday)


@pytest.mark.parametrize("kind", EXPLAINING)
def test_contributions_sum_to_the_median(kind, fitted, demand):
    explained = assert_sums(fitted(kind), *split(demand()))
    assert list(explained.columns) == ["level", "calendar", "holiday", "weather", "recent_load", "other"]


@pytest.mark.parametrize("kind", EXPLAINING)
def test_contributions_sum_to_the_median_of_a_gappy_history_and_a_late_future(kind, fitted, demand):
    history, future = split(demand())
    broken = history.copy()
    broken.iloc[-200:-150, 0] = np.nan
    broken.iloc[-12:, 0] = np.nan
    broken.iloc[-30:, 1] = np.nan
    assert_sums(fitted(kind), broken, future.iloc[7:31].assign(temperature=np.nan))


@pytest.mark.parametrize("kind", ["seasonal_naive", "regression"])
def test_a_median_that_the_order_of_the_quantiles_moves_still_is_the_sum(kind, fitted, demand, monkeypatch):
    model, (history, future) = fitted(kind), split(demand())
    before = model.explain(history, future)
    calibration = model._calibration
    median = np.array(calibration.levels) == 0.5
    low = replace(calibration, shifts=np.where(median, 0.0, -1.0 + 0.0 * calibration.shifts))
    monkeypatch.setattr(model, "_calibration", low)
    after = assert_sums(model, history, future)
    assert (after["other"] < before["other"] - 1).all()
    pd.testing.assert_frame_equal(after.drop(columns="other"), before.drop(columns="other"))


@pytest.mark.parametrize("kind", LINEAR)
def test_a_warmer_forecast_moves_the_weather_by_the_megawatts_per_degree(kind, fitted, demand):
    history, future = split(demand())
    cool, warm = (
        fitted(kind).explain(history, future.assign(temperature=10.0 + degrees)).iloc[24:] for degrees in (-1.5, 1.5)
    )
    moved = (warm - cool).mean() / 3.0
    assert moved["weather"] == pytest.approx(MW_PER_DEGREE, abs=2.0)
    assert moved.drop("weather").abs().max() < 1.0


@pytest.mark.parametrize("kind", LINEAR)
def test_weather_as_usual_contributes_little_at_any_hour(kind, fitted, demand):
    history, future = split(demand())
    usual = history["temperature"].mean()
    weather = fitted(kind).explain(history.assign(temperature=usual), future.assign(temperature=usual))["weather"]
    assert weather.abs().max() < 10


@pytest.mark.parametrize("kind", ["arima", "regression", "gradient_boosting"])
def test_a_holiday_shows_as_one_and_the_days_around_it_do_not(kind, new_model, with_holidays):
    start = with_holidays.index.get_loc(pd.Timestamp("2024-08-24T23:00Z"))
    history, future = with_holidays.iloc[:start], with_holidays.iloc[start : start + 48].drop(columns="load")
    model = new_model(kind, subdivision="ENG", known_future=("temperature",)).fit(history)
    holiday = assert_sums(model, history, future)["holiday"]
    assert holiday.iloc[24:].mean() == pytest.approx(HOLIDAY_MW, abs=40)
    assert holiday.iloc[:24].abs().max() < 15


@pytest.mark.parametrize("kind", EXPLAINING)
def test_without_covariates_there_is_no_weather(kind, new_model, demand):
    history, future = split(demand(days=30, temperature=False))
    explained = assert_sums(new_model(kind).fit(history), history, future)
    assert list(explained.columns) == ["level", "calendar", "holiday", "recent_load", "other"]


@pytest.mark.parametrize("kind", ["regression", "gradient_boosting", "recursive_boosting"])
def test_another_covariate_stands_under_its_name(kind, new_model, demand):
    frame = demand(temperature=False)
    wind = np.repeat(np.random.default_rng(5).normal(8, 3, len(frame) // 6), 6)
    frame = frame.assign(load=frame["load"] - 20 * (wind - 8), wind=wind)
    history, future = split(frame)
    explained = assert_sums(new_model(kind, known_future=("wind",)).fit(history), history, future)
    assert list(explained.columns) == ["level", "calendar", "holiday", "recent_load", "wind", "other"]
    assert np.corrcoef(explained["wind"], future["wind"])[0, 1] < -0.9


def test_a_covariate_called_like_a_group_counts_in_it():
    assert groups(["holiday", "other", "wind"]) == ["level", "calendar", "holiday", "recent_load", "other", "wind"]


@pytest.mark.parametrize("kind", ["gradient_boosting", "recursive_boosting"])
def test_every_feature_of_a_booster_has_a_group(kind, fitted, demand):
    fitted(kind).explain(*split(demand()))
    covariates = ["temperature"]
    groupless = {name for name in fitted(kind).features if group_of_feature(name, covariates) == OTHER}
    assert groupless <= {"lead_time_hours", "origin_minute_of_day", "regression", "regression_minus_baseline"}


@pytest.mark.parametrize("kind", ["regression", "recursive_boosting", "auto"])
def test_a_loaded_model_explains_as_the_saved_one(kind, fitted, demand, tmp_path):
    history, future = split(demand())
    fitted(kind).save(tmp_path / "model")
    pd.testing.assert_frame_equal(
        load_model(tmp_path / "model").explain(history, future), fitted(kind).explain(history, future), atol=1e-6
    )


def test_a_member_that_cannot_explain_itself_counts_as_other(fitted, demand, monkeypatch):
    model, (history, future) = fitted("ensemble"), split(demand())
    before = model.explain(history, future)
    monkeypatch.setattr(Arima, "explains", False)
    after = assert_sums(model, history, future)
    assert (after["other"] > before["other"] + 1).any()


def test_a_member_that_fails_leaves_the_sum_to_the_others(fitted, demand, monkeypatch):
    model, (history, future) = fitted("auto"), split(demand())

    def fail(*_):
        raise RuntimeError("no luck")

    for member in (Regression, ExponentialSmoothing):
        monkeypatch.setattr(member, "paths", fail)
    assert_sums(model, history, future)


def test_a_kind_without_a_decomposition_says_so(new_model, demand):
    with pytest.raises(ForecastingError, match="lstm has no decomposition"):
        new_model("lstm").explain(*split(demand()))


def test_an_unfitted_model_explains_nothing(new_model, demand):
    with pytest.raises(NotFittedError):
        new_model("regression").explain(*split(demand()))


@given(
    level=st.floats(-3, 12),
    shares=st.lists(st.floats(-2, 2), min_size=1, max_size=5),
)
def test_logarithms_split_without_a_rest_and_with_their_signs(level, shares):
    logarithms = {LEVEL: np.array([level])} | {str(number): np.array([share]) for number, share in enumerate(shares)}
    loads = of_logarithms(logarithms)
    assert sum(loads.values())[0] == pytest.approx(np.exp(level + sum(shares)), rel=1e-9)
    for number, share in enumerate(shares):
        assert loads[str(number)][0] * share >= 0
