"""Calibration: how often the load was at or below each quantile."""

import json
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from forecasting import backtest, daily_origins
from forecasting.metrics import calibration

LEVELS = (0.1, 0.5, 0.9)


def test_the_share_at_or_below_each_level_is_counted() -> None:
    actual = pd.Series([1.0, 2.0, 3.0, 4.0])
    forecast = pd.DataFrame({0.1: [1.0] * 4, 0.5: [2.5] * 4, 0.9: [9.0] * 4})
    assert calibration(actual, forecast) == [
        {"quantile": 0.1, "observed": 0.25, "n": 4},
        {"quantile": 0.5, "observed": 0.5, "n": 4},
        {"quantile": 0.9, "observed": 1.0, "n": 4},
    ]


def test_loads_drawn_from_the_forecast_are_calibrated() -> None:
    drawn = pd.Series(np.random.default_rng(1).normal(100.0, 5.0, 50_000))
    truth = NormalDist(100.0, 5.0)
    found = calibration(drawn, pd.DataFrame({level: truth.inv_cdf(level) for level in LEVELS}, index=drawn.index))
    assert [point["observed"] for point in found] == pytest.approx(LEVELS, abs=0.01)


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_rows_without_a_load_or_with_a_quantile_missing_are_counted_for_no_level(missing: float) -> None:
    actual = pd.Series([1.0, missing, 3.0])
    forecast = pd.DataFrame({0.1: [0.0, 0.0, missing], 0.5: [2.0, 2.0, 9.0]})
    assert calibration(actual, forecast) == [
        {"quantile": 0.1, "observed": 0.0, "n": 1},
        {"quantile": 0.5, "observed": 1.0, "n": 1},
    ]


def test_without_a_row_nothing_is_observed() -> None:
    nothing = pd.DataFrame({level: [50.0] for level in LEVELS})
    for actual, forecast in ((pd.Series([np.nan]), nothing), (pd.Series([], dtype=float), nothing.iloc[:0])):
        assert calibration(actual, forecast) == [{"quantile": each, "observed": None, "n": 0} for each in LEVELS]


def test_a_backtest_reports_the_calibration_of_the_rows_that_it_measures(new_model, demand) -> None:
    frame = demand(days=40)
    frame.iloc[-60:-40, 0] = np.nan
    origins = daily_origins(frame, timezone="Europe/London", horizon="48h", count=4)
    report = backtest(new_model("arima"), frame, origins=origins)
    rows = report.predictions.dropna(subset="load")
    assert [point["n"] for point in report.calibration] == [len(rows)] * 3 == [report.metrics["n"]] * 3
    assert [point["observed"] for point in report.calibration] == [(rows["load"] <= rows[q]).mean() for q in LEVELS]
    inside = report.calibration[2]["observed"] - report.calibration[0]["observed"]
    assert inside == pytest.approx(report.metrics["coverage_80"])
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["calibration"] == report.calibration


def test_a_backtest_without_loads_has_levels_but_no_shares(new_model, demand) -> None:
    frame = demand(days=30)
    origins = daily_origins(frame, timezone="Europe/London", horizon="48h", count=2)
    frame.loc[frame.index >= origins[0], "load"] = np.nan
    found = backtest(new_model("seasonal_naive"), frame, origins=origins).to_dict()["calibration"]
    assert found == [{"quantile": level, "observed": None, "n": 0} for level in LEVELS]
