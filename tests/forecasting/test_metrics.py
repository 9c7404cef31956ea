import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError
from forecasting.metrics import METRICS, by_lead_time, score, seasonal_scale

LOADS = st.lists(st.floats(1.0, 1e5), min_size=3, max_size=40)


def frames(loads: list[float], errors: float = 5.0) -> tuple[pd.Series, pd.DataFrame]:
    actual = pd.Series(loads)
    point = actual + errors * np.cos(np.arange(len(loads)))
    return actual, pd.DataFrame({0.1: point - 3.0, 0.5: point, 0.9: point + 3.0})


@settings(max_examples=40, deadline=None)
@given(loads=LOADS)
def test_a_perfect_forecast_has_no_error_and_full_coverage(loads: list[float]) -> None:
    actual = pd.Series(loads)
    found = score(actual, pd.DataFrame(dict.fromkeys((0.1, 0.5, 0.9), actual)), seasonal_scale=10.0)
    assert [found[name] for name in ("mae", "rmse", "mape", "smape", "mase", "bias", "pinball", "width_80")] == [
        0.0
    ] * 8
    assert (found["coverage_80"], found["n"]) == (1.0, len(loads))


@settings(max_examples=40, deadline=None)
@given(loads=LOADS, factor=st.floats(0.01, 100))
def test_measures_in_mw_scale_with_the_load_and_relative_ones_do_not(loads: list[float], factor: float) -> None:
    actual, forecast = frames(loads)
    plain = score(actual, forecast, seasonal_scale=7.0)
    scaled = score(actual * factor, forecast * factor, seasonal_scale=7.0 * factor)
    for name in ("mae", "rmse", "bias", "pinball", "width_80"):
        assert scaled[name] == pytest.approx(plain[name] * factor, rel=1e-6, abs=1e-6 * factor)
    for name in ("mape", "smape", "mase"):
        assert scaled[name] == pytest.approx(plain[name], rel=1e-6, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(loads=LOADS, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(loads: list[float], seed: int) -> None:
    actual, forecast = frames(loads)
    order = np.random.default_rng(seed).permutation(len(loads))
    assert score(actual.iloc[order], forecast.iloc[order]) == pytest.approx(score(actual, forecast))


def test_the_pinball_loss_of_the_median_is_half_the_absolute_error() -> None:
    found = score(pd.Series([10.0, 20.0]), pd.DataFrame({0.5: [13.0, 19.0]}))
    assert (found["mae"], found["pinball"], found["bias"]) == (2.0, 1.0, 1.0)


def test_what_is_undefined_is_none() -> None:
    found = score(pd.Series([0.0, np.nan]), pd.DataFrame({0.5: [0.0, 1.0]}))
    assert found["n"] == 1
    assert [name for name in METRICS if found[name] is None] == ["mape", "smape", "mase", "coverage_80", "width_80"]
    nothing = score(pd.Series([np.nan]), pd.DataFrame({0.5: [1.0]}))
    assert nothing == dict.fromkeys(METRICS) | {"n": 0}


def test_rows_that_do_not_match_and_missing_medians_are_refused() -> None:
    with pytest.raises(DataContractError, match="different rows"):
        score(pd.Series([1.0], index=[5]), pd.DataFrame({0.5: [1.0]}))
    with pytest.raises(DataContractError, match=r"0\.5"):
        score(pd.Series([1.0]), pd.DataFrame({0.1: [1.0]}))


def test_the_seasonal_scale_is_the_weekly_change() -> None:
    index = pd.date_range("2024-01-01", periods=14 * 24, freq="1h", tz="UTC")
    load = np.where(np.arange(len(index)) < 7 * 24, 100.0, 104.0)
    assert seasonal_scale(pd.DataFrame({"load": load}, index=index)) == 4.0
    assert seasonal_scale(pd.DataFrame({"load": 100.0}, index=index)) is None


def test_blocks_of_lead_time_are_half_open_and_keep_every_row() -> None:
    rows = pd.DataFrame({"lead_time_hours": [0.0, 5.5, 6.0, 13.0]})
    blocks = by_lead_time(rows, block_hours=6.0, scorer=lambda part: {"n": len(part)})
    assert [(block["lead_time_from"], block["lead_time_to"], block["n"]) for block in blocks] == [
        (0.0, 6.0, 2), (6.0, 12.0, 1), (12.0, 18.0, 1),
    ]  # fmt: skip
