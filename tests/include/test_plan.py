"""Which series or sources a run works on, in which batches, and as of when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from include.plan import NoEvent, NotALoad, plan_series, plan_sources
from include.portal import NotFound
from include.run import Run
from include.settings import Settings
from include.times import TimeUnclear
from portal.series.catalog import load_catalog
from tests.include.town import DAY, END, START, catalog


@pytest.fixture(autouse=True)
def _region(token: str) -> None:
    """The town with its weather, three villages with the same weather, and an unscheduled mine without any."""
    (load, weather), (source,) = catalog()["series"], catalog()["sources"]
    villages = [{**load, "slug": f"village-{n}"} for n in (2, 1, 3)]
    mine = {**load, "slug": "mine", "covariates": [], "scheduled": False}
    sources = [
        {**source, "slug": "archive", "scheduled": False},
        {**source, "slug": "broken", "enabled": False},
        {**source, "slug": "station", "feeds": "weather", "options": weather_only(source)},
        source,
    ]
    load_catalog({"series": [load, weather, *villages, mine], "sources": sources})


def weather_only(source: dict[str, Any]) -> dict[str, Any]:
    """The options of the source without its load."""
    columns = [each for each in source["options"]["columns"] if each["series"] != "town"]
    return {**source["options"], "columns": columns}


def event(*slugs: str, as_of: Any = END) -> dict[str, Any]:
    return {"series": list(slugs), "as_of": as_of if isinstance(as_of, str) else as_of.isoformat()}


def test_a_scheduled_run_takes_the_scheduled_loads(new_run: Callable[..., Run]) -> None:
    assert plan_series(new_run()) == [
        {"series": ["town", "village-1", "village-2", "village-3"], "as_of": END.isoformat()}
    ]


def test_the_series_of_the_params_are_taken_each_once_and_whatever_the_events_say(new_run: Callable[..., Run]) -> None:
    run = new_run(params={"series": ["village-1", "mine", "village-1"]}, events=[event("town", as_of=END + DAY)])
    assert plan_series(run) == [{"series": ["mine", "village-1"], "as_of": END.isoformat()}]


def test_a_series_that_is_no_load_is_refused_by_name(new_run: Callable[..., Run]) -> None:
    with pytest.raises(NotALoad, match="town-temperature is a temperature, not a load"):
        plan_series(new_run(params={"series": ["town", "town-temperature"]}))
    with pytest.raises(NotFound, match="series/nowhere/"):
        plan_series(new_run(params={"series": ["nowhere"]}))


def test_events_take_the_loads_that_they_are_about_scheduled_or_not(new_run: Callable[..., Run]) -> None:
    run = new_run(events=[event("mine"), event("village-3")])
    assert plan_series(run) == [{"series": ["mine", "village-3"], "as_of": END.isoformat()}]


def test_an_event_about_a_covariate_touches_the_loads_that_use_it(new_run: Callable[..., Run]) -> None:
    (batch,) = plan_series(new_run(events=[event("town-temperature")]))
    assert batch["series"] == ["town", "village-1", "village-2", "village-3"]


def test_a_load_is_taken_as_of_the_newest_event_about_it_or_its_covariates(new_run: Callable[..., Run]) -> None:
    events = [
        event("town", as_of=END + DAY),
        event("town", "mine", as_of=END - DAY),
        event("town-temperature", as_of="2024-08-06T00:00:00+10:00"),
    ]
    assert plan_series(new_run(as_of=START, events=events)) == [
        {"series": ["mine"], "as_of": (END - DAY).isoformat()},
        {"series": ["village-1", "village-2", "village-3"], "as_of": END.isoformat()},
        {"series": ["town"], "as_of": (END + DAY).isoformat()},
    ]


def test_a_training_takes_the_loads_of_the_event_alone_each_as_of_its_own_time(new_run: Callable[..., Run]) -> None:
    times = {"town": END.isoformat(), "mine": (END - DAY).isoformat()}
    drift = {**event("mine", "town", "town-temperature"), "as_of_by_series": times}
    assert plan_series(new_run(as_of=START, events=[drift]), covariates=False) == [
        {"series": ["mine"], "as_of": (END - DAY).isoformat()},
        {"series": ["town"], "as_of": END.isoformat()},
    ]


def test_events_about_nothing_known_give_no_batch(new_run: Callable[..., Run]) -> None:
    assert plan_series(new_run(events=[event("gone"), event()])) == []


@pytest.mark.parametrize("extra", [{}, {"series": "town", "as_of": END.isoformat()}, {"series": ["town"]}])
def test_an_event_that_somebody_made_by_hand_is_refused_in_words(
    new_run: Callable[..., Run], extra: dict[str, Any]
) -> None:
    with pytest.raises(NoEvent, match="trigger this DAG with the series instead"):
        plan_series(new_run(events=[extra]))


def test_an_event_without_a_clear_time_is_refused(new_run: Callable[..., Run]) -> None:
    with pytest.raises(TimeUnclear, match="as_of of the asset event"):
        plan_series(new_run(events=[event("town", as_of="2024-08-06")]))


def test_batches_are_no_larger_than_the_setting(new_run: Callable[..., Run], options: Settings) -> None:
    batches = plan_series(new_run(settings=options.model_copy(update={"batch_size": 3})))
    assert [batch["series"] for batch in batches] == [["town", "village-1", "village-2"], ["village-3"]]
    assert json.loads(json.dumps(batches)) == batches, "batches cross XCom"


def test_sources_are_planned_in_batches(new_run: Callable[..., Run], options: Settings) -> None:
    facts = {"as_of": END.isoformat(), "start": None, "end": None}
    assert plan_sources(new_run(), feeds="demand") == [{"sources": ["town-file"], **facts}]
    named = ["town-file", "archive", "town-file", "broken"]
    run = new_run(params={"sources": named, "start": None, "end": END.isoformat()})
    facts["end"] = END.isoformat()
    assert plan_sources(run, feeds="demand") == [{"sources": ["town-file", "archive", "broken"], **facts}]
    small = new_run(params=run.params, settings=options.model_copy(update={"source_batch_size": 2}))
    assert plan_sources(small, feeds="demand") == [
        {"sources": ["town-file", "archive"], **facts},
        {"sources": ["broken"], **facts},
    ]
    with pytest.raises(NotFound, match="sources/nowhere/"):
        plan_sources(new_run(params={"sources": ["nowhere"]}), feeds="demand")


def test_weather_is_planned_apart_from_demand(new_run: Callable[..., Run]) -> None:
    assert [batch["sources"] for batch in plan_sources(new_run(), feeds="weather")] == [["station"]]


def test_a_scheduled_ingest_looks_back_from_its_interval_unless_told_where_to_start(
    new_run: Callable[..., Run], options: Settings
) -> None:
    settings = options.model_copy(update={"ingest_days": 3})
    (batch,) = plan_sources(new_run(interval_start=END - DAY, settings=settings), feeds="demand")
    assert batch["start"] == (END - timedelta(days=4)).isoformat()
    told = {"start": START.isoformat()}
    (batch,) = plan_sources(new_run(interval_start=END - DAY, settings=settings, params=told), feeds="demand")
    assert batch["start"] == START.isoformat()
