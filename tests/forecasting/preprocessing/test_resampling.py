"""Whole intervals only from finer to coarser, repetition from coarser to finer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import SettingsError
from forecasting.preprocessing import preprocess, resample
from tests.forecasting.conftest import make_demand

HOUR = pd.Timedelta("1h")
QUARTERS = pd.DataFrame(
    {"load": np.arange(12.0), "rain": np.ones(12)},
    index=pd.date_range("2024-05-01T00:30", periods=12, freq="15min", tz="UTC", name="valid_time"),
)


def test_only_whole_intervals_become_coarser_ones():
    hourly = resample(QUARTERS, HOUR, how={"rain": "sum"})
    expected = pd.date_range("2024-05-01T01:00", periods=2, freq="1h", tz="UTC", name="valid_time")
    assert hourly.index.equals(expected)
    assert hourly["load"].tolist() == [3.5, 7.5]
    assert hourly["rain"].tolist() == [4.0, 4.0]
    missing = QUARTERS.copy()
    missing.iloc[3, 0] = np.nan
    for how in ("mean", "sum"):
        assert resample(missing, HOUR, how=how)["load"].isna().tolist() == [True, False]


def test_a_frame_without_a_whole_interval_becomes_none():
    assert len(resample(QUARTERS.iloc[:3], HOUR)) == 0


def test_a_coarser_value_holds_for_the_whole_of_its_interval():
    hourly = resample(QUARTERS, HOUR)
    finer = resample(hourly, pd.Timedelta("30min"), how="repeat")
    assert finer.index.equals(pd.date_range(hourly.index[0], periods=4, freq="30min", name="valid_time"))
    assert finer["load"].tolist() == [3.5, 3.5, 7.5, 7.5]


@pytest.mark.parametrize(
    ("to", "how", "words"),
    [
        ("40min", "mean", "no whole number of intervals"),
        ("1h", "repeat", "column 'load' goes by 'mean' or 'sum', not by 'repeat'"),
        ("5min", "mean", "column 'load' goes by 'repeat', not by 'mean'"),
        ("1h", "median", "how 'median' of column 'load' must be"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(to, how, words):
    with pytest.raises(SettingsError, match=words):
        resample(QUARTERS, pd.Timedelta(to), how=how)


@given(
    start=st.integers(0, 11),
    values=st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=2, max_size=60),
    parts=st.sampled_from([2, 3, 4, 6, 12]),
)
def test_a_mean_times_its_parts_is_the_sum_and_repeating_it_comes_back(start, values, parts):
    first = pd.Timestamp("2024-05-01", tz="UTC") + start * pd.Timedelta("5min")
    frame = pd.DataFrame({"load": values}, index=pd.date_range(first, periods=len(values), freq="5min"))
    to = parts * pd.Timedelta("5min")
    mean, total = resample(frame, to), resample(frame, to, how="sum")
    np.testing.assert_allclose(mean["load"] * parts, total["load"])
    grouped = frame["load"].groupby(frame.index.floor(to))
    whole = grouped.size() == parts
    expected = grouped.apply(lambda part: part.sum(skipna=False))[whole]
    np.testing.assert_allclose(total["load"], expected)
    assert list(total.index) == list(expected.index)
    if len(mean) > 1:
        again = resample(resample(mean, pd.Timedelta("5min"), how="repeat"), to)
        np.testing.assert_allclose(again["load"], mean["load"])


def test_a_profile_may_resample_and_its_mask_remembers_what_was_imputed_before():
    frame = make_demand(days=20, minutes=30)
    frame.iloc[101, 0] = np.nan
    steps = [{"step": "linear", "up_to": "1h"}, {"step": "resample", "to": "1h"}]
    prepared = preprocess(frame, {"name": "hourly", "steps": steps}, timezone="UTC")
    assert len(prepared.values) == 20 * 24
    assert prepared.mask["load"].value_counts().to_dict() == {"resample": 479, "linear": 1}
    assert prepared.mask["load"].iloc[50] == "linear"
    back = [*steps, {"step": "resample", "to": "30min", "how": "repeat"}]
    finer = preprocess(frame, {"name": "back", "steps": back}, timezone="UTC")
    assert finer.mask["load"].iloc[[100, 101]].tolist() == ["linear"] * 2
    assert finer.values.index.equals(frame.index)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "resample needs to"),
        ({"to": "2h"}, "resample: to 0 days 02:00:00 must divide the hour"),
        ({"to": "soon"}, "resample: to 'soon' is not a duration"),
        ({"to": "1h", "how": 3}, "resample: how 3 must be a rule"),
    ],
)
def test_a_resampling_that_no_model_takes_is_refused(parameters, words):
    with pytest.raises(SettingsError, match=words):
        preprocess(make_demand(days=20), {"name": "x", "steps": [{"step": "resample", **parameters}]}, timezone="UTC")
