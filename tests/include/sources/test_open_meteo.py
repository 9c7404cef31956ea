"""Weather, and what was forecast of it when, as the documented service answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from include.errors import SourceError, SourceUnavailable
from include.sources import open_meteo as connector
from include.sources.connector import Part
from tests.include.sources.meteo import Meteo, open_meteo
from tests.include.sources.requests import SECRET, request
from tests.include.wire import Answer, Wire

MELBOURNE = {"latitude": -37.81, "longitude": 144.96, "variable": "temperature_2m", "series": "melbourne"}
GEELONG = {"latitude": -38.15, "longitude": 144.36, "variable": "temperature_2m", "series": "geelong"}
SUN = {**MELBOURNE, "variable": "shortwave_radiation", "series": "melbourne-sun"}
NOW = "2026-01-10T06:20"


@pytest.fixture
def meteo(monkeypatch: pytest.MonkeyPatch) -> Meteo:
    """The service's content. It may be asked as often as one likes."""
    monkeypatch.setattr(connector, "SECONDS_BETWEEN", 0)
    return Meteo()


@pytest.fixture
def wire(meteo: Meteo) -> Iterator[Wire]:
    """The way to it."""
    with open_meteo(meteo) as wire:
        yield wire


def parts(wire: Wire, dataset: str, *columns: dict[str, Any], **facts: Any) -> list[Part]:
    options = {"dataset": dataset, "columns": list(columns or [MELBOURNE]), **facts.pop("options", {})}
    return list(connector.read(request(options, url=wire.url, **{"secret": "", "read_at": NOW, **facts})))


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_a_forecast_is_issued_at_the_minute_at_which_it_is_read(wire: Wire) -> None:
    (part,) = parts(wire, "forecast", start=None, end=None)
    assert list(part.rows.columns) == ["row", "series", "valid_time", "value", "issue_time"]
    assert set(part.rows["issue_time"]) == {pd.Timestamp("2026-01-10T06:20Z")}
    assert part.rows["valid_time"].min() == pd.Timestamp("2026-01-10T06:00Z"), "what is past is no forecast"
    assert part.rows["valid_time"].max() == pd.Timestamp("2026-01-25T23:00Z")
    assert part.rows["value"].iloc[0] == 9 * 24 + 6
    assert part.bad == []
    assert wire.seen[0].query["timeformat"] == "unixtime"


def test_a_forecast_keeps_to_the_period_that_is_asked_for(wire: Wire) -> None:
    (part,) = parts(wire, "forecast", start="2026-01-10T12:00", end="2026-01-11")
    assert len(part.rows) == 12


def test_hours_without_a_forecast_are_left_out(meteo: Meteo, wire: Wire) -> None:
    meteo.lacking = {unix("2026-01-10T12:00"), unix("2026-01-25T23:00")}
    (part,) = parts(wire, "forecast", start=None, end=None)
    assert len(part.rows) == 16 * 24 - 6 - 2
    assert part.rows["value"].notna().all()


def test_a_forecast_of_the_past_is_left_out_with_a_note_of_the_way_to_one(wire: Wire) -> None:
    """A backfill over scheduled sources meets it in every run: that is no fault of the source."""
    assert [each.notes for each in parts(wire, "forecast", as_of="2026-01-10T00:20")] == [[]]
    (part,) = parts(wire, "forecast", as_of="2026-01-10T00:19")
    (note,) = part.notes
    assert (len(part.rows), list(part.bad), note.rule) == (0, [], "past_forecast")
    assert "2026-01-10T00:19:00+00:00 cannot be had any more" in note.message
    assert "dataset previous_runs" in note.message
    assert len(wire.seen) == 1


def test_a_forecast_that_was_stored_is_not_read_again_by_the_same_run(wire: Wire) -> None:
    (part,) = parts(wire, "forecast")
    assert parts(wire, "forecast", position=part.position) == []


def test_forecasts_of_earlier_days_were_issued_so_many_days_before(wire: Wire) -> None:
    (part,) = parts(wire, "previous_runs", start="2026-01-05", end="2026-01-06")
    lead = part.rows["valid_time"] - part.rows["issue_time"]
    assert lead.value_counts().to_dict() == {pd.Timedelta("1D"): 24, pd.Timedelta("2D"): 24}
    firsts = part.rows[part.rows["valid_time"] == pd.Timestamp("2026-01-05", tz="UTC")].set_index("issue_time")
    assert firsts["value"].to_dict() == {
        pd.Timestamp("2026-01-04", tz="UTC"): 96.0 - 1000,
        pd.Timestamp("2026-01-03", tz="UTC"): 96.0 - 2000,
    }
    assert wire.seen[0].query["hourly"] == "temperature_2m_previous_day1,temperature_2m_previous_day2"


def test_the_days_before_can_be_chosen(wire: Wire) -> None:
    (part,) = parts(wire, "previous_runs", start="2026-01-05", end="2026-01-06", options={"previous_days": [3]})
    assert set(part.rows["valid_time"] - part.rows["issue_time"]) == {pd.Timedelta("3D")}


def test_no_forecast_is_issued_after_it_was_read(wire: Wire) -> None:
    (part,) = parts(wire, "previous_runs", start="2026-01-09", end="2026-01-20")
    assert part.rows["issue_time"].max() == pd.Timestamp("2026-01-10T06:00Z")
    assert part.rows["valid_time"].max() < pd.Timestamp("2026-01-12", tz="UTC")
    assert part.bad == []


def test_observations_have_no_issue_and_what_is_missing_is_missing(meteo: Meteo, wire: Wire) -> None:
    meteo.lacking = {unix("2026-01-05T03:00")}
    (part,) = parts(wire, "archive", start="2026-01-05", end="2026-01-06")
    assert "issue_time" not in part.rows
    assert len(part.rows) == 24
    assert part.rows["value"].isna().tolist().index(True) == 3


def test_observations_are_asked_for_up_to_the_clock(wire: Wire) -> None:
    (part,) = parts(wire, "archive", start="2026-01-09", end="2026-01-20")
    assert wire.seen[0].query["end_date"] == "2026-01-10"
    assert part.rows["valid_time"].max() == pd.Timestamp("2026-01-10T06:00Z")
    assert part.bad == [], "only days can be asked for, so what lies ahead today is no fault"


def test_months_are_parts_and_a_run_goes_on_behind_the_last_that_was_stored(wire: Wire) -> None:
    whole = parts(wire, "archive", start="2025-11-29", end="2026-01-02")
    assert [(part.file, len(part.rows)) for part in whole] == [("2025-11", 48), ("2025-12", 744), ("2026-01", 24)]
    assert [part.is_last_of_file for part in whole] == [False, True, False]
    rest = parts(wire, "archive", start="2025-11-29", end="2026-01-02", position=whole[1].position)
    assert [part.file for part in rest] == ["2026-01"]


def test_a_sum_or_mean_of_the_hour_before_belongs_to_that_hour(wire: Wire) -> None:
    first, second = parts(wire, "archive", SUN, start="2025-12-31", end="2026-01-02")
    assert first.rows["valid_time"].iloc[-1] == pd.Timestamp("2025-12-31T23:00Z")
    assert first.rows["value"].iloc[-1] == 0.0, "that of midnight"
    assert second.rows["valid_time"].iloc[0] == pd.Timestamp("2026-01-01T00:00Z")
    assert second.rows["value"].iloc[0] == 1.0
    assert len(first.rows) == len(second.rows) == 24


def test_several_places_are_asked_for_at_once(wire: Wire) -> None:
    (part,) = parts(wire, "archive", MELBOURNE, GEELONG, SUN, start="2026-01-05", end="2026-01-06")
    assert len(wire.seen) == 1
    assert wire.seen[0].query["latitude"] == "-37.81,-38.15"
    firsts = part.rows.groupby("series")["value"].first().to_dict()
    assert firsts == {"melbourne": 96.0, "geelong": 10096.0, "melbourne-sun": 97.0}


def test_many_places_take_several_requests(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "PLACES_PER_REQUEST", 2)
    columns = [{**MELBOURNE, "latitude": latitude, "series": f"at-{latitude}"} for latitude in range(5)]
    (part,) = parts(wire, "archive", *columns, start="2026-01-05", end="2026-01-06")
    assert len(wire.seen) == 3
    assert part.rows["series"].value_counts().to_dict() == {f"at-{latitude}": 24 for latitude in range(5)}


def test_bounds_and_resampling_count(wire: Wire) -> None:
    (part,) = parts(
        wire,
        "forecast",
        {**MELBOURNE, "maximum": 230},
        start="2026-01-10T06:00",
        end="2026-01-11",
        options={"resample": "repeat"},
        resolution=pd.Timedelta("30min"),
    )
    assert part.rows["value"].max() == 230
    assert part.rows["value"].tolist()[:2] == [222.0, 222.0]
    assert {bad.rule for bad in part.bad} == {"out_of_bounds"}
    assert part.bad[0].raw["variable"] == "temperature_2m"


def test_another_unit_than_the_variable_is_expected_in_is_refused(meteo: Meteo, wire: Wire) -> None:
    meteo.units["temperature_2m"] = "°F"
    with pytest.raises(SourceError, match="temperature_2m in '°F', not in '°C'; melbourne would get wrong values"):
        parts(wire, "archive")


@pytest.mark.parametrize(
    "changes",
    [
        {"utc_offset_seconds": 3600},
        {"hourly": {"time": [1]}},
        {"hourly": {"time": ["2026-01-01T00:00"], "temperature_2m": [1]}},
        {"hourly": {"time": [1, 2], "temperature_2m": [1]}},
        {"hourly": {"time": [10**30], "temperature_2m": [1]}},
        {"hourly": {"time": [10**15], "temperature_2m": [1]}},
        {"hourly": None},
    ],
)
def test_an_answer_of_another_form_is_none(meteo: Meteo, wire: Wire, changes: dict[str, Any]) -> None:
    meteo.changes = changes
    with pytest.raises(SourceUnavailable, match="Open-Meteo"):
        parts(wire, "archive")


def test_fewer_places_than_asked_for_are_not_taken_for_others(wire: Wire) -> None:
    wire.script(Answer(body=json.dumps([{}]).encode()))
    with pytest.raises(SourceUnavailable, match="for 1 places where 2 were asked for"):
        parts(wire, "archive", MELBOURNE, GEELONG)


def test_a_value_that_is_no_number_costs_none_of_the_others(meteo: Meteo, wire: Wire) -> None:
    times = [unix("2026-01-05T00:00"), unix("2026-01-05T01:00")]
    meteo.changes = {"hourly": {"time": times, "temperature_2m": ["warm", 20.5]}}
    (part,) = parts(wire, "archive", start="2026-01-05", end="2026-01-06")
    assert part.rows["value"].tolist() == [20.5]
    assert [(bad.rule, bad.raw["value"]) for bad in part.bad] == [("not_a_number", "warm")]


def test_a_refusal_is_told_in_the_words_of_the_service(meteo: Meteo, wire: Wire) -> None:
    meteo.today = date(2025, 1, 1)
    with pytest.raises(SourceError, match="400: Parameter 'end_date' is out of allowed range from 1940-01-01"):
        parts(wire, "archive")
    assert len(wire.seen) == 1


def test_the_limit_of_a_minute_is_waited_for_and_those_of_hours_and_days_are_left_to_the_next_try(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setitem(connector.Service.__init__.__kwdefaults__, "sleep", waited.append)
    wire.script(_limit("Minutely", "in one minute"))
    assert parts(wire, "archive")
    assert waited == [60.0]
    for limit, when in (("Hourly", "in the next hour"), ("Daily", "tomorrow")):
        wire.script(_limit(limit, when))
        with pytest.raises(SourceUnavailable, match=f"it said 429: {limit} API request limit exceeded"):
            parts(wire, "archive")
    assert waited == [60.0]


def test_a_customer_is_known_by_a_key_that_is_not_told(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    parts(wire, "archive", secret=SECRET)
    assert wire.seen[0].query["apikey"] == SECRET
    assert "0123456789" not in caplog.text
    parts(wire, "archive")
    assert "apikey" not in wire.seen[1].query


@pytest.mark.parametrize(
    ("dataset", "column", "options", "says"),
    [
        ("weather", {}, {}, "dataset is 'weather'; it is one of forecast, previous_runs, archive"),
        ("archive", {"latitude": 91}, {}, "latitude of melbourne is 91"),
        ("archive", {"longitude": None}, {}, "longitude of melbourne is None"),
        ("archive", {"variable": "humour"}, {}, "variable 'humour' is none that is known"),
        ("archive", {}, {"previous_days": [1]}, "belongs to the dataset previous_runs"),
        ("previous_runs", {}, {"previous_days": []}, r"previous_days is \[\]"),
        ("previous_runs", {}, {"previous_days": [0]}, "a list of days from 1 to 7"),
        ("previous_runs", {}, {"previous_days": [True]}, "a list of days from 1 to 7"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(
    wire: Wire, dataset: str, column: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        parts(wire, dataset, {**MELBOURNE, **column}, options=options)
    assert wire.seen == []


def _limit(which: str, when: str) -> Answer:
    reason = f"{which} API request limit exceeded. Please try again {when}."
    return Answer(429, json.dumps({"error": True, "reason": reason}).encode())
