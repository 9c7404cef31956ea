"""What an ingest leaves in the portal: vintages, corrections, quarantine, and the same after any disturbance."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.errors import NothingToDo, SourceError
from include.portal import Portal, PortalUnavailable
from include.run import Run
from include.settings import Settings
from include.tasks.ingest import Ingested, ingest_batch
from portal.series.models import Observation, QuarantinedRow
from tests.include.town import DAY, END, HALF_HOUR, START, TIMEZONE, readings
from tests.include.wire import CUT, LOST, PASS, Answer, Wire

HOUR = timedelta(hours=1)
TWO_DAYS = START + 2 * DAY


def stored(slug: str = "town") -> list[tuple[Any, ...]]:
    """Every row of a series, without its id."""
    rows = Observation.objects.filter(series__slug=slug).order_by("valid_time", "known_at")
    return list(rows.values_list("valid_time", "known_at", "value"))


def quarantined() -> list[tuple[int, str, dict[str, Any]]]:
    """Every row in quarantine: its line, the rule, and the row as it came."""
    rows = QuarantinedRow.objects.order_by("row", "pk").values_list("row", "rule", "raw")
    return [(row, rule, json.loads(raw)) for row, rule, raw in rows]


def two_days() -> pd.DataFrame:
    return readings(end=TWO_DAYS)


def test_a_row_of_an_archive_is_known_its_delay_after_its_interval_ended(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    town(two_days(), availability_delay="PT1H")
    ingest()
    assert [(valid, known) for valid, known, _ in stored()] == [
        (START + n * HALF_HOUR, START + n * HALF_HOUR + HALF_HOUR + HOUR) for n in range(96)
    ]


def test_a_row_of_a_live_source_is_known_at_as_of(town: Callable[..., Path], ingest: Callable[..., Ingested]) -> None:
    town(two_days(), availability_delay=None)
    ingest()
    assert {known for _, known, _ in stored()} == {END}


def test_what_a_live_source_says_of_intervals_that_were_not_over_is_left_for_later(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    """A run reads the file some time after its as_of, a backfill long after: what came meanwhile is not bad."""
    town(two_days(), availability_delay=None)
    for run, hours in (("one", 1), ("two", 2)):
        as_of = START + hours * HOUR + timedelta(minutes=15)
        done = ingest(run_id=run, as_of=as_of)
        assert (done.inserted, done.quarantined) == (4, 0)
    assert [(valid, known) for valid, known, _ in stored()] == [
        (START + n * HALF_HOUR, START + (1 if n < 2 else 2) * HOUR + timedelta(minutes=15)) for n in range(4)
    ]
    assert len(stored("town-temperature")) == 4
    assert quarantined() == []


def test_a_repetition_changes_nothing(town: Callable[..., Path], ingest: Callable[..., Ingested]) -> None:
    town(two_days())
    first, again = (ingest(run_id=run) for run in ("one", "two"))
    assert (first.received, first.inserted, first.unchanged) == (192, 192, 0)
    assert (again.received, again.inserted, again.corrected, again.unchanged) == (192, 0, 0, 192)
    assert first.series == again.series == ["town", "town-temperature"]
    assert len(stored()) == 96


def test_a_correction_is_a_new_version_known_at_as_of(
    town: Callable[..., Path], portal_of: Callable[..., Portal], ingest: Callable[..., Ingested]
) -> None:
    frame = two_days()
    town(frame)
    ingest(run_id="one", as_of=TWO_DAYS + DAY)
    first = frame.iloc[0]["load"]
    frame.iloc[0, 0] = first + 1
    town(frame)
    for run in ("two", "three"):
        done = ingest(run_id=run, as_of=TWO_DAYS + 2 * DAY)
    assert (done.corrected, done.unchanged) == (0, 192), "the third run finds the correction in place"
    assert stored()[:2] == [(START, START + HALF_HOUR + HOUR, first), (START, TWO_DAYS + 2 * DAY, first + 1)]
    known = {
        as_of: portal_of("x").observations("town", as_of=as_of)["value"].iloc[0] for as_of in (TWO_DAYS + DAY, END)
    }
    assert known == {TWO_DAYS + DAY: first, END: first + 1}


def test_a_value_that_is_taken_back_is_a_correction_to_nothing(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    frame = two_days()
    town(frame)
    ingest(as_of=TWO_DAYS + DAY)
    frame.iloc[0, 0] = None
    town(frame)
    assert ingest().corrected == 1
    assert stored()[1] == (START, END, None)


def test_a_second_correction_of_the_same_as_of_goes_to_quarantine(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    frame = two_days()
    for load in (41.0, 42.0, 43.0):
        frame.iloc[5, 0] = load
        town(frame)
        done = ingest()
    assert (done.corrected, done.quarantined) == (0, 1)
    assert [(row, rule) for row, rule, _ in quarantined()] == [(7, "vintage_conflict")]
    assert [value for valid, _, value in stored() if valid == START + 5 * HALF_HOUR] == [41.0, 42.0]


def test_only_what_had_become_known_by_as_of_is_taken(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    town(two_days(), availability_delay="PT1H")
    as_of = START + 2 * HOUR
    done = ingest(as_of=as_of)
    assert [valid for valid, _, _ in stored()] == [START, START + HALF_HOUR]
    assert max(known for _, known, _ in stored()) == as_of, "what becomes known at as_of itself is known"
    assert done.received == 4


def test_the_period_is_half_open(town: Callable[..., Path], ingest: Callable[..., Ingested]) -> None:
    town(two_days())
    ingest(start=START + HOUR, end=START + 2 * HOUR)
    assert [valid for valid, _, _ in stored()] == [START + HOUR, START + HOUR + HALF_HOUR]


def test_bad_lines_go_to_quarantine_with_their_number_and_rule_and_cost_no_other(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    path = town(two_days())
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[1], "1e999")
    lines[4] = "yesterday,1,2"
    lines[5] += ",7"
    path.write_text("\n".join([*lines, ""]))
    done = [ingest(run_id=run) for run in ("one", "two")]
    assert [(row, rule) for row, rule, _ in quarantined()] == [(4, "not_finite"), (5, "not_a_time"), (6, "field_count")]
    assert quarantined()[0][2]["load"] == "1e999", "the row is kept as it came"
    assert [(each.quarantined, each.received) for each in done] == [(3, 93 + 94)] * 2
    assert (len(stored()), len(stored("town-temperature"))) == (93, 94)


def test_rows_that_the_portal_refuses_go_to_quarantine_with_their_line(
    town: Callable[..., Path], options: Settings, ingest: Callable[..., Ingested]
) -> None:
    frame = two_days()
    frame.iloc[60, 0] = -3.5  # line 62, in the second request
    index = frame.index.to_list()
    index[70] += timedelta(minutes=7)
    frame.index = pd.DatetimeIndex(index)
    town(frame)
    daily = options.model_copy(update={"ingest_days_per_request": 1})
    done = ingest(settings=daily)
    found = [(row, rule, raw["load"]) for row, rule, raw in quarantined()]
    load = str(frame.iloc[70, 0])
    assert found == [(62, "negative_load", "-3.5"), (72, "off_grid", load)]
    assert done.quarantined == 3, "the line off the grid is refused for either series, and kept once"
    assert (done.inserted, len(stored()), len(stored("town-temperature"))) == (189, 94, 95)


def test_an_ingest_that_is_cut_half_way_and_run_again_ends_the_same(
    town: Callable[..., Path],
    wire: Wire,
    portal_of: Callable[..., Portal],
    options: Settings,
    ingest: Callable[..., Ingested],
) -> None:
    town(two_days())
    daily = options.model_copy(update={"ingest_days_per_request": 1})
    way = portal_of("one", url=wire.url)
    # The source, the beginning, two series, the first day and that it is stored; then it breaks.
    wire.script(*[PASS] * 6, CUT, Answer(502), CUT)
    with pytest.raises(PortalUnavailable):
        ingest(portal=way, settings=daily)
    assert len(stored()) == 48
    wire.script(PASS, LOST, PASS, LOST, PASS, LOST)
    ingest(portal=way, settings=daily)
    frame = two_days()
    assert [(valid, value) for valid, _, value in stored()] == list(zip(frame.index, frame["load"], strict=True))
    assert len(stored("town-temperature")) == 96


def test_a_source_that_cannot_be_read_leaves_nothing(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    path = town(two_days())
    path.write_text("time,load\n2024-07-01T14:00Z,1\n")
    with pytest.raises(SourceError, match="no column 'temperature'"):
        ingest()
    path.write_text("time,load,temperature\n")
    with pytest.raises(SourceError, match=r"town\.csv of source town-file has a header and no rows"):
        ingest()
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read: FileNotFoundError"):
        ingest()
    assert stored() == quarantined() == []


def test_a_batch_of_which_nothing_was_known_is_nothing_to_do(
    town: Callable[..., Path], new_run: Callable[..., Run]
) -> None:
    town(two_days())
    batch = {"sources": ["town-file"], "as_of": START.isoformat(), "start": None, "end": None}
    with pytest.raises(NothingToDo, match="Of town-file no row of the period was known at 2024-07-01T14:00"):
        ingest_batch(new_run(run_id="one"), batch)
    with pytest.raises(NothingToDo):
        ingest_batch(new_run(run_id="two"), {**batch, "as_of": END.isoformat(), "start": END.isoformat()})
    assert stored() == []


def test_a_batch_tells_what_became_of_its_rows_as_plain_json(
    town: Callable[..., Path], new_run: Callable[..., Run]
) -> None:
    town(two_days())
    start, end = (START + HOUR).isoformat(), (START + 2 * HOUR).isoformat()
    batch = {"sources": ["town-file"], "as_of": END.isoformat(), "start": start, "end": end}
    assert json.loads(json.dumps(ingest_batch(new_run(), batch))) == {
        "series": ["town", "town-temperature"],
        "sources": [
            {
                "source": "town-file",
                "series": ["town", "town-temperature"],
                "received": 4,
                "inserted": 4,
                "corrected": 0,
                "unchanged": 0,
                "quarantined": 0,
            }
        ],
        "refused": {},
    }


def test_the_days_on_which_the_clock_is_set_have_23_and_25_hours(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    """On the local clock with its offset: 7 April 2024 has 25 hours in Melbourne, 6 October 23."""
    days = [pd.date_range(day, periods=2, freq="D", tz=TIMEZONE) for day in ("2024-04-07", "2024-10-06")]
    parts = [pd.date_range(*day, freq="30min", inclusive="left") for day in days]
    index = parts[0].append(parts[1])
    frame = pd.DataFrame({"load": np.arange(len(index)) + 0.5, "temperature": 9.0}, index=index)
    town(frame)
    ingest(as_of=datetime(2025, 1, 1, tzinfo=UTC))
    found = [(valid, value) for valid, _, value in stored()]
    assert found == list(zip(index.tz_convert("UTC"), frame["load"], strict=True))
    assert [len(part) for part in parts] == [50, 46]
    assert quarantined() == []
