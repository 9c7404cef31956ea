"""Many series in one call: the results of single calls, with the common work done once."""

import numpy as np
import pandas as pd
import pytest

from forecasting import (
    Batch,
    DataContractError,
    ForecastingError,
    SettingsError,
    UnknownModelError,
    create_model,
    fit_many,
    predict_many,
)
from forecasting.grid import build_grid
from forecasting.linear import Design, Ridge
from forecasting.models.regression import Regression
from forecasting.sharing import Shared, shared_axes

SETTINGS = {"timezone": "Europe/London", "country": "GB", "horizon": "24h"}
PLACE = {"timezone": "Europe/London", "country": "GB", "subdivision": None}


@pytest.fixture
def histories(demand):
    """Series on one axis, with a gap, on other axes, with weather of their own and with weather in common."""
    plain = {f"plain {seed}": demand(days=30, temperature=False, seed=seed) for seed in (1, 2)}
    gappy = demand(days=30, temperature=False, seed=3)
    gappy.iloc[200:230] = np.nan
    weather = demand(days=30, seed=4)
    return {
        **plain,
        "longer": demand(days=37, temperature=False, seed=5),
        "gappy": gappy,
        "weather": weather,
        "same weather": weather.assign(load=weather["load"][::-1].to_numpy()),
        "other weather": demand(days=30, seed=6),
        "half hours": demand(days=20, minutes=30, temperature=False, seed=7),
    }


def ahead(history):
    """A future of a day, in which it gets warmer."""
    step = history.index[1] - history.index[0]
    index = pd.date_range(history.index[-1] + step, periods=24, freq=step)
    return pd.DataFrame({name: 12.0 for name in history.columns if name != "load"}, index=index)


@pytest.mark.parametrize(
    "kind", ["seasonal_naive", "arima", "regression", "gradient_boosting", "exponential_smoothing"]
)
def test_one_call_gives_bit_for_bit_what_single_calls_give(kind, histories, tmp_path):
    if kind not in {"seasonal_naive", "regression"}:
        histories = {name: histories[name] for name in ("plain 1", "gappy", "plain 2")}
    futures = {name: ahead(history) for name, history in histories.items()}
    models = fit_many(kind, histories, **SETTINGS)
    forecasts = predict_many(models, histories, futures)
    assert list(models) == list(forecasts) == list(histories)
    assert not models.failures
    assert not forecasts.failures
    for number, (name, history) in enumerate(histories.items()):
        alone = create_model(kind, **SETTINGS).fit(history)
        assert models[name].save(tmp_path / f"many {number}") == alone.save(tmp_path / f"alone {number}")
        pd.testing.assert_frame_equal(forecasts[name], alone.predict(history, futures[name]), check_exact=True)


def test_a_bad_series_stops_no_other_and_says_what_is_wrong(histories, monkeypatch):
    fit = Regression._fit

    def break_on_the_longer(self, history, grid):
        if len(history) == 37 * 24:
            raise ZeroDivisionError("out of luck")
        fit(self, history, grid)

    monkeypatch.setattr(Regression, "_fit", break_on_the_longer)
    bad = {"short": histories["plain 1"].iloc[:50], "no frame": None, "longer": histories["longer"]}
    models = fit_many("regression", {**bad, "good": histories["plain 2"]}, **SETTINGS)
    assert list(models) == ["good"]
    assert list(models.failures) == ["short", "no frame", "longer"]
    assert isinstance(models.failures["short"], DataContractError)
    assert "history is a NoneType" in str(models.failures["no frame"])
    assert str(models.failures["longer"]) == "ZeroDivisionError: out of luck"
    assert isinstance(models.failures["longer"].__cause__, ZeroDivisionError)


def test_a_series_without_a_future_or_with_a_bad_one_fails_alone(histories):
    chosen = {name: histories[name] for name in ("plain 1", "plain 2", "gappy")}
    models = fit_many("seasonal_naive", chosen, **SETTINGS)
    futures = {"plain 1": ahead(chosen["plain 1"]), "gappy": ahead(chosen["gappy"]).iloc[:0]}
    forecasts = predict_many(models, chosen, futures)
    assert list(forecasts) == ["plain 1"]
    assert str(forecasts.failures["plain 2"]) == "series 'plain 2' has a model, but no future"
    assert isinstance(forecasts.failures["gappy"], DataContractError)


def test_wrong_settings_are_an_error_of_the_call(histories):
    with pytest.raises(UnknownModelError):
        fit_many("crystal_ball", histories, **SETTINGS)
    with pytest.raises(SettingsError, match="daily_harmonics"):
        fit_many("regression", histories, **SETTINGS, daily_harmonics=99)


def test_no_series_give_no_models():
    assert fit_many("regression", {}, **SETTINGS) == Batch(results={}, failures={})


def test_series_on_one_axis_share_their_regressors(histories, monkeypatch):
    made = []
    of = Design.of

    def counted(*arguments, **options):
        made.append(options)
        return of(*arguments, **options)

    monkeypatch.setattr(Design, "of", counted)
    shared = {name: histories[name] for name in ("plain 1", "weather", "longer", "plain 2", "same weather")}
    assert not fit_many("regression", shared, **SETTINGS).failures
    # One to calibrate and one to keep: for the plain ones, for those with the same weather, for the longer one.
    assert len(made) == 6


def test_outside_a_call_grids_share_nothing(histories):
    plain = histories["plain 1"]
    first, second = (build_grid(plain, None, **PLACE) for _ in range(2))
    assert first.shared is not second.shared
    with shared_axes():
        inside = [build_grid(plain, None, **PLACE), build_grid(histories["plain 2"], None, **PLACE)]
        assert inside[0].shared is inside[1].shared
        assert build_grid(histories["longer"], None, **PLACE).shared is not inside[0].shared
    assert build_grid(plain, None, **PLACE).shared is not inside[0].shared


def test_what_is_shared_stays_bounded_and_keeps_what_is_in_use():
    shared, calls = Shared(), []

    def work(name):
        calls.append(name)
        return name

    for number in range(20):
        assert shared.get("often", lambda: work("often")) == "often"
        assert shared.get(number, lambda number=number: work(number)) == number
    assert calls.count("often") == 1
    assert shared.get(3, lambda: work(3)) == 3
    assert calls.count(3) == 2


def test_what_could_not_be_worked_out_is_tried_again():
    shared = Shared()
    with pytest.raises(ForecastingError):
        shared.get("key", lambda: (_ for _ in ()).throw(ForecastingError("no")))
    assert shared.get("key", lambda: 7) == 7


def test_a_ridge_solves_its_normal_equations_where_rows_and_values_are_missing():
    generator = np.random.default_rng(2)
    table = generator.normal(size=(300, 4))
    target = 3 + table @ np.array([1.0, -2.0, 0.5, 0.0]) + generator.normal(0, 0.1, 300)
    target[40:60] = np.nan
    columns = dict(zip("abcd", table.T, strict=True))
    columns["d"] = np.where(np.arange(300) % 7 == 0, np.nan, columns["d"])
    rows = np.flatnonzero(np.isfinite(target))
    ridge, fitted = Ridge.fit(target, Design.of(columns, rows, penalty=0.1))
    taught = ridge._standard(np.column_stack(list(columns.values())))[rows]
    error = target[rows] - ridge.intercept - taught @ ridge.coefficients
    np.testing.assert_allclose(taught.T @ error / len(rows), 0.1 * ridge.coefficients, atol=1e-9)
    np.testing.assert_allclose(ridge.explain(columns), fitted)
    np.testing.assert_allclose(ridge.intercept + sum(ridge.contributions(columns).values()), fitted)
