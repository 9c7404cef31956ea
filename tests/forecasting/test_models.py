"""What every model does, whatever its kind."""

import numpy as np
import pandas as pd
import pytest

from forecasting import (
    DataContractError,
    NotFittedError,
    SettingsError,
    UnknownModelError,
    available_models,
    create_model,
)

KINDS = available_models()
# `auto` weighs nearly the same members as `ensemble`: where both would say the same, one of the two tells.
TELLING_KINDS = tuple(kind for kind in KINDS if kind != "ensemble")
LEARNING_KINDS = tuple(kind for kind in TELLING_KINDS if kind != "seasonal_naive")
HOURS_AHEAD = 48


def split(frame, ahead=72):
    """History and future; the last three days are the future of every fitted model."""
    return frame.iloc[:-ahead], frame.drop(columns="load").iloc[-ahead:].iloc[:HOURS_AHEAD]


def assert_sane(forecast, future, low, high):
    assert forecast.index.equals(future.index)
    assert forecast.columns.tolist() == [0.1, 0.5, 0.9]
    values = forecast.to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert low <= values.min()
    assert values.max() <= high


def test_the_kinds_are_those_of_the_contract():
    assert KINDS == (
        "seasonal_naive",
        "exponential_smoothing",
        "arima",
        "regression",
        "gradient_boosting",
        "recursive_boosting",
        "lstm",
        "ensemble",
        "auto",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_is_finite_ordered_and_of_the_size_of_the_load(kind, fitted, demand):
    history, future = split(demand())
    assert_sane(fitted(kind).predict(history, future), future, 300, 1700)


@pytest.mark.parametrize("kind", [kind for kind in LEARNING_KINDS if kind != "exponential_smoothing"])
def test_known_weather_beats_last_week(kind, fitted, demand):
    frame = demand()
    history, future = split(frame)
    actual = frame["load"].loc[future.index]
    errors = {
        name: (fitted(name).predict(history, future)[0.5] - actual).abs().mean() for name in (kind, "seasonal_naive")
    }
    assert errors[kind] < 0.8 * errors["seasonal_naive"]


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_a_forecast_follows_the_history_it_is_given_without_refitting(kind, fitted, demand):
    history, future = split(demand())
    raised = history.assign(load=history["load"] + 500.0)
    before, after = (fitted(kind).predict(past, future)[0.5] for past in (history, raised))
    assert (after - before).mean() > 200


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_gaps_late_loads_and_unknown_weather_give_a_sane_forecast(kind, fitted, demand):
    history, future = split(demand())
    broken = history.copy()
    broken.iloc[-200:-150, 0] = np.nan
    broken.iloc[-12:, 0] = np.nan
    broken.iloc[-30:, 1] = np.nan
    unknown = future.assign(temperature=np.nan)
    assert_sane(fitted(kind).predict(broken, unknown), unknown, 300, 1700)


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_a_short_history_at_the_issue_time_is_enough_to_forecast(kind, fitted, demand):
    history, future = split(demand())
    assert_sane(fitted(kind).predict(history.iloc[-8 * 24 :], future), future, 300, 1700)


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_a_covariate_of_the_training_cannot_be_left_out(kind, fitted, demand):
    history, future = split(demand())
    with pytest.raises(DataContractError, match=r"future lacks the covariates \['temperature'\]"):
        fitted(kind).predict(history, future.drop(columns="temperature"))


@pytest.mark.parametrize("kind", LEARNING_KINDS)
def test_weather_that_a_model_may_not_know_ahead_is_ignored(kind, new_model, demand):
    history, future = split(demand())
    model = new_model(kind).fit(history)
    told, untold = (model.predict(history, future.assign(temperature=celsius)) for celsius in (35.0, np.nan))
    pd.testing.assert_frame_equal(told, untold)


def test_a_covariate_to_be_known_ahead_must_be_in_the_history(new_model, demand):
    with pytest.raises(DataContractError, match="no covariate 'wind'"):
        new_model("arima", known_future=("wind",)).fit(demand())


def test_a_horizon_shorter_than_an_interval_is_refused(new_model, demand):
    with pytest.raises(SettingsError, match="at least an interval"):
        new_model("arima", horizon="10min").fit(demand(minutes=30))


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_two_weeks_of_a_constant_load_with_a_gap_forecast_that_constant(kind, new_model, demand):
    frame = demand(days=17, temperature=False)
    history, future = split(frame.assign(load=750.0))
    history.iloc[100:130, 0] = np.nan
    forecast = new_model(kind).fit(history).predict(history, future)
    np.testing.assert_allclose(forecast.to_numpy(), 750.0, atol=5.0)


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_a_history_without_any_load_is_refused(kind, new_model, demand):
    with pytest.raises(DataContractError, match="every value is missing"):
        new_model(kind).fit(demand(days=20).assign(load=np.nan))


@pytest.mark.parametrize("kind", ["arima", "gradient_boosting"])
def test_what_the_future_holds_counts_unless_the_model_is_told_that_it_will_not_be_known(kind, new_model, demand):
    history, future = split(demand())
    colder = future.assign(temperature=future["temperature"] - 5.0)
    change = {}
    for known in (None, ()):
        model = new_model(kind, known_future=known).fit(history)
        change[known] = (model.predict(history, colder) - model.predict(history, future))[0.5].mean()
    # 12 MW more for each degree less.
    assert change[None] > 30
    assert change[()] == 0


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_the_same_training_gives_the_same_manifest(kind, fitted, new_model, demand, tmp_path):
    history, _ = split(demand())
    again = new_model(kind, known_future=("temperature",)).fit(history)
    assert fitted(kind).save(tmp_path / "one") == again.save(tmp_path / "two")


def test_another_seed_or_history_gives_another_manifest(new_model, demand, tmp_path):
    history, _ = split(demand())
    digests = {
        new_model("gradient_boosting", seed=seed).fit(past).save(tmp_path / f"{seed}-{len(past)}")
        for seed, past in ((0, history), (1, history), (0, history.iloc[:-1]))
    }
    assert len(digests) == 3


def test_what_has_not_been_fitted_cannot_forecast_or_be_saved(new_model, demand, tmp_path):
    model = new_model("gradient_boosting")
    with pytest.raises(NotFittedError, match="call fit"):
        model.predict(*split(demand()))
    with pytest.raises(NotFittedError, match="call fit"):
        model.save(tmp_path / "model")


def test_the_parameters_of_a_model_make_the_same_model_again(new_model):
    for kind in KINDS:
        for known in (("wind", "temperature"), (), None):
            model = new_model(kind, quantiles=(0.05, 0.5, 0.95), horizon="36h", seed=3, known_future=known)
            again = create_model(kind, **model.parameters)
            assert again.parameters == model.parameters
            assert again.settings == model.settings


@pytest.mark.parametrize("minutes", [61, 80, 90, 100])
def test_a_horizon_of_any_minutes_comes_back_whole_from_the_parameters(minutes, new_model):
    model = new_model("seasonal_naive", horizon=f"{minutes}min")
    assert create_model("seasonal_naive", **model.parameters).settings == model.settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timezone": "Mars/Olympus"}, "IANA"),
        ({"country": "XX"}, "XX"),
        ({"quantiles": (0.9, 0.5)}, "increase"),
        ({"quantiles": (0.1, 0.9)}, r"contain 0\.5"),
        ({"quantiles": (0.0, 0.5)}, "between 0 and 1"),
        ({"horizon": "soon"}, "not a duration"),
        ({"horizon": "-2h"}, "positive"),
        ({"horizon": "48"}, "not a duration"),
        ({"horizon": 48}, "not a duration"),
        ({"horizon": "15d"}, "at most 14 days"),
        ({"quantiles": "0.5"}, "must be numbers"),
        ({"quantiles": None}, "must be numbers"),
        ({"country": 44}, "country 44"),
        ({"subdivision": ""}, "subdivision ''"),
        ({"timezone": "posix/Europe/London"}, "IANA"),
        ({"threads": 0}, "threads"),
        ({"threads": 100_000}, "threads"),
        ({"threads": "2"}, "threads"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"leaves": 200_000}, "at most 131072"),
        ({"row_share": 1e-9}, "row_share"),
        ({"known_future": "temperature"}, "a list of names"),
        ({"trees": 1.5}, "whole number"),
        ({"trees": True}, "whole number"),
        ({"learning_rate": "fast"}, "finite number"),
        ({"known_future": ("load",)}, "the load is none"),
        ({"known_future": ("",)}, "names of covariates"),
        ({"known_future": ("temperature", 3)}, "names of covariates"),
        ({"depth": 3}, "no hyper-parameter 'depth'"),
        ({"learning_rate": 2.0}, "learning_rate"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(options, words, new_model):
    with pytest.raises(SettingsError, match=words):
        new_model("gradient_boosting", **options)


def test_an_unknown_kind_is_refused_with_those_that_exist():
    with pytest.raises(UnknownModelError, match="seasonal_naive, exponential_smoothing, arima"):
        create_model("crystal_ball", timezone="UTC")


@pytest.mark.parametrize("kind", ["seasonal_naive", "gradient_boosting"])
def test_a_forecast_may_start_later_and_end_later_than_the_horizon(kind, fitted, demand):
    frame = demand()
    history, future = frame.iloc[:-72], frame.drop(columns="load").iloc[-40:]
    assert_sane(fitted(kind).predict(history, future), future, 300, 1700)
    one_row = future.iloc[:1]
    assert_sane(fitted(kind).predict(history, one_row), one_row, 300, 1700)


def test_one_row_of_the_future_is_forecast_as_among_many(fitted, demand):
    history, future = split(demand())
    whole = fitted("gradient_boosting").predict(history, future)
    pd.testing.assert_frame_equal(
        fitted("gradient_boosting").predict(history, future.iloc[:1]), whole.iloc[:1], rtol=1e-9, check_freq=False
    )


def future_of(history, hours):
    return pd.DataFrame(index=pd.date_range(history.index[-1], periods=hours + 1, freq="1h")[1:])


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_an_outage_at_the_end_is_no_part_of_what_a_model_is_calibrated_on(kind, new_model, demand):
    history = demand(days=40, temperature=False)
    history.iloc[-10 * 24 :, 0] = np.nan
    forecast = new_model(kind).fit(history).predict(history, future_of(history, 48))
    assert (forecast[0.9] - forecast[0.1]).min() > 5


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_loads_of_a_week_and_then_none_are_too_few_to_learn_from(kind, new_model, demand):
    for gone in (slice(7 * 24, None), slice(0, 7 * 24)):
        history = demand(days=14, temperature=False)
        history.iloc[gone, 0] = np.nan
        with pytest.raises(DataContractError, match="too few or too scattered"):
            new_model(kind).fit(history)


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_a_horizon_as_long_as_the_history_has_a_spread_of_its_own(kind, new_model, demand):
    history = demand(days=14, temperature=False)
    forecast = new_model(kind, horizon="14d").fit(history).predict(history, future_of(history, 336))
    assert_sane(forecast, future_of(history, 336), 200, 1800)
    assert (forecast[0.9] - forecast[0.1]).mean() > 35


@pytest.mark.parametrize("kind", TELLING_KINDS)
def test_one_known_load_is_enough_to_forecast_from(kind, fitted, demand):
    history, future = split(demand())
    history.iloc[: -10 * 24, 0] = np.nan
    history.iloc[1 - 10 * 24 :, 0] = np.nan
    forecast = fitted(kind).predict(history, future)
    assert np.isfinite(forecast.to_numpy()).all()


def test_a_temperature_that_stood_still_in_training_does_not_explode_when_it_moves(new_model, demand):
    history, future = split(demand())
    noise = np.random.default_rng(0).normal(size=len(history))
    still = history.assign(temperature=10 + 1e-9 * noise)
    assert_sane(
        new_model("arima", known_future=("temperature",)).fit(still).predict(history, future), future, 200, 1800
    )


def test_a_covariate_may_have_any_name(new_model, demand):
    history, future = split(demand())
    named = {'wind, 10 m: "[m/s]"': 1.0, "": 2.0}
    forecast = (
        new_model("gradient_boosting")
        .fit(history.assign(**named))
        .predict(history.assign(**named), future.assign(**named))
    )
    assert_sane(forecast, future, 300, 1700)


def test_a_country_whose_holidays_are_known_for_some_years_only_can_be_named(new_model, demand):
    history, future = split(demand())
    assert_sane(new_model("seasonal_naive", country="IN").fit(history).predict(history, future), future, 300, 1700)
