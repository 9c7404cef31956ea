import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError
from forecasting.metrics import METRICS, by_lead_time, crps, score, seasonal_scale, skill

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
    names = ("mae", "rmse", "mape", "smape", "mase", "bias", "pinball", "crps", "width_80")
    assert [found[name] for name in names] == [0.0] * 9
    assert (found["coverage_80"], found["n"]) == (1.0, len(loads))


@settings(max_examples=40, deadline=None)
@given(loads=LOADS, factor=st.floats(0.01, 100))
def test_measures_in_mw_scale_with_the_load_and_relative_ones_do_not(loads: list[float], factor: float) -> None:
    actual, forecast = frames(loads)
    plain = score(actual, forecast, seasonal_scale=7.0)
    scaled = score(actual * factor, forecast * factor, seasonal_scale=7.0 * factor)
    for name in ("mae", "rmse", "bias", "pinball", "crps", "width_80"):
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


LEVELS = st.lists(st.integers(1, 99), min_size=1, max_size=9, unique=True).map(lambda ps: np.array(ps) / 100)


@settings(max_examples=60, deadline=None)
@given(truth=st.floats(-1e5, 1e5), point=st.floats(-1e5, 1e5), levels=LEVELS)
def test_the_crps_of_a_forecast_without_spread_is_its_absolute_error(
    truth: float, point: float, levels: np.ndarray
) -> None:
    found = crps(np.array([truth]), np.full((1, len(levels)), point), levels)
    assert found == pytest.approx(abs(truth - point), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("truth", [2.0, 7.0, 12.0, 19.0, 40.0])
def test_the_crps_is_twice_the_integral_of_the_pinball_loss(truth: float) -> None:
    """By another route: a fine sum over all levels, each loss interpolated between the given ones."""
    levels, values = np.array([0.1, 0.5, 0.9]), np.array([5.0, 10.0, 20.0])
    fine = (np.arange(100_000) + 0.5) / 100_000
    outside = np.where(fine < 0.1, 5.0, 20.0)
    loss = np.where(truth >= outside, fine * (truth - outside), (1 - fine) * (outside - truth))
    at_levels = np.maximum(levels * (truth - values), (1 - levels) * (values - truth))
    inside = (fine > 0.1) & (fine < 0.9)
    loss[inside] = np.interp(fine[inside], levels, at_levels)
    assert crps(np.array([truth]), values[None], levels)[0] == pytest.approx(2 * loss.mean(), rel=1e-6)
    backwards = crps(np.array([truth]), values[None, ::-1], levels[::-1])
    assert backwards == pytest.approx(crps(np.array([truth]), values[None], levels)), "the order of columns is free"


@pytest.mark.parametrize("truth", [-2.0, -0.3, 0.0, 1.4, 4.0])
def test_with_many_levels_the_crps_is_that_of_the_distribution(truth: float) -> None:
    """Of the standard normal distribution it is known in closed form (Gneiting & Raftery, 2007, section 4.2)."""
    normal = NormalDist()
    exact = truth * (2 * normal.cdf(truth) - 1) + 2 * normal.pdf(truth) - 1 / math.sqrt(math.pi)
    levels = np.arange(1, 1000) / 1000
    values = np.array([[normal.inv_cdf(level) for level in levels]])
    assert crps(np.array([truth]), values, levels)[0] == pytest.approx(exact, rel=0.002)


def test_three_levels_measure_as_coarsely_as_the_docstring_says() -> None:
    normal, levels = NormalDist(), np.array([0.1, 0.5, 0.9])
    truth = np.array([normal.inv_cdf((number + 0.5) / 20_000) for number in range(20_000)])
    values = np.tile([normal.inv_cdf(level) for level in levels], (len(truth), 1))
    assert crps(truth, values, levels).mean() * math.sqrt(math.pi) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("error", "reference", "expected"),
    [(3.0, 4.0, 0.25), (4.0, 2.0, -1.0), (None, 4.0, None), (1.0, None, None), (1.0, 0.0, None), (1e300, 1e-300, None)],
)
def test_skill_is_the_share_of_the_reference_error_that_is_saved(
    error: float | None, reference: float | None, expected: float | None
) -> None:
    assert skill(error, reference) == expected


NUMBERS = st.floats(width=64) | st.sampled_from([0.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324])


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=8),
    scale=st.none() | st.floats(0, 1e308),
)
def test_whatever_comes_is_measured_or_none(rows: list[tuple[float, ...]], scale: float | None) -> None:
    frame = pd.DataFrame(rows, columns=["load", 0.1, 0.5, 0.9], dtype=float)
    found = score(frame["load"], frame[[0.1, 0.5, 0.9]], seasonal_scale=scale)
    assert tuple(found) == METRICS
    assert found["n"] == sum(all(math.isfinite(value) for value in row) for row in rows)
    assert all(value is None or math.isfinite(value) for value in found.values())
    if found["n"] == 0:
        assert set(found.values()) == {0, None}


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
