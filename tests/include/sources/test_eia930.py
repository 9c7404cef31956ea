"""Hours of US balancing authorities, as the documented service answers them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from include.errors import SourceError, SourceUnavailable
from include.sources import eia930
from include.sources.connector import COLUMNS, Part
from include.sources.eia930 import read
from tests.include.sources.eia import Eia, open_eia, row
from tests.include.sources.requests import SECRET, request
from tests.include.wire import CUT, Answer, Wire

DEMAND = {"respondent": "ERCO", "type": "D", "series": "texas"}
FORECAST = {"respondent": "ERCO", "type": "DF", "series": "texas-day-ahead"}
COAST = {"respondent": "CISO", "type": "D", "series": "california"}


@pytest.fixture
def eia(monkeypatch: pytest.MonkeyPatch) -> Eia:
    """The service's content. It may be asked as often as one likes."""
    monkeypatch.setattr(eia930, "SECONDS_BETWEEN", 0)
    return Eia()


@pytest.fixture
def wire(eia: Eia) -> Iterator[Wire]:
    """The way to it."""
    with open_eia(eia) as wire:
        yield wire


def parts(wire: Wire, *columns: dict[str, Any], **facts: Any) -> list[Part]:
    options = {"columns": list(columns or [DEMAND]), **facts.pop("options", {})}
    return list(read(request(options, url=f"{wire.url}/v2/", **facts)))


def at(hour: int, day: int = 1) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


def test_a_period_names_the_end_of_its_hour(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2025-12-31T20", 40)
    (part,) = parts(wire)
    assert list(part.rows.columns) == list(COLUMNS)
    assert str(part.rows["valid_time"].dtype) == "datetime64[ns, UTC]"
    assert len(part.rows) == 24
    assert part.rows["valid_time"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert part.rows["value"].iloc[0] == 105.0, "that of the hour ending 01:00"
    assert part.rows["valid_time"].iloc[-1] == pd.Timestamp("2026-01-01T23:00Z")
    assert part.bad == []


def test_a_series_is_asked_for_by_its_respondent_and_type(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24, value=1)
    eia.add("ERCO", "DF", "2026-01-01T01", 24, value=2)
    eia.add("CISO", "D", "2026-01-01T01", 24, value=3)
    eia.add("CISO", "DF", "2026-01-01T01", 24, value=4)
    (part,) = parts(wire, DEMAND, FORECAST, COAST)
    firsts = part.rows.groupby("series")["value"].first().to_dict()
    assert firsts == {"texas": 1.0, "texas-day-ahead": 2.0, "california": 3.0}
    assert len(wire.seen) == 2, "one request for each type"
    assert part.bad == []


def test_long_answers_come_in_pages_and_every_row_is_counted(eia: Eia, wire: Wire) -> None:
    eia.page = 7
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    (part,) = parts(wire)
    assert part.rows["value"].tolist() == [100.0 + hour for hour in range(24)]
    assert [seen.query["offset"] for seen in wire.seen] == ["0", "7", "14", "21"]


def test_fewer_rows_than_the_service_says_that_it_has_are_not_taken_for_all(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 20)
    eia.hidden = 4
    with pytest.raises(SourceUnavailable, match="has 24 rows of type D in 2026-01, and gave 20"):
        parts(wire)


def test_each_month_is_a_part_and_a_run_goes_on_behind_the_last_that_was_stored(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2025-12-20T01", 24 * 60)
    whole = parts(wire, start="2025-12-25", end="2026-02-03")
    assert [part.file for part in whole] == ["2025-12", "2026-01", "2026-02"]
    assert [len(part.rows) for part in whole] == [7 * 24, 31 * 24, 2 * 24]
    assert [part.is_last_of_file for part in whole] == [False, True, False]
    assert [round(part.done or 0, 2) for part in whole] == [0.17, 0.95, 1.0]
    rest = parts(wire, start="2025-12-25", end="2026-02-03", position=whole[0].position)
    assert [part.file for part in rest] == ["2026-01", "2026-02"]
    assert parts(wire, start="2025-12-25", end="2026-02-03", position=whole[-1].position) == []


def test_the_month_that_is_not_over_is_whole_up_to_now(eia: Eia, wire: Wire) -> None:
    (part,) = parts(wire, end="2026-01-15", read_at="2026-01-15T06:00")
    assert part.is_last_of_file


def test_a_missing_value_is_missing_and_one_of_the_future_is_none(eia: Eia, wire: Wire) -> None:
    eia.rows = [row("ERCO", "D", at(hour), None if hour > 1 else 5) for hour in range(1, 24)]
    (part,) = parts(wire, read_at="2026-01-01T04:00")
    assert part.rows["value"].isna().tolist() == [False, True, True, True, True, True]
    assert [(note.rule, note.count) for note in part.notes] == [("future_missing", 17)]


def test_a_forecast_may_lie_ahead_and_a_demand_may_not(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    eia.add("ERCO", "DF", "2026-01-01T01", 24)
    (part,) = parts(wire, DEMAND, FORECAST, read_at="2026-01-01T04:00")
    assert part.rows["series"].value_counts().to_dict() == {"texas-day-ahead": 24, "texas": 6}
    assert {bad.rule for bad in part.bad} == {"future_time"}
    assert part.bad[0].raw["respondent"] == "ERCO"
    assert {bad.row for bad in part.bad} == {0}


def test_an_open_end_reaches_as_far_as_forecasts_do(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "DF", "2026-01-01T01", 72)
    (part,) = parts(wire, FORECAST, end=None, read_at="2026-01-01T04:00")
    assert part.rows["valid_time"].max() == pd.Timestamp("2026-01-03T23:00Z")


@pytest.mark.parametrize(
    ("faults", "rule"),
    [
        ({"value": "n/a"}, "not_a_number"),
        ({"value": "1e999"}, "not_a_number"),
        ({"value": [1]}, "not_a_number"),
        ({"value": True}, "not_a_number"),
        ({"period": "2026-01-01T5"}, "not_a_time"),
        ({"period": "2026-01-01T30"}, "not_a_time"),
        ({"period": "2026-01-01T05:00"}, "not_a_time"),
    ],
)
def test_a_wrong_row_is_kept_as_it_came_and_costs_none_of_the_others(
    eia: Eia, wire: Wire, faults: dict[str, Any], rule: str
) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    eia.rows[4] |= faults
    (part,) = parts(wire)
    assert len(part.rows) == 23
    (bad,) = part.bad
    assert (bad.row, bad.rule) == (0, rule)
    assert dict(bad.raw) == eia.rows[4]
    assert "texas" in bad.message


def test_what_was_not_asked_for_is_not_taken(wire: Wire) -> None:
    rows = [row("CISO", "D", at(5), 1), "nonsense"]
    wire.script(_answer(rows))
    (part,) = parts(wire)
    assert part.rows.empty
    assert [bad.rule for bad in part.bad] == ["not_asked_for", "not_asked_for"]
    assert part.bad[1].raw == {"row": "nonsense"}


def test_a_row_can_be_given_as_it_came(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    (part,) = parts(wire)
    last = part.rows.iloc[-1]
    assert part.raw(int(last["row"]))["period"] == "2026-01-02T00"


def test_rows_that_contradict_each_other_are_both_bad(eia: Eia, wire: Wire) -> None:
    eia.rows = [row("ERCO", "D", at(5), "1"), row("ERCO", "D", at(5), "2"), row("ERCO", "D", at(6), "3")]
    (part,) = parts(wire)
    assert part.rows["value"].tolist() == [3.0]
    assert [(bad.rule, bad.raw["value"]) for bad in part.bad] == [("contradiction", "1"), ("contradiction", "2")]


def test_bounds_and_scale_count(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    (part,) = parts(wire, {**DEMAND, "scale": 0.001, "maximum": 0.11})
    assert part.rows["value"].max() == pytest.approx(0.11)
    assert {bad.rule for bad in part.bad} == {"out_of_bounds"}


def test_hours_become_half_hours_as_declared(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    (part,) = parts(wire, options={"resample": "repeat"}, resolution=pd.Timedelta("30min"))
    assert part.rows["value"].tolist()[:4] == [100.0, 100.0, 101.0, 101.0]
    assert len(part.rows) == 48


def test_hours_are_not_taken_for_half_hours(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    with pytest.raises(SourceError, match="intervals of 0 days 01:00:00, texas of 0 days 00:30:00"):
        parts(wire, resolution=pd.Timedelta("30min"))


def test_a_respondent_that_the_service_does_not_know_is_noted(wire: Wire) -> None:
    (part,) = parts(wire)
    assert part.rows.empty
    assert [note.message for note in part.notes] == ["ERCO D: the service has nothing for 2026-01."]


def test_a_suspended_key_is_waited_for(eia: Eia, wire: Wire) -> None:
    eia.add("ERCO", "D", "2026-01-01T01", 24)
    wire.script(Answer(403, b'{"error": "Too many requests from this key."}'), Answer(429), CUT)
    with pytest.raises(SourceUnavailable, match="3 attempts"):
        parts(wire)
    wire.script(Answer(403, b"Suspended", kind="text/plain"))
    assert len(parts(wire)[0].rows) == 24


def test_a_wrong_key_is_refused_and_not_told(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SourceError, match="403: API_KEY_INVALID: Get one at the register") as refused:
        parts(wire, secret="not-the-right-key-at-all")
    assert len(wire.seen) == 1
    assert "not-the-right" not in str(refused.value) + caplog.text
    with pytest.raises(SourceError, match="needs an API key: the password"):
        parts(wire, secret="")


def test_the_key_is_not_told_while_all_is_well(eia: Eia, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    parts(wire)
    assert SECRET not in caplog.text
    assert "0123456789" not in caplog.text


@pytest.mark.parametrize("document", [b"[]", b"{}", b'{"response": {"data": []}}', b'{"response": {"total": 1}}', b"7"])
def test_an_answer_of_another_form_is_none(wire: Wire, document: bytes) -> None:
    wire.script(Answer(body=document))
    with pytest.raises(SourceUnavailable, match="without data and total"):
        parts(wire)


def test_another_unit_is_refused(eia: Eia, wire: Wire) -> None:
    eia.rows = [row("ERCO", "D", at(5), "1") | {"value-units": "gigawatthours"}]
    with pytest.raises(SourceError, match="texas in gigawatthours, not in megawatthours"):
        parts(wire)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({**DEMAND, "type": "X"}, "type of D, DF, NG, TI"),
        ({**DEMAND, "respondent": ""}, "needs a respondent"),
        ({"series": "texas"}, "it has None and None"),
    ],
)
def test_options_that_name_nothing_are_refused(wire: Wire, column: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        parts(wire, column)
    with pytest.raises(SourceError, match="Two of the columns read ERCO D"):
        parts(wire, DEMAND, {**DEMAND, "series": "again"})
    with pytest.raises(SourceError, match="some-source cannot be read without a start; give the run one"):
        parts(wire, start=None)


def _answer(rows: list[Any]) -> Answer:
    return Answer(body=json.dumps({"response": {"total": len(rows), "data": rows}}).encode())
