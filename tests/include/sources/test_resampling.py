"""Values change their interval only as declared, and never from a part of one."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

import pandas as pd
import pytest

from include.errors import SourceError
from include.sources.resampling import resample
from tests.include.sources.frames import rows

HOURLY = {"town": pd.Timedelta("1h")}


def test_without_a_resolution_of_its_own_a_source_has_that_of_its_series() -> None:
    frame = rows("2026-01-01", [1.0, 2.0], every="5min")
    kept, notes = resample(frame, {}, resolutions=HOURLY)
    assert kept is frame
    assert notes == []


@pytest.mark.parametrize(("method", "expected"), [("mean", 2.5), ("sum", 10.0)])
def test_finer_values_become_a_coarser_one(method: str, expected: float) -> None:
    frame = rows("2026-01-01", [1.0, 2.0, 3.0, 4.0], every="15min")
    kept, notes = resample(frame, {"resolution": "PT15M", "resample": method}, resolutions=HOURLY)
    assert kept.to_dict("records") == [
        {"row": 2, "series": "town", "valid_time": pd.Timestamp("2026-01-01", tz="UTC"), "value": expected}
    ]
    assert notes == []


def test_an_interval_of_which_a_part_is_not_there_is_noted_and_not_stored() -> None:
    frame = rows("2026-01-01", [1.0] * 11, every="15min").drop(index=5)
    kept, notes = resample(frame, {"resolution": "PT15M", "resample": "mean"}, resolutions=HOURLY)
    assert kept["valid_time"].dt.hour.tolist() == [0]
    assert [(note.rule, note.count) for note in notes] == [("incomplete_interval", 2)]
    assert "town" in notes[0].message


@pytest.mark.parametrize("method", ["mean", "sum"])
def test_an_interval_with_a_missing_value_is_missing(method: str) -> None:
    frame = rows("2026-01-01", [1.0, nan, 3.0, 4.0], every="15min")
    kept, notes = resample(frame, {"resolution": "PT15M", "resample": method}, resolutions=HOURLY)
    assert isnan(kept["value"].item())
    assert notes == []


def test_a_value_off_the_grid_of_its_source_spoils_the_interval() -> None:
    stray = rows("2026-01-01 00:07", [99.0])
    frame = pd.concat([rows("2026-01-01", [1.0] * 4, every="15min"), stray])
    kept, notes = resample(frame, {"resolution": "PT15M", "resample": "mean"}, resolutions=HOURLY)
    assert kept.empty
    assert notes[0].count == 1


def test_a_coarser_value_is_repeated() -> None:
    kept, _ = resample(
        rows("2026-01-01", [1.0, nan]),
        {"resolution": "PT1H", "resample": "repeat"},
        resolutions={"town": pd.Timedelta("30min")},
    )
    assert kept["valid_time"].dt.strftime("%H:%M").tolist() == ["00:00", "00:30", "01:00", "01:30"]
    assert kept["row"].tolist() == [2, 2, 3, 3]
    assert kept["value"].tolist()[:2] == [1.0, 1.0]
    assert kept["value"].isna().tolist()[2:] == [True, True]


def test_the_days_of_a_clock_change_are_like_any_other() -> None:
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        begin, end = (pd.Timestamp(day, tz="Europe/Berlin") + pd.DateOffset(days=n) for n in (0, 1))
        times = pd.date_range(begin, end, freq="15min", inclusive="left").tz_convert("UTC").as_unit("ns")
        frame = pd.DataFrame({"row": range(len(times)), "series": "town", "valid_time": times, "value": 1.0})
        kept, notes = resample(frame, {"resolution": "PT15M", "resample": "sum"}, resolutions=HOURLY)
        assert kept["value"].tolist() == [4.0] * hours
        assert notes == []


def test_forecasts_are_resampled_within_their_issue() -> None:
    issues = [pd.Timestamp(f"2025-12-31T{hour}:00Z") for hour in ("00", "06")]
    frame = pd.concat(
        [
            rows("2026-01-01", [value, value + 2], every="30min").assign(issue_time=issue)
            for value, issue in zip((1.0, 5.0), issues, strict=True)
        ]
    )
    kept, _ = resample(frame, {"resolution": "PT30M", "resample": "mean"}, resolutions=HOURLY)
    assert kept["value"].tolist() == [2.0, 6.0]
    assert kept["issue_time"].tolist() == issues


def test_a_series_that_has_the_intervals_of_the_source_is_left_as_it_is() -> None:
    frame = pd.concat([rows("2026-01-01", [1.0], series=name) for name in ("town", "county")])
    kept, _ = resample(
        frame,
        {"resolution": "PT1H", "resample": "repeat"},
        resolutions={"town": pd.Timedelta("1h"), "county": pd.Timedelta("30min")},
    )
    assert kept["series"].tolist() == ["town", "county", "county"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"resample": "mean"}, "needs the resolution"),
        ({"resolution": "5 minutes"}, "resolution is '5 minutes'"),
        ({"resolution": "PT0S", "resample": "mean"}, "no length"),
        ({"resolution": "PT5M"}, "resample says how"),
        ({"resolution": "PT5M", "resample": "median"}, "'median'; it is one of mean, sum, repeat"),
        ({"resolution": "PT5M", "resample": "repeat"}, "repeat leads from coarser to finer"),
        ({"resolution": "PT2H", "resample": "sum"}, "sum leads from finer to coarser"),
        ({"resolution": "PT7M", "resample": "mean"}, "neither is a multiple"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        resample(rows("2026-01-01", [1.0]), options, resolutions=HOURLY)
