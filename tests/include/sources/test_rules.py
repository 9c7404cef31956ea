"""A value that breaks a rule goes to quarantine as it came, and costs none of the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pandas as pd
import pytest

from include.errors import SourceError
from include.sources.connector import BadRow
from include.sources.rules import columns_of, drop_repeats, duration, keep_rules, latest_time
from tests.include.sources.frames import column, rows


def raw(row: int) -> dict[str, Any]:
    return {"line": f"line {row}"}


def test_values_are_scaled_before_they_are_compared_with_their_bounds() -> None:
    frame = rows("2026-01-01", [1.0, 4.0, 9.0, nan])
    good, bad, _ = keep_rules(frame, columns=[column(scale=1000, minimum=2000, maximum=8000)], raw=raw)
    assert good["row"].tolist() == [3, 5]
    assert good["value"].iloc[0] == 4000
    assert [(each.row, each.rule, each.message) for each in bad] == [
        (2, "out_of_bounds", "town: 1000 is not between 2000 and 8000."),
        (4, "out_of_bounds", "town: 9000 is not between 2000 and 8000."),
    ]
    assert bad[0].raw == {"line": "line 2"}
    assert bad[0].as_dict()["values"] == [
        {"series": "town", "valid_time": "2026-01-01T00:00:00+00:00", "value": 1000.0}
    ]


def test_a_bad_row_of_a_forecast_says_when_it_was_issued() -> None:
    frame = rows("2026-01-01", [9.0]).assign(issue_time=pd.Timestamp("2025-12-31T06:00Z"))
    _, (bad,), _ = keep_rules(frame, columns=[column(maximum=8)], raw=raw)
    assert bad.as_dict()["values"][0]["issue_time"] == "2025-12-31T06:00:00+00:00"


def test_a_bad_row_can_be_sent_whatever_it_holds() -> None:
    odd = {"a": inf, "b": [nan, 10**400, 5], "c": {"\ud800": "\udfff"}, "d": True}
    sent = BadRow(0, odd, "not_a_number", "a\0b \ud800 is no number.").as_dict()
    assert sent["raw"] == {"a": "inf", "b": ["nan", "1" + "0" * 400, 5], "c": {"\\ud800": "\\udfff"}, "d": True}
    assert sent["message"] == "a\ufffdb \\ud800 is no number."
    json.dumps(sent, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("bounds", "says"), [({"minimum": 0}, "-1 is not at least 0"), ({"maximum": -5}, "-1 is not at most -5")]
)
def test_one_bound_is_enough(bounds: dict[str, float], says: str) -> None:
    _, bad, _ = keep_rules(rows("2026-01-01", [-1.0]), columns=[column(**bounds)], raw=raw)
    assert says in bad[0].message


def test_a_bound_itself_is_allowed() -> None:
    good, bad, _ = keep_rules(rows("2026-01-01", [0.0, 5.0]), columns=[column(minimum=0, maximum=5)], raw=raw)
    assert len(good) == 2
    assert bad == []


@pytest.mark.parametrize(("value", "scale"), [(inf, 1.0), (-inf, 1.0), (1e308, 1e10)])
def test_what_is_not_finite_is_no_value(value: float, scale: float) -> None:
    good, bad, _ = keep_rules(rows("2026-01-01", [value, 1.0]), columns=[column(scale=scale, maximum=1e300)], raw=raw)
    assert good["row"].tolist() == [3]
    assert [each.rule for each in bad] == ["not_finite"]
    assert bad[0].as_dict()["values"][0]["value"] is None


def test_a_value_for_later_than_the_clock_is_quarantined_and_a_missing_one_left_out() -> None:
    latest = latest_time({}, read_at=datetime(2026, 1, 1, 1, tzinfo=UTC))
    frame = rows("2026-01-01 01:00", [1.0, 2.0, 3.0, nan])
    good, bad, notes = keep_rules(frame, columns=[column()], raw=raw, latest=latest)
    assert good["value"].tolist() == [1.0, 2.0], "an hour ahead is the tolerance for clocks"
    assert [(each.row, each.rule) for each in bad] == [(4, "future_time")]
    assert "2026-01-01T03:00:00+00:00" in bad[0].message
    assert [(note.rule, note.count) for note in notes] == [("future_missing", 1)]


def test_forecasts_may_lie_ahead() -> None:
    latest = latest_time({"future_tolerance": "PT0S"}, read_at=datetime(2025, 1, 1, tzinfo=UTC))
    frame = rows("2026-01-01", [1.0])
    assert keep_rules(frame, columns=[column()], raw=raw, latest=latest, ahead={"town"})[1] == []
    issued = frame.assign(issue_time=pd.Timestamp("2025-12-31", tz="UTC"))
    assert keep_rules(issued, columns=[column()], raw=raw, latest=latest)[1] == []
    assert len(keep_rules(frame, columns=[column()], raw=raw, latest=latest)[1]) == 1


def test_a_row_with_two_bad_values_is_one_bad_row_and_its_third_value_stays() -> None:
    frame = pd.concat([rows("2026-01-01", [value], series=name) for name, value in (("a", -1), ("b", -2), ("c", 3))])
    columns = [column(name, minimum=0) for name in "abc"]
    good, bad, _ = keep_rules(frame, columns=columns, raw=raw)
    assert good["series"].tolist() == ["c"]
    assert [each.row for each in bad] == [2]
    assert [value["series"] for value in bad[0].as_dict()["values"]] == ["a", "b"]
    assert "a: -1" in bad[0].message
    assert "b: -2" in bad[0].message


def test_what_comes_without_lines_has_no_row_number() -> None:
    frame = rows("2026-01-01", [-1.0, -2.0])
    _, bad, _ = keep_rules(frame, columns=[column(minimum=0)], raw=raw, lines=False)
    assert [(each.row, each.raw["line"]) for each in bad] == [(0, "line 2"), (0, "line 3")]


def test_what_is_said_twice_in_the_same_words_is_kept_once() -> None:
    frame = pd.concat([rows("2026-01-01", [1.0, nan]), rows("2026-01-01", [1.0, nan])])
    good, bad, notes = drop_repeats(frame, raw=raw)
    assert good["value"].tolist()[:1] == [1.0]
    assert len(good) == 2
    assert bad == []
    assert [(note.rule, note.count) for note in notes] == [("repeated", 2)]


@pytest.mark.parametrize("other", [2.0, nan])
def test_what_contradicts_itself_is_bad_on_both_sides(other: float) -> None:
    second = rows("2026-01-01", [other]).assign(row=9)
    good, bad, _ = drop_repeats(pd.concat([rows("2026-01-01", [1.0, 5.0]), second]), raw=raw)
    assert good["value"].tolist() == [5.0]
    assert [(each.row, each.rule) for each in bad] == [(2, "contradiction"), (9, "contradiction")]
    assert bad[0].as_dict()["values"][0]["value"] == 1.0


def test_forecasts_of_different_issues_do_not_contradict_each_other() -> None:
    first, second = (
        rows("2026-01-02", [value]).assign(issue_time=pd.Timestamp(f"2026-01-01T{hour}:00Z"))
        for value, hour in ((1.0, "00"), (2.0, "06"))
    )
    good, bad, _ = drop_repeats(pd.concat([first, second]), raw=raw)
    assert len(good) == 2
    assert bad == []


def test_an_empty_frame_stays_empty() -> None:
    good, bad, notes = keep_rules(rows("2026-01-01", []), columns=[column(minimum=0)], raw=raw)
    assert (len(good), bad, notes) == (0, [], [])
    assert len(drop_repeats(good, raw=raw)[0]) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "no columns"),
        ({"columns": []}, "no columns"),
        ({"columns": ["town"]}, "'town' is no column"),
        ({"columns": [{"column": "load"}]}, "names no series"),
        ({"columns": [{"series": "town", "scale": 0}]}, "scale of town is 0"),
        ({"columns": [{"series": "town", "scale": "2"}]}, "scale of town is '2'"),
        ({"columns": [{"series": "town", "minimum": True}]}, "minimum of town is True"),
        ({"columns": [{"series": "town", "maximum": inf}]}, "maximum of town is inf"),
        ({"columns": [{"series": "town"}, {"series": "town"}]}, "Two of the columns feed the series 'town'"),
    ],
)
def test_columns_that_make_no_sense_are_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        columns_of(options)


def test_columns_are_read_with_their_defaults() -> None:
    (read,) = columns_of({"columns": [{"series": "town", "column": "load", "maximum": 9}]})
    assert (read.scale, read.minimum, read.maximum, read.stated["column"]) == (1.0, None, 9.0, "load")


@pytest.mark.parametrize("text", ["1h", "PT", 60, "P-1D", "-PT1H", ""])
def test_a_length_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(SourceError, match="future_tolerance"):
        duration({"future_tolerance": text}, "future_tolerance")
