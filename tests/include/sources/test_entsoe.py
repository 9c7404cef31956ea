"""Load of European areas through entsoe-py, as the documented platform answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from include.errors import SourceError, SourceUnavailable
from include.sources import entsoe
from include.sources.connector import COLUMNS, Part
from tests.include.sources.requests import request
from tests.include.sources.transparency import FRANCE, GERMANY, Platform, acknowledgement, open_platform, xml
from tests.include.wire import CUT, Answer, Wire

LOAD = {"area": "DE_LU", "type": "load", "series": "germany"}
FORECAST = {"area": "DE_LU", "type": "load_forecast", "series": "germany-day-ahead"}
QUARTER = pd.Timedelta("15min")


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The platform's content. It may be asked as often as one likes."""
    monkeypatch.setattr(entsoe, "SECONDS_BETWEEN", 0)
    return Platform()


@pytest.fixture
def wire(platform: Platform) -> Iterator[Wire]:
    """The way to it."""
    with open_platform(platform) as wire:
        yield wire


def parts(wire: Wire, *columns: dict[str, Any], **facts: Any) -> list[Part]:
    options = {"columns": list(columns or [LOAD]), **facts.pop("options", {})}
    return list(entsoe.read(request(options, url=wire.url, **facts)))


def test_hours_are_read_by_their_start(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2025-12-31T23:00", 60, [float(n) for n in range(30)])
    (part,) = parts(wire)
    assert list(part.rows.columns) == list(COLUMNS)
    assert part.rows["valid_time"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert str(part.rows["valid_time"].dtype) == "datetime64[ns, UTC]"
    assert part.rows["value"].tolist() == [float(n) for n in range(1, 25)]
    assert part.bad == []
    assert part.raw(2) == {
        "area": "DE_LU",
        "type": "load",
        "time": "2026-01-01 01:00:00+00:00",
        "value": 2.0,
    }


def test_points_that_are_left_out_of_a_curve_of_blocks_repeat_the_one_before(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 60, [5.0, None, None, 7.0, *[8.0] * 20])
    assert parts(wire)[0].rows["value"].tolist()[:5] == [5.0, 5.0, 5.0, 7.0, 8.0]


def test_points_that_are_left_out_of_a_curve_of_points_are_not_there(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 60, [5.0, None, 7.0], curve_type="A01")
    assert parts(wire)[0].rows["valid_time"].dt.hour.tolist() == [0, 2]


def test_quarter_hours_are_taken_as_declared(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 15, [float(n) for n in range(96)])
    assert len(parts(wire, resolution=QUARTER)[0].rows) == 96
    (part,) = parts(wire, options={"resample": "mean"})
    assert part.rows["value"].tolist()[:2] == [1.5, 5.5]
    with pytest.raises(SourceError, match="0:15:00, germany of 0 days 01:00:00: the option resample says how"):
        parts(wire)


def test_an_area_may_go_from_hours_to_quarter_hours(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 60, [1.0] * 24)
    platform.add(GERMANY, "A16", "2026-01-02T00:00", 60, [2.0] * 23)
    platform.add(GERMANY, "A16", "2026-01-02T23:00", 15, [3.0] * 100)
    (part,) = parts(wire, end="2026-01-04", options={"resample": "mean"})
    assert part.rows["value"].tolist() == [1.0] * 24 + [2.0] * 23 + [3.0] * 25
    assert part.notes == []


def test_a_quarter_hour_is_not_taken_for_an_hour_where_others_are_missing(platform: Platform, wire: Wire) -> None:
    gaps: list[float | None] = [1.0, 2.0, 3.0, 4.0, 5.0, None, None, None, 6.0, *[7.0] * 87]
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 15, gaps, curve_type="A01")
    (part,) = parts(wire, options={"resample": "mean"})
    assert pd.Timestamp("2026-01-01T01:00Z") not in set(part.rows["valid_time"])
    assert [(note.rule, note.count) for note in part.notes] == [("incomplete_interval", 1)]


def test_areas_and_types_feed_their_own_series(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 60, [1.0] * 24)
    platform.add(GERMANY, "A01", "2026-01-01T00:00", 60, [2.0] * 24)
    platform.add(FRANCE, "A16", "2026-01-01T00:00", 60, [3.0] * 24)
    (part,) = parts(wire, LOAD, FORECAST, {**LOAD, "area": "FR", "series": "france"})
    assert part.rows.groupby("series")["value"].first().to_dict() == {
        "germany": 1.0,
        "germany-day-ahead": 2.0,
        "france": 3.0,
    }


def test_a_forecast_may_lie_ahead_and_a_load_may_not(platform: Platform, wire: Wire) -> None:
    for process in ("A16", "A01"):
        platform.add(GERMANY, process, "2026-01-01T00:00", 60, [1.0] * 72)
    (part,) = parts(wire, LOAD, FORECAST, end=None, read_at="2026-01-01T04:00")
    assert part.rows["series"].value_counts().to_dict() == {"germany-day-ahead": 72, "germany": 6}
    assert {bad.rule for bad in part.bad} == {"future_time"}


def test_months_are_parts_and_a_run_goes_on_behind_the_last_that_was_stored(platform: Platform, wire: Wire) -> None:
    platform.add(GERMANY, "A16", "2025-12-01T00:00", 60, [float(n) for n in range(24 * 62)])
    whole = parts(wire, start="2025-12-01", end="2026-01-03")
    assert [(part.file, len(part.rows), part.is_last_of_file) for part in whole] == [
        ("2025-12", 744, True),
        ("2026-01", 48, False),
    ]
    assert whole[1].rows["value"].iloc[0] == 744.0
    rest = parts(wire, start="2025-12-01", end="2026-01-03", position=whole[0].position)
    assert [part.file for part in rest] == ["2026-01"]


@pytest.mark.parametrize("status", [200, 400])
def test_nothing_is_no_error_but_a_note(platform: Platform, wire: Wire, status: int) -> None:
    platform.nothing_is = status
    (part,) = parts(wire)
    assert part.rows.empty
    assert [note.message for note in part.notes] == ["DE_LU load: the platform has nothing for 2026-01."]
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        CUT,
        Answer(503),
        Answer(429, kind="text/html"),
        Answer(body=b"<html>Maintenance</html>", kind="text/html"),
        xml("<GL_MarketDocument><TimeSeries>"),
        Answer(body=b"<GL_MarketDocument/>", length=500, kind="text/xml"),
    ],
)
def test_what_may_pass_is_asked_for_again(platform: Platform, wire: Wire, trouble: Answer | str) -> None:
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 60, [1.0] * 24)
    wire.script(trouble, trouble)
    assert len(parts(wire)[0].rows) == 24
    wire.script(*[trouble] * 3)
    with pytest.raises(SourceUnavailable, match="gave no answer to GET /api of ENTSO-E in 3 attempts"):
        parts(wire)


@pytest.mark.parametrize(
    "document",
    [
        "<GL_MarketDocument></GL_MarketDocument>",
        "<GL_MarketDocument><TimeSeries><Period></Period></TimeSeries></GL_MarketDocument>",
    ],
)
def test_a_document_that_cannot_be_read_is_none(wire: Wire, document: str) -> None:
    wire.script(xml(document))
    with pytest.raises(SourceUnavailable, match="the document of DE_LU load cannot be read"):
        parts(wire)


def test_a_refusal_is_told_in_the_words_of_the_platform(wire: Wire) -> None:
    wire.script(acknowledgement(400, "Input parameter is not valid"))
    with pytest.raises(SourceError, match="refused the request with 400: Input parameter is not valid"):
        parts(wire)


def test_a_wrong_token_is_refused_and_no_token_is_told(
    platform: Platform, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform.add(GERMANY, "A16", "2026-01-01T00:00", 60, [1.0] * 24)
    parts(wire)
    assert "securityToken" in caplog.text, "entsoe-py tells its parameters"
    assert "0123456789" not in caplog.text
    with pytest.raises(SourceError, match="401: Unauthorized") as refused:
        parts(wire, secret="no-token-of-anybody")
    assert "no-token" not in caplog.text + str(refused.value)
    with pytest.raises(SourceError, match="needs a security token: the password"):
        parts(wire, secret="")


@pytest.mark.parametrize(
    ("column", "options", "says"),
    [
        ({**LOAD, "area": "ATLANTIS"}, {}, "'ATLANTIS', which entsoe-py does not know"),
        ({"type": "load", "series": "germany"}, {}, "'None', which entsoe-py does not know"),
        ({**LOAD, "type": "generation"}, {}, "type of germany is 'generation'; it is one of load, load_forecast"),
        (LOAD, {"resample": "sum"}, "gives power in MW"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(
    wire: Wire, column: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        parts(wire, column, options=options)
    assert wire.seen == []
