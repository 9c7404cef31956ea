"""Each step changes what it is for, leaves everything else as it was, and says which is which."""

import numpy as np
import pandas as pd
import pytest

from forecasting.preprocessing import preprocess
from tests.forecasting.conftest import make_demand

LONDON = {"timezone": "Europe/London", "country": "GB", "subdivision": "ENG"}
HOUR = pd.Timedelta("1h")


def one(step, **parameters):
    return {"name": "one", "steps": [{"step": step, **parameters}]}


def done(frame, step, **parameters):
    return preprocess(frame, one(step, **parameters), **LONDON)


def assert_same(prepared, frame):
    pd.testing.assert_frame_equal(prepared.values, frame, check_names=False)


def changed(prepared, column="load"):
    return np.flatnonzero(prepared.mask[column] != "").tolist()


# linear


def test_a_short_gap_becomes_the_line_between_its_sides_and_a_longer_one_stays():
    frame = make_demand(days=20)
    frame.iloc[100:102, 0] = np.nan
    frame.iloc[200:203, 0] = np.nan
    prepared = done(frame, "linear", up_to="2h")
    before, after = frame["load"].iloc[[99, 102]]
    np.testing.assert_allclose(
        prepared.values["load"].iloc[100:102], [before + (after - before) / 3, before + 2 * (after - before) / 3]
    )
    assert changed(prepared) == [100, 101]
    assert prepared.values["load"].iloc[200:203].isna().all()


@pytest.mark.parametrize("step", [("linear", {"up_to": "30d"}), ("neighbouring_weeks", {"up_to": "30d", "weeks": 4})])
def test_what_is_missing_at_either_end_is_never_invented(step):
    frame = make_demand(days=40)
    frame.iloc[:5, 0] = np.nan
    frame.iloc[-1:, 0] = np.nan
    late = frame.copy()
    late.iloc[-30:, 0] = np.nan
    for history in (frame, late):
        prepared = done(history, step[0], **step[1])
        assert_same(prepared, history)
        assert changed(prepared) == []


# neighbouring weeks


def test_a_longer_gap_gets_the_mean_of_the_weeks_beside_it_at_the_same_local_time():
    frame = make_demand(days=60)
    gap = slice(30 * 24, 31 * 24)
    frame.iloc[gap, 0] = np.nan
    prepared = done(frame, "neighbouring_weeks", up_to="24h", weeks=1)
    before, after = (frame["load"].to_numpy()[30 * 24 + way * 168 : 31 * 24 + way * 168] for way in (-1, 1))
    np.testing.assert_allclose(prepared.values["load"].iloc[gap], (before + after) / 2)
    assert changed(prepared) == list(range(30 * 24, 31 * 24))


def test_a_gap_beyond_the_limit_stays_whole_and_so_does_one_without_a_neighbour():
    frame = make_demand(days=60)
    frame.iloc[30 * 24 : 31 * 24 + 1, 0] = np.nan
    assert changed(done(frame, "neighbouring_weeks", up_to="24h", weeks=1)) == []
    frame = make_demand(days=60)
    for day in (16, 23, 30, 37, 44):
        frame.iloc[day * 24 : day * 24 + 3, 0] = np.nan
    for weeks, days in ((1, (16, 44)), (2, (16, 23, 37, 44)), (3, (16, 23, 30, 37, 44))):
        prepared = done(frame, "neighbouring_weeks", up_to="3h", weeks=weeks)
        assert changed(prepared) == [day * 24 + hour for day in days for hour in range(3)]


def wall_values(frame):
    """A load that is its own wall clock, so that the neighbour shows: weekday and hour."""
    local = frame.index.tz_convert("Europe/London")
    return frame.assign(load=100.0 * local.weekday + local.hour + 0.5)


def test_the_same_local_time_is_taken_across_a_change_of_the_clock():
    frame = wall_values(make_demand(start="2024-03-04", days=56))
    whole = frame.copy()
    spring = frame.index.get_indexer(pd.DatetimeIndex(["2024-04-02T05:00Z"]))[0]  # 6 o'clock in summer time
    frame.iloc[spring : spring + 12, 0] = np.nan
    prepared = done(frame, "neighbouring_weeks", up_to="12h", weeks=1)
    assert len(changed(prepared)) == 12
    assert_same(prepared, whole)


def test_the_hour_that_a_night_lacks_lends_nothing_and_is_lent_by_the_other_side():
    frame = wall_values(make_demand(start="2024-03-04", days=56))
    missing = frame.index.get_loc(pd.Timestamp("2024-03-24T01:00Z"))  # 1 o'clock, a week before the night without it
    frame.iloc[missing, 0] = np.nan
    prepared = done(frame, "neighbouring_weeks", up_to="1h", weeks=1)
    assert prepared.values["load"].iloc[missing] == 601.5, "from the 17th alone"


def test_both_hours_of_the_night_that_has_one_twice_get_that_hour():
    frame = wall_values(make_demand(start="2024-10-01", days=56))
    whole = frame.copy()
    twice = frame.index.get_loc(pd.Timestamp("2024-10-27T00:00Z"))
    frame.iloc[twice : twice + 2, 0] = np.nan
    prepared = done(frame, "neighbouring_weeks", up_to="2h", weeks=1)
    assert changed(prepared) == [twice, twice + 1]
    assert_same(prepared, whole)


def test_a_holiday_neither_lends_to_other_days_nor_borrows_from_them():
    frame = make_demand(start="2024-03-04", days=56)
    frame.loc["2024-04-01", "load"] = -5000.0  # Easter Monday in England
    frame.loc["2024-04-08 08:00", "load"] = np.nan
    prepared = done(frame, "neighbouring_weeks", up_to="1h", weeks=1)
    assert prepared.values.loc["2024-04-08 08:00", "load"] == frame.loc["2024-04-15 08:00", "load"]
    frame.loc["2024-04-01 08:00", "load"] = np.nan
    assert np.isnan(done(frame, "neighbouring_weeks", up_to="1h", weeks=1).values.loc["2024-04-01 08:00", "load"])


# flatline


def test_a_run_of_one_value_beyond_the_limit_becomes_a_gap_but_for_its_first():
    frame = make_demand(days=40)
    frame.iloc[300:313, 0] = 777.0
    frame.iloc[500:512, 0] = 888.0
    assert changed(done(frame, "flatline", longer_than="12h")) == list(range(301, 313))
    missing = frame.copy()
    missing.iloc[306, 0] = np.nan
    assert changed(done(missing, "flatline", longer_than="12h")) == [], "a gap breaks a run"


def test_zeros_have_a_limit_of_their_own_and_none_of_them_was_measured():
    frame = make_demand(days=40)
    frame.iloc[300:304, 0] = 0.0
    frame.iloc[400:403, 0] = 0.0
    assert changed(done(frame, "flatline", longer_than="12h", zeros_longer_than="3h")) == list(range(300, 304))
    assert changed(done(frame, "flatline", longer_than="12h")) == []


def test_a_building_that_is_off_every_weekend_is_no_dead_meter_unless_no_exception_is_made():
    frame = make_demand(days=70)
    off = frame.index.tz_convert("Europe/London").weekday >= 5
    frame.loc[off, "load"] = 0.0
    assert changed(preprocess(frame, "standard", **LONDON)) == []
    strict = done(frame, "flatline", longer_than="12h", zeros_longer_than="3h", at_most_share=None)
    assert len(changed(strict)) == off.sum()


# outliers


def test_a_wrong_unit_becomes_a_gap_and_a_heat_wave_a_holiday_and_a_change_of_the_clock_stay():
    frame = make_demand(start="2024-03-04", days=90)
    frame.loc["2024-05-20 10:00":"2024-05-22 20:00", "load"] *= 1.4
    frame.loc["2024-04-01", "load"] *= 0.8
    position = 40 * 24
    frame.iloc[position, 0] *= 1000
    assert changed(done(frame, "outliers")) == [position]


@pytest.mark.parametrize("position", [0, 1])
def test_each_of_two_equal_hours_is_judged_by_itself(position):
    frame = make_demand(start="2024-09-20", days=80)
    twice = frame.index.get_loc(pd.Timestamp("2024-10-27T00:00Z"))
    frame.iloc[twice + position, 0] *= 1000
    assert changed(done(frame, "outliers")) == [twice + position]


def test_a_time_is_compared_on_the_local_clock():
    """A sharp daily peak on the wall clock: on UTC's it would move by an hour in the middle of the history."""
    frame = make_demand(start="2024-03-04", days=56)
    local = frame.index.tz_convert("Europe/London")
    frame["load"] = np.where(local.hour == 6, 5000.0, 1000.0) + np.random.default_rng(1).normal(0, 5, len(frame))
    assert changed(done(frame, "outliers")) == []
    wrong = frame.index.get_loc(pd.Timestamp("2024-04-03T06:00Z"))  # 7 o'clock
    frame.iloc[wrong, 0] = 50_000.0
    assert changed(done(frame, "outliers")) == [wrong]


# other columns


def test_a_profile_of_ones_own_works_on_the_columns_that_it_names():
    frame = make_demand(days=20)
    frame.iloc[100:102] = np.nan
    prepared = done(frame, "linear", columns=["temperature"])
    assert (changed(prepared), changed(prepared, "temperature")) == ([], [100, 101])
