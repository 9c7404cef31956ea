"""A zone is the weighted sum of its feeders, and says where it is not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import DataContractError, SettingsError
from forecasting.preprocessing import aggregate, aggregation

NAN = np.nan
INDEX = pd.date_range("2024-05-01", periods=4, freq="15min", tz="UTC", name="valid_time")
FEEDERS = pd.DataFrame(
    {"north": [1.0, 2.0, NAN, NAN], "south": [10.0, NAN, 30.0, NAN], "mill": [100.0, 200.0, 300.0, NAN]}, index=INDEX
)
WEIGHTS = {"north": 1, "south": 0.5, "mill": 2.5}


def test_a_zone_is_withheld_where_one_of_its_feeders_is_missing():
    zone = aggregate(FEEDERS, WEIGHTS, missing="withhold")
    np.testing.assert_array_equal(zone, [1 + 5 + 250, NAN, NAN, NAN])
    assert zone.index.equals(INDEX)
    assert zone.name == "load"


def test_a_zone_is_scaled_up_by_the_weights_of_the_feeders_that_are_known():
    zone = aggregate(FEEDERS, WEIGHTS, missing="scale_up")
    np.testing.assert_allclose(zone, [256, (2 + 500) * 4 / 3.5, (15 + 750) * 4 / 3, NAN])


def test_what_was_missing_is_kept_beside_the_load():
    found = aggregation(FEEDERS, WEIGHTS, missing="scale_up")
    pd.testing.assert_frame_equal(found.missing, FEEDERS.isna())
    np.testing.assert_allclose(found.known_share, [1, 3.5 / 4, 3 / 4, 0])


def test_a_feeder_that_is_fed_back_counts_negatively_unless_it_would_have_to_be_scaled_up():
    zone = aggregate(FEEDERS[["north", "mill"]], {"mill": 1, "north": -1})
    np.testing.assert_array_equal(zone, [99, 198, NAN, NAN])
    with pytest.raises(SettingsError, match="the weight -1 of feeder 'north' is negative"):
        aggregate(FEEDERS[["north", "mill"]], {"mill": 1, "north": -1}, missing="scale_up")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({}, "must map each feeder to a number"),
        ({**WEIGHTS, "mill": 0}, "the weight 0 of feeder 'mill'"),
        ({**WEIGHTS, "mill": "two"}, "the weight 'two' of feeder 'mill'"),
        ({**WEIGHTS, "mill": True}, "the weight True of feeder 'mill'"),
        ({**WEIGHTS, "mill": float("inf")}, "the weight inf of feeder 'mill'"),
        ({"north": 1, "south": 1}, r"the feeders \['mill'\] have no weight"),
        ({**WEIGHTS, "mine": 1}, r"weights of \['mine'\], but no such feeders"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(weights, words):
    with pytest.raises(SettingsError, match=words):
        aggregate(FEEDERS, weights)


def test_an_unknown_rule_and_bad_values_are_refused():
    with pytest.raises(SettingsError, match="missing 'guess' must be one of withhold, scale_up"):
        aggregate(FEEDERS, WEIGHTS, missing="guess")
    with pytest.raises(DataContractError, match=r"row 1 of feeder 'north' .*inf"):
        aggregate(FEEDERS.replace({"north": {2.0: np.inf}}), WEIGHTS)
    with pytest.raises(DataContractError, match=r"row 0 of feeder 'mill' .*: 'x'"):
        aggregate(FEEDERS.astype({"mill": object}).replace({"mill": {100.0: "x"}}), WEIGHTS)
    with pytest.raises(DataContractError, match="the column 'north' twice"):
        aggregate(pd.concat([FEEDERS, FEEDERS[["north"]]], axis=1), WEIGHTS)
    with pytest.raises(DataContractError, match="feeders are a Series"):
        aggregate(FEEDERS["north"], {"north": 1})


LOADS = st.lists(st.floats(0, 1e6) | st.just(NAN), min_size=3, max_size=3)


@given(
    rows=st.lists(LOADS, min_size=1, max_size=6),
    weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
    order=st.permutations([0, 1, 2]),
)
def test_the_order_of_the_feeders_and_the_rule_matter_only_where_one_is_missing(rows, weights, order):
    names = list(FEEDERS.columns)
    feeders = pd.DataFrame(rows, columns=names)
    factors = dict(zip(names, weights, strict=True))
    withheld, scaled = (aggregate(feeders, factors, missing=rule) for rule in ("withhold", "scale_up"))
    whole = feeders.notna().all(axis=1)
    np.testing.assert_array_equal(withheld[whole], scaled[whole])
    assert withheld[~whole].isna().all()
    assert scaled.notna().eq(feeders.notna().any(axis=1)).all()
    turned = feeders[[names[position] for position in order]]
    np.testing.assert_array_equal(aggregate(turned, factors, missing="scale_up"), scaled)
