"""Weights of an ensemble, from forecasts whose errors are in view."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.weighting import Weights, combined

HOURS = 48


def errors(*spreads: float, origins: int = 40, seed: int = 0) -> np.ndarray:
    """Independent errors of members in MW, (m, origins, 48)."""
    generator = np.random.default_rng(seed)
    return np.stack([generator.normal(0, spread, (origins, HOURS)) for spread in spreads])


def fit(paths: np.ndarray, *, shrinkage: float = 0.0, tolerance: float = 1e6) -> Weights:
    actual = np.zeros(paths.shape[1:])
    return Weights.fit(paths, actual, minutes=60, shrinkage=shrinkage, tolerance=tolerance)


def test_independent_errors_are_weighted_by_their_inverse_variance() -> None:
    shares = fit(errors(1.0, 2.0)).shares
    np.testing.assert_allclose(shares, [[0.8, 0.2]] * 3, atol=0.06)


def test_each_block_of_lead_time_has_weights_of_its_own_and_they_change_smoothly() -> None:
    paths = errors(1.0, 1.0)
    paths[0, :, :6] *= 10
    paths[1, :, 24:] *= 10
    weights = fit(paths)
    first = weights.at(np.arange(HOURS, dtype=float))[0]
    assert first[0] < 0.1
    assert first[-1] > 0.9
    assert (np.diff(first) >= 0).all()
    assert np.diff(first).max() < 0.1


def test_a_member_beyond_the_tolerance_gets_nothing_and_a_reserved_share_is_kept() -> None:
    weights = fit(errors(1.0, 1.1, 3.0), tolerance=1.2)
    assert (weights.shares[:, 2] == 0).all()
    reserved = weights.reserving(2, 0.25)
    np.testing.assert_allclose(reserved.shares[:, 2], 0.25)
    np.testing.assert_allclose(reserved.shares[:, :2], 0.75 * weights.shares[:, :2])


def test_shrinkage_draws_the_weights_towards_equal_ones() -> None:
    free, drawn = (fit(errors(1.0, 3.0), shrinkage=each).shares[0, 0] for each in (0.0, 10.0))
    assert 0.5 < drawn < 0.6 < free


@settings(max_examples=50, deadline=None)
@given(
    spreads=st.lists(st.floats(0, 1e6), min_size=1, max_size=5),
    origins=st.integers(1, 5),
    gap=st.floats(0, 1),
    shrinkage=st.floats(0, 10),
    tolerance=st.floats(1, 5),
    seed=st.integers(0, 99),
)
def test_weights_are_never_negative_and_sum_to_one(spreads, origins, gap, shrinkage, tolerance, seed) -> None:
    paths = errors(*spreads, origins=origins, seed=seed)
    actual = np.where(np.random.default_rng(seed).random(paths.shape[1:]) < gap, np.nan, 0.0)
    weights = Weights.fit(paths, actual, minutes=60, shrinkage=shrinkage, tolerance=tolerance)
    assert (weights.shares >= 0).all()
    np.testing.assert_allclose(weights.shares.sum(axis=1), 1.0)


def test_what_is_not_finite_leaves_its_weight_to_the_others() -> None:
    paths = np.array([[[1.0, np.nan, np.nan]], [[3.0, 3.0, np.inf]]])
    weights = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(combined(paths, weights, np.full((1, 3), 7.0)), [[2.0, 3.0, 7.0]])


def test_a_single_interval_of_horizon_is_enough() -> None:
    paths = errors(1.0, 2.0, origins=80)[:, :, :1]
    weights = Weights.fit(paths, np.zeros(paths.shape[1:]), minutes=60, shrinkage=0.0, tolerance=1e6)
    assert weights.at(np.array([0.0])).sum() == pytest.approx(1.0)
