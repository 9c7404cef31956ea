"""Profiles: what is changed is told and can be taken back, what is told is JSON, and nothing looks beyond its reach."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import DataContractError, SettingsError
from forecasting.preprocessing import PROFILES, Profile, preprocess, profile_of_evidence
from tests.forecasting.conftest import make_demand

DATA = Path(__file__).parents[3] / "data"
LONDON = {"timezone": "Europe/London", "country": "GB", "subdivision": "ENG"}
BOUNDED = Profile.from_mapping(
    {
        "name": "bounded",
        "steps": [
            {"step": "flatline", "longer_than": "6h", "zeros_longer_than": "2h", "at_most_share": None},
            {"step": "linear", "up_to": "2h"},
            {"step": "neighbouring_weeks", "up_to": "30h", "weeks": 1},
        ],
    }
)
RUN = st.tuples(st.integers(0, 39 * 24), st.integers(1, 40), st.sampled_from([np.nan, np.nan, 0.0, 777.0, 1e6]))


def damaged(runs):
    """Six weeks over a change of the clock, with runs of what a meter may do."""
    frame = make_demand(start="2024-03-11", days=40).rename_axis("valid_time")
    for start, length, value in runs:
        frame.iloc[start : start + length, 0] = value
    return frame


def test_the_profiles_have_the_names_that_a_series_may_choose():
    assert list(PROFILES) == ["raw", "gaps", "standard"]
    assert PROFILES["raw"].steps == ()


@settings(max_examples=60, deadline=None)
@given(runs=st.lists(RUN, max_size=6), profile=st.sampled_from([*PROFILES.values(), BOUNDED]))
def test_a_value_is_changed_where_the_mask_says_so_and_nowhere_else(runs, profile):
    frame = damaged(runs)
    given_frame = frame.copy()
    prepared = preprocess(frame, profile, **LONDON)
    pd.testing.assert_frame_equal(frame, given_frame, check_freq=True)
    pd.testing.assert_frame_equal(prepared.raw, given_frame)
    same = (prepared.values == frame) | (prepared.values.isna() & frame.isna())
    changed = prepared.mask != ""
    assert changed.to_numpy()[~same.to_numpy()].all()
    np.testing.assert_array_equal(
        prepared.values.to_numpy()[~changed.to_numpy()], frame.to_numpy()[~changed.to_numpy()]
    )
    assert np.isfinite(prepared.values.to_numpy()[prepared.mask.isin(["linear", "neighbouring_weeks"])]).all()
    last = frame["load"].last_valid_index()
    if last is not None:
        assert prepared.values.loc[last:, "load"].iloc[1:].isna().all(), "nothing after the last known load"


@settings(max_examples=80, deadline=None)
@given(
    runs=st.lists(RUN, max_size=8),
    cut=st.integers(15 * 24, 40 * 24),
    profile=st.sampled_from([PROFILES["raw"], PROFILES["gaps"], BOUNDED]),
)
def test_a_history_cut_at_an_origin_becomes_what_the_whole_becomes_up_to_its_reach(runs, cut, profile):
    frame = damaged(runs)
    origin = frame.index[0] + cut * pd.Timedelta("1h")
    before = frame.loc[frame.index < origin]
    if not before["load"].notna().any():
        return
    whole, part = (preprocess(each, profile, **LONDON) for each in (frame, before))
    sure = before.index < origin - profile.reach
    pd.testing.assert_frame_equal(whole.values.loc[before.index][sure], part.values[sure], check_freq=False)
    pd.testing.assert_frame_equal(whole.mask.loc[before.index][sure], part.mask[sure], check_freq=False)


def test_what_looks_at_the_whole_history_says_so():
    assert PROFILES["standard"].reach is None
    assert PROFILES["raw"].reach == pd.Timedelta(0)
    assert PROFILES["gaps"].reach == pd.Timedelta("3h") + pd.Timedelta(days=22)


@pytest.mark.parametrize("profile", ["gaps", "standard"])
def test_the_gaps_of_a_series_are_filled_as_far_as_the_limits_go(profile):
    frame = damaged([(100, 2, np.nan), (300, 48, np.nan), (600, 49, np.nan), (955, 5, np.nan)])
    mask = preprocess(frame, profile, **LONDON).mask["load"]
    assert set(mask.iloc[100:102]) == {"linear"}
    assert set(mask.iloc[300:348]) == {"neighbouring_weeks"}
    assert set(mask.iloc[600:649]) == set(mask.iloc[955:]) == {""}


def test_the_standard_takes_out_what_no_meter_measured_and_fills_what_it_took_out():
    frame = damaged([(200, 1, 1e6), (300, 20, 777.0), (550, 5, 0.0)])
    prepared = preprocess(frame, "standard", **LONDON)
    assert prepared.values["load"].between(500, 1600).all()
    told = {step["step"]: step["changed"].get("load", {}).get("count", 0) for step in prepared.evidence()["steps"]}
    assert told == {"flatline": 24, "outliers": 1, "linear": 1, "neighbouring_weeks": 24}


def test_the_evidence_says_what_each_step_did_and_gives_the_profile_back():
    frame = damaged([(100, 2, np.nan), (300, 20, np.nan)])
    prepared = preprocess(frame, "gaps", **LONDON)
    evidence = json.loads(json.dumps(prepared.evidence(), allow_nan=False))
    assert (evidence["profile"], evidence["rows"]) == ("gaps", 960)
    linear, weeks = evidence["steps"]
    assert linear == {
        "step": "linear",
        "parameters": {"up_to": "2h", "columns": ["load"]},
        "changed": {
            "load": {
                "count": 2,
                "share": round(2 / 960, 6),
                "first": frame.index[100].isoformat(),
                "last": frame.index[101].isoformat(),
            }
        },
    }
    assert weeks["changed"]["load"]["count"] == 20
    assert profile_of_evidence(evidence) == PROFILES["gaps"]
    assert preprocess(frame, "raw", timezone="UTC").evidence() == {"profile": "raw", "rows": 960, "steps": []}


@pytest.mark.parametrize("profile", [*PROFILES.values(), BOUNDED])
def test_a_profile_is_json_and_comes_back(profile):
    assert Profile.from_mapping(json.loads(json.dumps(profile.to_dict()))) == profile


def test_the_raw_profile_gives_what_it_got_bit_for_bit_and_asks_nothing_of_it():
    frame = make_demand(days=2).astype("float32").iloc[::-1]
    prepared = preprocess(frame, timezone="UTC")
    pd.testing.assert_frame_equal(prepared.values, frame)
    prepared.values.iloc[0, 0] = 1.0
    pd.testing.assert_frame_equal(prepared.raw, frame)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("spotless", "no preprocessing profile is called 'spotless'; there are raw, gaps, standard"),
        (None, "no preprocessing profile is called None"),
        ({"steps": []}, "must have a name and steps"),
        ({"name": "", "steps": []}, "the name '' of a profile must be text"),
        ({"name": "x", "steps": "linear"}, "profile 'x': steps 'linear' must be a list"),
        ({"name": "x", "steps": ["linear"]}, "profile 'x', step 0: 'linear' must name its step"),
        ({"name": "x", "steps": [{"step": "magic"}]}, "profile 'x', step 0: there is no step 'magic'; there are"),
        ({"name": "x", "steps": [{"step": "linear", "upto": "3h"}]}, "linear has no parameter 'upto'; it has up_to"),
        ({"name": "x", "steps": [{"step": "linear", "up_to": 3}]}, "step 0: linear: up_to 3 is not a duration"),
        ({"name": "x", "steps": [{"step": "flatline", "longer_than": "-1h"}]}, "flatline: longer_than '-1h' must be"),
        ({"name": "x", "steps": [{"step": "flatline", "zeros_longer_than": "x"}]}, "zeros_longer_than 'x' is not"),
        ({"name": "x", "steps": [{"step": "flatline", "at_most_share": 2}]}, "at_most_share 2 must be above 0"),
        ({"name": "x", "steps": [{"step": "neighbouring_weeks", "weeks": 0}]}, "weeks 0 must be a whole number"),
        ({"name": "x", "steps": [{"step": "linear", "columns": "load"}]}, "columns 'load' must be a list of names"),
        ({"name": "x", "steps": [{"step": "linear", "columns": ["load", "load"]}]}, "each once"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_by_name(profile, words):
    with pytest.raises(SettingsError, match=words):
        preprocess(make_demand(days=20), profile, timezone="UTC")


def test_a_column_that_is_not_there_and_a_history_that_is_none_are_refused():
    wind = {"name": "x", "steps": [{"step": "linear", "columns": ["wind"]}]}
    with pytest.raises(DataContractError, match="history has no column 'wind', which the step linear works on"):
        preprocess(make_demand(days=20), wind, timezone="UTC")
    with pytest.raises(DataContractError, match="is earlier than the row before it"):
        preprocess(make_demand(days=20).iloc[::-1], "gaps", timezone="UTC")
    with pytest.raises(SettingsError, match="IANA"):
        preprocess(make_demand(days=20), "raw", timezone="Mars")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("victoria_2014.csv.gz", {"timezone": "Australia/Melbourne", "country": "AU", "subdivision": "VIC"}),
        ("england_wales_2000.csv.gz", LONDON),
    ],
)
def test_loads_that_were_really_metered_are_left_alone(name, place):
    """With the heat waves of Melbourne, Christmas, Easter and changes of the clock."""
    table = pd.read_csv(DATA / name, index_col="timestamp", parse_dates=True)
    history = table[["load_mw"]].rename(columns={"load_mw": "load"}).tz_convert("UTC").asfreq("30min")
    assert (preprocess(history, "standard", **place).mask == "").all(axis=None)
