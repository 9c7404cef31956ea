"""How well the models do on the shipped demand, by the hour: two weeks of midnights, 48 hours ahead."""

from pathlib import Path

import pandas as pd
import pytest

from forecasting import available_models, backtest, create_model, daily_origins

DATA = Path(__file__).parents[2] / "data"
VICTORIA = {"timezone": "Australia/Melbourne", "country": "AU", "subdivision": "VIC"}
ENGLAND = {"timezone": "Europe/London", "country": "GB", "subdivision": "ENG"}
# `auto` weighs nearly the same members as `ensemble`: one of the two tells.
LEARNING_KINDS = tuple(kind for kind in available_models() if kind not in {"seasonal_naive", "ensemble"})


def report(kind, name, as_of, place, *, known_future=()):
    history = pd.read_csv(DATA / name, index_col="timestamp", parse_dates=True)
    history = history.rename(columns={"load_mw": "load", "temperature_c": "temperature"})
    history = history[history.index < pd.Timestamp(as_of, tz=place["timezone"])].iloc[-350 * 48 :]
    history = history.resample("1h").mean()
    origins = daily_origins(history, timezone=place["timezone"], horizon="48h", count=14)
    return backtest(create_model(kind, **place, known_future=known_future), history, origins=origins)


@pytest.mark.parametrize("kind", LEARNING_KINDS)
def test_a_model_beats_the_naive_without_a_weather_forecast(kind):
    found = report(kind, "victoria_2014.csv.gz", "2014-12-24", VICTORIA)
    assert found.covariates == {"temperature": "unknown from the origin on"}
    assert found.metrics["mae"] < found.baseline["mae"]
    assert found.metrics["pinball"] < found.baseline["pinball"]
    assert 0.65 < found.metrics["coverage_80"] < 0.95


@pytest.mark.parametrize("kind", ["arima", "gradient_boosting"])
def test_a_perfect_weather_forecast_is_worth_a_third_of_the_error(kind):
    found = report(kind, "victoria_2014.csv.gz", "2014-12-24", VICTORIA, known_future=("temperature",))
    assert found.skill > 0.33
    assert 0.65 < found.metrics["coverage_80"] < 0.95


@pytest.mark.parametrize("kind", [kind for kind in LEARNING_KINDS if kind not in {"recursive_boosting", "lstm"}])
def test_eleven_weeks_that_end_in_a_turn_of_the_season_are_no_worse_than_the_naive(kind):
    """After the summer holidays the load rises week by week, which no week before has shown: intervals miss it.

    Trees that predict the load itself cannot follow either; alone, the recursive ones are for longer histories, and so
    is a network.
    """
    found = report(kind, "england_wales_2000.csv.gz", "2000-08-20", ENGLAND)
    assert found.metrics["mae"] < found.baseline["mae"]
    assert found.metrics["pinball"] < found.baseline["pinball"]
