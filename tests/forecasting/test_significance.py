"""Whether the difference between two forecasts could be chance."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from forecasting.significance import compare_errors, error_differences

DAY = pd.Timedelta(days=1)


def differences(values: list[float] | np.ndarray, *, days: int = 1) -> pd.Series:
    index = pd.date_range("2024-01-01", periods=len(values), freq=f"{days}D", tz="UTC")
    return pd.Series(np.asarray(values, dtype=float), index=index)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(-100, 100), min_size=3, max_size=30).filter(lambda values: np.std(values) > 1e-3))
def test_without_overlap_it_is_the_t_test_of_the_mean(values: list[float]) -> None:
    found = compare_errors(differences(values), horizon=DAY)
    expected = ttest_1samp(values, 0.0)
    assert found["overlapping"] == 1
    assert found["statistic"] == pytest.approx(expected.statistic, rel=1e-6, abs=1e-9)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)
    assert found["mean_difference_mw"] == pytest.approx(np.mean(values))


def test_forecasts_that_overlap_share_their_errors_and_so_say_less() -> None:
    """The formulas of the papers, written out for forecasts of two days from every midnight."""
    values = np.repeat(np.random.default_rng(5).normal(-3, 5, 15), 2)
    number, mean = len(values), values.mean()
    lag_0 = sum((value - mean) ** 2 for value in values) / number
    lag_1 = sum((values[i] - mean) * (values[i - 1] - mean) for i in range(1, number)) / number
    diebold_mariano = mean / math.sqrt((lag_0 + 2 * lag_1) / number)
    corrected = diebold_mariano * math.sqrt((number + 1 - 2 * 2 + 2 * (2 - 1) / number) / number)
    found = compare_errors(differences(values), horizon=2 * DAY)
    assert found["overlapping"] == 2
    assert found["statistic"] == pytest.approx(corrected)
    assert found["p_value"] == pytest.approx(2 * student.sf(abs(corrected), df=number - 1))
    assert found["p_value"] > compare_errors(differences(values), horizon=DAY)["p_value"]


def test_a_variance_that_comes_out_negative_gives_way_to_the_plain_one() -> None:
    values = [1.0, -1.5, 1.0, -1.0, 1.5, -1.0, 1.0]
    found = compare_errors(differences(values), horizon=2 * DAY)
    assert found["statistic"] == pytest.approx(ttest_1samp(values, 0.0).statistic)


@pytest.mark.parametrize(
    ("days", "horizon", "overlapping"), [(1, "48h", 2), (7, "48h", 1), (1, "36h", 2), (2, "7D", 4)]
)
def test_origins_overlap_as_often_as_the_horizon_spans_them(days: int, horizon: str, overlapping: int) -> None:
    found = compare_errors(differences(range(12), days=days), horizon=pd.Timedelta(horizon))
    assert found["overlapping"] == overlapping


def test_a_midnight_an_hour_early_overlaps_no_further() -> None:
    midnights = pd.date_range("2024-03-28", periods=9, freq="D", tz="Europe/London").tz_convert("UTC")
    found = compare_errors(pd.Series(range(9), index=midnights, dtype=float), horizon=2 * DAY)
    assert found["overlapping"] == 2


@pytest.mark.parametrize(
    ("values", "days"),
    [([], 1), ([3.0], 1), ([1.0, 2.0], 2), ([0.0] * 9, 1), ([0.1 + 0.2, 0.3, 0.3, 0.3], 1), ([1.0, 2.0, 4.0], 3)],
)
def test_what_cannot_be_tested_has_no_p_value(values: list[float], days: int) -> None:
    found = compare_errors(differences(values), horizon=days * DAY)
    assert (found["statistic"], found["p_value"], found["n_origins"]) == (None, None, len(values))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(-1e15, 1e15), max_size=12), days=st.integers(1, 14))
def test_whatever_comes_is_tested_or_none(values: list[float], days: int) -> None:
    found = compare_errors(differences(values), horizon=days * DAY)
    assert (found["statistic"] is None) == (found["p_value"] is None)
    if found["p_value"] is not None:
        assert 0 <= found["p_value"] <= 1
        assert math.isfinite(found["statistic"])


def test_an_origin_counts_once_and_rows_without_a_load_not_at_all() -> None:
    first, second, third = pd.date_range("2024-01-01", periods=3, freq="D", tz="UTC")
    rows = pd.DataFrame(
        {
            "origin": [first, first, first, second, third],
            "load": [100.0, 100.0, np.nan, 100.0, np.nan],
            0.5: [101.0, 97.0, 0.0, 100.0, 0.0],
            "baseline": [104.0, 100.0, 0.0, 95.0, 0.0],
        }
    )
    found = error_differences(rows, point=0.5, reference="baseline")
    assert found.to_dict() == {first: ((1 - 4) + (3 - 0)) / 2, second: -5.0}
