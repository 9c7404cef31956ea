"""A zone is the weighted sum of what was known of its feeders."""

from __future__ import annotations

from datetime import datetime
from math import nan
from typing import Any

import pandas as pd
import pytest

from include.errors import LibraryRefused, SourceError
from include.sources import aggregate
from include.sources.connector import COLUMNS, Part
from tests.include.sources.requests import HOUR, request

FEEDERS = [{"series": "north", "weight": 1}, {"series": "south", "weight": 0.5}]
ZONE = {"series": "zone", "feeders": FEEDERS}


class Stored:
    """Observations as they were known, by series; remembers what was asked for."""

    def __init__(self, **series: pd.Series) -> None:
        self.series = series
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, name: str, start: datetime | None, end: datetime | None) -> pd.Series:
        assert start is not None
        assert end is not None
        self.asked.append((name, start.date().isoformat(), end.date().isoformat()))
        load = self.series[name]
        return load[(load.index >= start) & (load.index < end)]


def load(values: list[float], *, start: str = "2026-01-01", every: str = "1h") -> pd.Series:
    """Regular observations."""
    return pd.Series(values, index=pd.date_range(start, periods=len(values), freq=every, tz="UTC"), dtype="float64")


def parts(stored: Any, *columns: dict[str, Any], **facts: Any) -> list[Part]:
    options = {"columns": list(columns or [ZONE]), **facts.pop("options", {})}
    resolutions = dict.fromkeys(("zone", "north", "south", "other"), HOUR) | facts.pop("resolutions", {})
    return list(aggregate.read(request(options, observed=stored, resolutions=resolutions, **facts)))


def test_feeders_are_added_up_by_their_weights() -> None:
    (part,) = parts(Stored(north=load([1.0, 2.0]), south=load([10.0, 20.0])))
    assert list(part.rows.columns) == list(COLUMNS)
    assert str(part.rows["valid_time"].dtype) == "datetime64[ns, UTC]"
    assert part.rows["value"].tolist() == [6.0, 12.0]
    assert part.rows["series"].tolist() == ["zone", "zone"]
    assert (part.bad, part.notes) == ([], [])
    assert part.raw(2) == {"series": "zone", "valid_time": "2026-01-01T01:00:00+00:00", "north": 2.0, "south": 20.0}


def test_an_interval_without_one_of_the_feeders_is_missing_and_noted() -> None:
    (part,) = parts(Stored(north=load([1.0, 2.0, 3.0]), south=load([10.0, nan])))
    assert part.rows["value"].isna().tolist() == [False, True, True]
    assert [(note.rule, note.count) for note in part.notes] == [("feeder_missing", 2)]
    assert part.notes[0].message == "zone: intervals without one of the feeders are missing; most often south."


def test_or_it_is_scaled_up_by_the_weights_of_the_others_where_that_is_declared() -> None:
    stored = Stored(north=load([1.0, 2.0]), south=load([10.0, nan]))
    (part,) = parts(stored, options={"missing": "scale_up"})
    assert part.rows["value"].tolist() == [6.0, 3.0]
    assert "are scaled up from the others" in part.notes[0].message


def test_finer_feeders_are_averaged_over_whole_intervals_of_the_zone() -> None:
    quarters = load([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], every="15min")
    resolutions = {"north": pd.Timedelta("15min")}
    (part,) = parts(Stored(north=quarters, south=load([0.0, 0.0])), resolutions=resolutions)
    assert part.rows["value"].tolist()[0] == 2.5
    assert part.rows["value"].isna().tolist() == [False, True]


def test_each_month_is_a_part_and_a_run_goes_on_behind_the_last_that_was_stored() -> None:
    stored = Stored(north=load([1.0] * 24 * 40, start="2025-12-20"), south=load([2.0] * 24 * 40, start="2025-12-20"))
    whole = parts(stored, start="2025-12-25", end="2026-01-10")
    assert [(part.file, len(part.rows)) for part in whole] == [("2025-12", 7 * 24), ("2026-01", 9 * 24)]
    assert stored.asked[0] == ("north", "2025-12-25", "2026-01-01")
    rest = parts(stored, start="2025-12-25", end="2026-01-10", position=whole[0].position)
    assert [part.file for part in rest] == ["2026-01"]


def test_zones_are_kept_apart_and_nothing_comes_of_nothing() -> None:
    other = {"series": "other", "feeders": [{"series": "south"}]}
    (part,) = parts(Stored(north=load([]), south=load([7.0])), ZONE, other)
    assert part.rows.set_index("series")["value"].to_dict() == {"zone": pytest.approx(nan, nan_ok=True), "other": 7.0}
    (empty,) = parts(Stored(north=load([]), south=load([])))
    assert empty.rows.empty
    assert list(empty.rows.columns) == list(COLUMNS)


@pytest.mark.parametrize(
    ("column", "options", "says"),
    [
        ({"feeders": []}, {}, "The zone zone has no feeders"),
        ({"feeders": [{"series": "zone"}]}, {}, "a series other than it"),
        ({"feeders": [{"series": "north"}, {"series": "north"}]}, {}, "each once"),
        ({"feeders": ["north"]}, {}, "'north' is no feeder"),
        ({}, {"missing": "guess"}, "missing is 'guess'; it is one of withhold, scale_up"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(
    column: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        parts(Stored(), {**ZONE, **column}, options=options)


def test_a_feeder_with_longer_intervals_than_its_zone_is_refused() -> None:
    with pytest.raises(SourceError, match="feeder south has intervals of 0 days 02:00:00, longer than"):
        parts(Stored(), resolutions={"south": pd.Timedelta("2h")})


def test_what_the_library_refuses_is_refused_in_its_words() -> None:
    stored = Stored(north=load([1.0]), south=load([1.0]))
    weighed = {"series": "zone", "feeders": [{"series": "north", "weight": -1}, {"series": "south"}]}
    with pytest.raises(LibraryRefused, match="'north' is negative"):
        parts(stored, weighed, options={"missing": "scale_up"})
    with pytest.raises(SourceError, match="no way to read them"):
        parts(None)
    with pytest.raises(SourceError, match="cannot be read without a start"):
        parts(stored, start=None)
