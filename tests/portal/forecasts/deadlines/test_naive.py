"""The guard's own seasonal naive: the load of a week ago on the local clock, and the spread of its changes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from portal.forecasts.deadlines.naive import TooLittleKnown, seasonal_naive

STEP = 1_800_000_000
MELBOURNE = ZoneInfo("Australia/Melbourne")
Times = NDArray[np.int64]


def times(start: str, *, days: float) -> Times:
    begin = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()) * 1_000_000
    return begin + np.arange(int(days * 48), dtype=np.int64) * STEP


def by_local_hour(at: Times) -> NDArray[np.float64]:
    """1000 MW and 10 more for each hour that the clock in Melbourne shows."""
    walls = [datetime.fromtimestamp(each / 1e6, MELBOURNE) for each in at.tolist()]
    return np.array([1000.0 + 10 * wall.hour + wall.minute / 60 for wall in walls])


def forecast(known: Times, values: NDArray[np.float64], targets: Times, **facts: object) -> NDArray[np.float64]:
    settings = {"zone": MELBOURNE, "step_us": STEP, "levels": (0.1, 0.5, 0.9), "may_be_negative": False}
    return seasonal_naive(known, values, targets, **{**settings, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize("start", ["2014-06-01T00:00", "2014-07-12T00:00", "2014-01-12T00:00"])
def test_a_load_that_follows_the_local_clock_is_met_across_the_change_of_the_clock(start: str) -> None:
    """Of the last two starts, the twelve weeks reach over the change: in October forwards, in April backwards."""
    known = times(start, days=85)
    targets = times("2014-01-01T00:00", days=4) - times("2014-01-01T00:00", days=1)[0] + known[-1] + STEP
    found = forecast(known, by_local_hour(known), targets)
    np.testing.assert_allclose(found, np.repeat(by_local_hour(targets)[:, None], 3, axis=1))


def test_the_spread_is_that_of_the_changes_from_week_to_week() -> None:
    known = times("2014-06-01T00:00", days=98)
    noise = np.random.default_rng(1).normal(0.0, 50.0, known.size)
    found = forecast(known, 5000 + noise, known[-48:] + 48 * STEP)
    assert (np.diff(found, axis=1) >= 0).all()
    # Of the difference of two normal errors of 50 MW, 80 % lie within ±90.6 MW.
    assert np.diff(found[:, [0, 2]], axis=1).mean() == pytest.approx(2 * 90.6, rel=0.1)


def test_what_is_unknown_is_taken_from_the_week_before() -> None:
    known = times("2014-06-02T00:00", days=35)
    values = np.repeat(np.arange(5.0), 7 * 48) * 100 + 1000
    values[-7 * 48 :: 2] = np.nan
    found = forecast(known, values, known[-1] + STEP + np.arange(4) * STEP, levels=(0.5,))
    assert list(np.diff(found[:, 0])) == [100.0, -100.0, 100.0]


def test_a_load_is_not_forecast_below_zero_unless_it_may_be() -> None:
    known = times("2014-06-01T00:00", days=28)
    values = np.where(np.arange(known.size) // 336 % 2, 0.0, 50.0)
    targets = known[-48:] + 48 * STEP
    assert forecast(known, values, targets).min() == 0
    assert forecast(known, values, targets, may_be_negative=True).min() < 0


@pytest.mark.parametrize("days", [0, 3, 13.9])
def test_below_two_weeks_there_is_none(days: float) -> None:
    known = times("2014-06-01T00:00", days=days)
    with pytest.raises(TooLittleKnown, match="less than two weeks"):
        forecast(known, np.ones(known.size), times("2014-07-01T00:00", days=1))


def test_a_time_that_no_week_knows_is_named() -> None:
    known = times("2014-06-01T00:00", days=28)
    with pytest.raises(TooLittleKnown, match="before 2015-01-01T00:00:00Z is known"):
        forecast(known, np.ones(known.size), times("2015-01-01T00:00", days=1))


def test_the_spread_needs_two_weeks_in_a_row() -> None:
    known = times("2014-06-01T00:00", days=21)
    values = np.ones(known.size)
    values[7 * 48 : 14 * 48] = np.nan
    with pytest.raises(TooLittleKnown, match="no two weeks in a row"):
        forecast(known, values, known[-1] + STEP + np.arange(2) * STEP)
