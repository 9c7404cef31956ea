"""What counts as implausible: wrong units, lost digits and frozen meters; never what a load really does."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.cleaning import implausible

DATA = Path(__file__).parents[2] / "data"
DAY = 24


def loads(days: int, *, seed: int = 0) -> np.ndarray:
    """Hourly MW: a day, a weekend, a season and noise."""
    hours = np.arange(days * DAY)
    weekend = (hours // DAY) % 7 >= 5
    season = 100 * np.sin(2 * np.pi * hours / (365 * DAY))
    noise = np.random.default_rng(seed).normal(0, 15, len(hours))
    return 1000 + 200 * np.sin(2 * np.pi * hours / DAY) - 150 * weekend + season + noise


def marked(load: np.ndarray, *, steps_per_day: int = DAY) -> list[int]:
    return np.flatnonzero(implausible(load, steps_per_day=steps_per_day)).tolist()


@pytest.mark.parametrize("days", [8, 14, 20, 35, 91, 400])
@pytest.mark.parametrize("factor", [1000.0, -1.0, 0.0, 1e-3])
@pytest.mark.parametrize("place", ["middle", "last"])
def test_a_wrong_unit_a_wrong_sign_or_a_lost_load_is_marked_and_nothing_else(days, factor, place):
    load = loads(days)
    position = len(load) - 1 if place == "last" else len(load) // 2
    load[position] *= factor
    assert marked(load) == [position]


@pytest.mark.parametrize("name", ["victoria_2014.csv.gz", "england_wales_2000.csv.gz"])
@pytest.mark.parametrize("days", [14, 30, 91, None])
def test_no_load_that_was_really_metered_is_marked(name, days):
    """With the heat waves of Melbourne, Christmas, New Year and Easter, seen from every week's end as today."""
    load = pd.read_csv(DATA / name, index_col="timestamp")["load_mw"].to_numpy()
    ends = range(len(load), 91 * 48, -7 * 48) if days else [len(load)]
    for end in ends:
        start = end - days * 48 if days else 0
        assert marked(load[start:end], steps_per_day=48) == []


def test_a_heat_wave_of_half_as_much_again_is_not_marked():
    load = loads(365)
    for day in (40, 41, 42, 200, 201):
        load[day * DAY + 10 : day * DAY + 20] *= 1.5
    assert marked(load) == []


def test_a_building_that_is_off_every_weekend_is_not_marked():
    load = loads(120)
    load[(np.arange(len(load)) // DAY) % 7 >= 5] = 0.0
    assert marked(load) == []


def test_a_holiday_of_a_building_that_is_off_every_weekend_is_not_marked():
    load = loads(120)
    off = (np.arange(len(load)) // DAY) % 7 >= 5
    off[60 * DAY : 61 * DAY] = True
    load[off] = np.random.default_rng(1).normal(20.0, 2.0, int(off.sum()))
    assert marked(load) == []


def test_a_spiky_feeder_is_not_marked():
    generator = np.random.default_rng(2)
    load = 5 + generator.exponential(2.0, 90 * DAY)
    load[generator.random(len(load)) < 0.06] *= 4
    assert len(marked(load)) < 0.001 * len(load)


def test_net_load_that_passes_zero_every_noon_is_not_marked():
    load = loads(90)
    hours = np.arange(len(load))
    sun = np.clip(np.sin(2 * np.pi * (hours % DAY - 6) / DAY), 0, None)
    load = load - 1400 * sun * np.random.default_rng(3).uniform(0.3, 1.0, 91)[hours // DAY]
    assert (load < 0).any()
    assert marked(load) == []


@pytest.mark.parametrize("factor", [10.0, 0.1, 2.5])
def test_a_change_of_unit_or_level_is_marked_for_some_days_and_accepted_after_three_weeks(factor):
    load = loads(730)
    load[-21 * DAY :] *= factor
    assert not implausible(load, steps_per_day=DAY)[-7 * DAY :].any()
    assert implausible(load[: -20 * DAY], steps_per_day=DAY)[-DAY:].mean() > 0.5


def test_a_level_that_came_months_ago_is_not_marked_at_all():
    load = loads(365)
    load[-100 * DAY :] *= 10.0
    assert marked(load) == []


def test_a_meter_that_stands_still_for_half_a_day_is_marked_but_for_its_first_load():
    load = loads(60)
    load[500:512] = load[500]
    load[900:911] = load[900]
    assert marked(load) == list(range(501, 512))


def test_a_load_that_often_stands_still_is_no_frozen_meter():
    assert marked(np.full(60 * DAY, 750.0)) == []
    night = loads(60)
    night[np.arange(len(night)) % DAY < 12] = 400.0
    assert marked(night) == []


@pytest.mark.parametrize("load", [[], [np.nan] * 300, [5.0], [np.nan, 5.0, np.nan], [0.0] * 400])
def test_little_or_nothing_known_is_not_marked(load):
    assert marked(np.array(load, dtype=float)) == []
