import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.contracts import validate_history
from forecasting.features import direct_features, recent_hours, weekly_baseline
from forecasting.grid import Grid, build_grid
from forecasting.sampling import pairs, sequences


def grid_of(frame: pd.DataFrame, timezone: str = "Europe/London") -> Grid:
    return build_grid(validate_history(frame), None, timezone=timezone, country="GB", subdivision=None)


@settings(max_examples=20, deadline=None)
@given(origin=st.integers(24 * 8, 24 * 40), lead=st.integers(0, 47), seed=st.integers(0, 9))
def test_no_load_or_weather_from_the_origin_on_enters_a_feature(
    demand: object, origin: int, lead: int, seed: int
) -> None:
    frame = demand(days=45)  # type: ignore[operator]
    other = frame.copy()
    other.iloc[origin:] = np.random.default_rng(seed).normal(0, 1e6, (len(frame) - origin, 2))
    found = []
    for one in (frame, other):
        grid, origins, targets = grid_of(one), np.array([origin]), np.array([origin + lead])
        baseline = weekly_baseline(grid, origins=origins, targets=targets)
        table = direct_features(grid, origins=origins, targets=targets, baseline=baseline)
        past = recent_hours(grid, origins=origins, hours=72)
        found.append(np.concatenate([baseline, table.to_numpy().ravel(), past.ravel()]))
    # Running sums over changed values differ in their last bits, hence not exactly equal.
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(
    ("start", "timezone"),
    [("2024-03-20", "Europe/London"), ("2024-10-15", "Europe/London"), ("2024-03-25", "Australia/Lord_Howe")],
)
def test_a_week_ago_means_the_same_time_on_the_wall(start: str, timezone: str) -> None:
    index = pd.date_range(start, periods=25 * 48, freq="30min", tz="UTC")
    wall = index.tz_convert(timezone)
    grid = grid_of(pd.DataFrame({"load": (wall.hour * 60 + wall.minute).astype(float)}, index=index), timezone)
    targets = np.arange(8 * 48, len(index))
    baseline = weekly_baseline(grid, origins=targets, targets=targets)
    different = np.flatnonzero(baseline != grid.load[targets])
    # Only times that the wall clock skips or repeats have no twin a week earlier.
    assert len(different) <= 2


def test_gaps_are_bridged_by_earlier_weeks_then_days_then_the_last_load() -> None:
    index = pd.date_range("2024-01-01", periods=21 * 24, freq="1h", tz="UTC")
    hours = np.arange(len(index), dtype=float)
    target = np.array([20 * 24])
    for gap, expected in (
        ((13 * 24, 13 * 24 + 1), 6 * 24.0),
        ((0, 19 * 24), 19 * 24.0),
        ((0, 20 * 24 - 2), 20 * 24 - 1.0),
    ):
        load = hours.copy()
        load[gap[0] : gap[1]] = np.nan
        grid = grid_of(pd.DataFrame({"load": load}, index=index), "UTC")
        assert weekly_baseline(grid, origins=target, targets=target)[0] == expected


def test_an_unknown_temperature_is_that_of_the_last_known_day() -> None:
    index = pd.date_range("2024-01-01", periods=10 * 24, freq="1h", tz="UTC")
    celsius = np.arange(240.0)
    celsius[200:] = np.nan
    grid = grid_of(pd.DataFrame({"load": 1.0, "temperature": celsius}, index=index), "UTC")
    np.testing.assert_array_equal(grid.covariates["temperature"][200:224], np.arange(176.0, 200.0))


@settings(max_examples=20, deadline=None)
@given(origin=st.integers(24 * 8, 24 * 30), lead=st.integers(0, 60), length=st.integers(1, 100))
def test_a_mean_of_unknown_weather_repeats_the_last_known_day(origin: int, lead: int, length: int) -> None:
    index = pd.date_range("2024-01-01", periods=35 * 24, freq="1h", tz="UTC")
    celsius = np.random.default_rng(0).normal(10, 5, len(index))
    celsius[::7] = np.nan
    grid = grid_of(pd.DataFrame({"load": 1.0, "temperature": celsius}, index=index), "UTC")
    at, target = np.array([origin]), np.array([origin + lead])
    known = grid.covariates["temperature"][:origin]
    path = np.concatenate([known, np.tile(known[-24:], 4)])
    found = grid.known_mean("temperature", target, at, length)[0]
    np.testing.assert_allclose(found, path[: origin + lead + 1][-length:].mean())
    np.testing.assert_allclose(grid.known_covariate("temperature", target, at)[0], path[origin + lead])


def test_weather_known_ahead_is_read_at_the_target(demand: object) -> None:
    frame = validate_history(demand(days=30))  # type: ignore[operator]
    settings = {"timezone": "Europe/London", "country": None, "subdivision": None, "known_future": ("temperature",)}
    grid = build_grid(frame.iloc[:600], frame.iloc[600:].drop(columns="load"), **settings)
    origins, targets = np.full(48, 600), np.arange(600, 648)
    celsius = frame["temperature"].to_numpy()
    np.testing.assert_array_equal(grid.known_covariate("temperature", targets, origins), celsius[600:648])
    mean = grid.known_mean("temperature", targets, origins, 24)
    np.testing.assert_allclose(mean, [celsius[end - 23 : end + 1].mean() for end in targets])


def test_training_pairs_cover_all_lead_times_and_never_look_ahead(demand: object) -> None:
    grid = grid_of(demand(days=40))  # type: ignore[operator]
    generator = np.random.default_rng(0)
    origins, targets = pairs(grid, start=168, end=960, horizon_steps=48, per_target=2, generator=generator)
    assert (origins <= targets).all()
    assert origins.min() >= 168
    assert set(targets - origins) == set(range(48))
    starts, ahead = sequences(
        grid, start=168, end=960, horizon_steps=48, most_origins=100, leads=8, generator=generator
    )
    assert ahead.shape == (100, 8)
    assert (ahead >= starts[:, None]).all()
    assert ahead.max() < 960
