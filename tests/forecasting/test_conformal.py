import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.conformal import LeadTimeCalibration

LEVELS = (0.1, 0.5, 0.9)


def rows(seed: int, number: int = 4000) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    lead = generator.uniform(0, 48, number)
    hour = generator.integers(0, 24, number)
    spread = (1 + lead / 12) * (1 + (hour > 12))
    return {
        "actual": 100 + generator.standard_normal(number) * spread,
        "predicted": np.full((number, 1), 100.0),
        "lead_hours": lead,
        "local_hour": hour,
    }


def test_intervals_cover_what_they_promise_at_every_lead_time() -> None:
    calibration = LeadTimeCalibration.fit(**rows(1), levels=LEVELS)
    fresh = rows(2)
    moved = calibration.apply(fresh["predicted"], lead_hours=fresh["lead_hours"], local_hour=fresh["local_hour"])
    inside = (fresh["actual"] >= moved[:, 0]) & (fresh["actual"] <= moved[:, 2])
    for start in (0, 6, 12, 24, 36):
        block = (fresh["lead_hours"] >= start) & (fresh["lead_hours"] < start + 12)
        assert 0.75 < inside[block].mean() < 0.86
    assert (
        np.ptp(moved[fresh["lead_hours"] > 36], axis=1).mean()
        > 2 * np.ptp(moved[fresh["lead_hours"] < 3], axis=1).mean()
    )


def test_around_a_point_both_sides_reach_as_far_whatever_side_the_errors_were_on() -> None:
    found = rows(4)
    leaning = {**found, "actual": found["actual"] + 5.0}
    shifts = LeadTimeCalibration.fit(**leaning, levels=LEVELS).shifts
    np.testing.assert_array_equal(shifts[:, 0], -shifts[:, 2])
    assert (shifts[:, 1] == 0).all()


def test_quantiles_of_a_models_own_are_moved_each_by_itself() -> None:
    found = rows(5)
    own = np.concatenate([found["predicted"] - 50.0, found["predicted"], found["predicted"] + 1.0], axis=1)
    calibration = LeadTimeCalibration.fit(**{**found, "predicted": own}, levels=LEVELS)
    fresh = rows(6)
    moved = calibration.apply(own, lead_hours=fresh["lead_hours"], local_hour=fresh["local_hour"])
    below, above = (fresh["actual"] < moved[:, 0]).mean(), (fresh["actual"] > moved[:, 2]).mean()
    assert 0.07 < below < 0.13
    assert 0.07 < above < 0.13


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), number=st.integers(0, 80), lead=st.floats(0, 400))
def test_quantiles_never_cross_whatever_was_learnt(seed: int, number: int, lead: float) -> None:
    calibration = LeadTimeCalibration.fit(**rows(seed, number), levels=LEVELS)
    crossed = np.array([[30.0, 20.0, 10.0]])
    moved = calibration.apply(crossed, lead_hours=np.array([lead]), local_hour=np.array([seed % 24]))
    assert np.isfinite(moved).all()
    assert (np.diff(moved, axis=1) >= 0).all()


def test_a_calibration_survives_json_bit_by_bit() -> None:
    calibration = LeadTimeCalibration.fit(**rows(3), levels=LEVELS)
    again = LeadTimeCalibration.from_json(calibration.to_json())
    assert again.to_json() == calibration.to_json()
    np.testing.assert_array_equal(again.shifts, calibration.shifts)
