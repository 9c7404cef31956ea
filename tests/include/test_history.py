"""Histories hold what was known at a time, on a regular grid, with every covariate at the load's resolution."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.errors import NothingKnown
from include.history import covariates, fingerprint, load_history
from include.portal import Portal
from portal.series.catalog import load_catalog
from tests.include.town import DAY, END, HALF_HOUR, START, catalog

NAN = float("nan")
HOUR = timedelta(hours=1)


@pytest.fixture
def series(portal: Portal) -> Callable[..., dict[str, Any]]:
    """The town with covariates (name, slug, resolution, weight), as the portal describes it."""

    def make(*others: tuple[str, str, str, float]) -> dict[str, Any]:
        load, weather = catalog()["series"]
        load["covariates"] = [{"name": name, "series": slug, "weight": weight} for name, slug, _, weight in others]
        stations = [{**weather, "slug": slug, "resolution": resolution} for _, slug, resolution, _ in others]
        load_catalog({"series": [load, *stations]})
        return portal.series("town")

    return make


@pytest.fixture
def tell(portal: Portal) -> Callable[..., None]:
    """Stores values from a start on at a step, known at `known_at`; None: no row."""

    def store(
        slug: str, *values: float | None, start: datetime = START, step: str = "30min", known_at: datetime = END
    ) -> None:
        times = pd.date_range(start, periods=len(values), freq=step)
        rows = pd.DataFrame({"series": slug, "valid_time": times, "value": values, "known_at": known_at})
        kept = rows[[value is not None for value in values]].astype({"value": "float64"})
        answer = portal.record_observations(kept, recorded_at=known_at)
        assert not answer["rejected"]

    return store


def on_load_grid(portal: Portal, series: dict[str, Any], name: str, *, periods: int = 4) -> list[float]:
    grid = pd.date_range(START, periods=periods, freq="30min", name="valid_time")
    found = covariates(portal, series, grid, as_of=END)[name]
    assert found.index.equals(grid)
    return list(found)


def test_gaps_are_rows_without_a_value_and_the_end_is_the_last_known_load(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series()
    tell("town", 1.0, None, NAN, 4.0, NAN, NAN)
    history = load_history(portal, town, as_of=END, days=60)
    np.testing.assert_array_equal(history["load"], [1.0, NAN, NAN, 4.0])
    assert history.index.equals(pd.date_range(START, periods=4, freq="30min", name="valid_time"))
    assert list(history.columns) == ["load"]


def test_a_history_is_that_of_its_as_of(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series(("temperature", "station", "PT30M", 1))
    tell("town", 1.0, 2.0, known_at=START + DAY)
    tell("station", 9.0, 9.5, known_at=START + DAY)
    tell("town", 1.5, known_at=START + 2 * DAY)  # a correction
    tell("town", 3.0, start=START + HOUR, known_at=START + 2 * DAY)  # late
    tell("station", 8.0, known_at=START + 2 * DAY)
    before = load_history(portal, town, as_of=START + 2 * DAY - HALF_HOUR, days=7)
    assert before.to_numpy().tolist() == [[1.0, 9.0], [2.0, 9.5]]
    after = load_history(portal, town, as_of=START + 2 * DAY, days=7)
    np.testing.assert_array_equal(after, [[1.5, 8.0], [2.0, 9.5], [3.0, NAN]])


def test_only_the_days_asked_for_are_in_it(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series()
    tell("town", *np.arange(10.0), start=END - 5 * DAY, step="12h")
    history = load_history(portal, town, as_of=END, days=2)
    assert history.index[0] == END - 2 * DAY
    assert list(history["load"].dropna()) == [6.0, 7.0, 8.0, 9.0]


def test_a_series_of_which_nothing_was_known_is_refused_by_name(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series()
    with pytest.raises(NothingKnown, match=r"Of town no load of the 7 days before 2024-08-05T14:00:00\+00:00"):
        load_history(portal, town, as_of=END, days=7)
    tell("town", NAN, NAN, start=END - DAY)
    with pytest.raises(NothingKnown):
        load_history(portal, town, as_of=END, days=7)


def test_a_coarser_covariate_holds_for_its_interval_and_no_longer(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series(("temperature", "station", "PT2H", 1))
    tell("station", 7.0, 8.0, None, 9.0, start=START - 2 * HOUR, step="2h")
    np.testing.assert_array_equal(
        on_load_grid(portal, town, "temperature", periods=13), [8.0] * 4 + [NAN] * 4 + [9.0] * 4 + [NAN]
    )
    grid = pd.date_range(START + HOUR, periods=2, freq="30min")
    known = covariates(portal, town, grid, as_of=END)["temperature"]
    assert list(known) == [8.0, 8.0], "its interval began before the grid"


def test_a_coarser_covariate_that_is_known_to_be_missing_is_not_filled_from_before(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series(("temperature", "station", "PT1H", 1))
    tell("station", 8.0, NAN, step="1h")
    np.testing.assert_array_equal(on_load_grid(portal, town, "temperature"), [8.0, 8.0, NAN, NAN])


def test_a_finer_covariate_is_averaged_over_the_interval(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series(("temperature", "station", "PT10M", 1))
    tell("station", 1.0, 2.0, 6.0, 4.0, NAN, None, NAN, NAN, NAN, 5.0, 5.0, 8.0, 99.0, step="10min")
    np.testing.assert_array_equal(on_load_grid(portal, town, "temperature"), [3.0, 4.0, NAN, 6.0])


def test_series_of_one_name_are_averaged_by_the_weights_of_those_that_are_known(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series(
        ("temperature", "north", "PT30M", 1), ("temperature", "south", "PT1H", 3), ("rain", "gauge", "PT30M", 5)
    )
    tell("north", 4.0, None, 4.0, NAN)
    tell("south", 8.0, step="1h")
    np.testing.assert_array_equal(on_load_grid(portal, town, "temperature"), [7.0, 8.0, 4.0, NAN])
    np.testing.assert_array_equal(on_load_grid(portal, town, "rain"), [NAN] * 4)


def test_a_covariate_ahead_is_what_was_known_of_it_at_as_of(
    portal: Portal, series: Callable[..., dict[str, Any]], tell: Callable[..., None]
) -> None:
    town = series(("temperature", "station", "PT30M", 1))
    tell("station", 9.0, 10.0, start=END, known_at=END - DAY)
    tell("station", 5.0, start=END, known_at=END + HALF_HOUR)
    grid = pd.date_range(END, periods=3, freq="30min")
    known = {at: covariates(portal, town, grid, as_of=at)["temperature"] for at in (END, END + HALF_HOUR)}
    np.testing.assert_array_equal(known[END], [9.0, 10.0, NAN])
    np.testing.assert_array_equal(known[END + HALF_HOUR], [5.0, 10.0, NAN])


def test_a_fingerprint_is_that_of_times_columns_and_values() -> None:
    index = pd.date_range(START, periods=3, freq="30min", name="valid_time")
    history = pd.DataFrame({"load": [1.0, NAN, 3.0], "temperature": [9.0, 8.0, 7.0]}, index=index)
    same = [
        history.copy(),
        history.set_index(index.as_unit("us")),
        history.assign(load=[1.0, np.uint64(0x7FF8000000000001).view("float64"), 3.0]),
    ]
    other = [
        history.assign(load=[1.0, NAN, 3.0000000000000004]),
        history.assign(load=[NAN, 1.0, 3.0]),
        history.set_index(index + HALF_HOUR),
        history.rename(columns={"temperature": "wind"}),
        history[["temperature", "load"]],
        history[["load"]],
        history.iloc[:2],
    ]
    assert {fingerprint(each) for each in same} == {fingerprint(history)}
    assert len({fingerprint(each) for each in [history, *other]}) == 1 + len(other)
