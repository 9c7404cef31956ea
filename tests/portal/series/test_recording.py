"""``POST observations/bulk/``: what becomes of sound rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.series.models import Observation, Series

BULK = "/api/v1/observations/bulk/"
START = datetime(2014, 11, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
LATER = "2014-11-05T00:00:00Z"
Rows = Callable[..., pa.Table]
Record = Callable[..., dict[str, Any]]
Read = Callable[..., list[dict[str, Any]]]


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return answer["inserted"], answer["corrected"], answer["unchanged"], len(answer["rejected"])


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_new_rows_are_stored_as_they_came(series: Series, rows: Rows, record: Record, read: Read, kind: str) -> None:
    assert counts(record(rows([4100.5, 4200.25, 0.1 + 0.2]), kind=kind)) == (3, 0, 0, 0)
    assert read() == [
        {"valid_time": "2014-11-01T00:00:00Z", "value": 4100.5, "known_at": "2014-11-01T01:00:00Z"},
        {"valid_time": "2014-11-01T00:30:00Z", "value": 4200.25, "known_at": "2014-11-01T01:30:00Z"},
        {"valid_time": "2014-11-01T01:00:00Z", "value": 0.1 + 0.2, "known_at": "2014-11-01T02:00:00Z"},
    ]


def test_the_same_rows_again_change_nothing(series: Series, rows: Rows, record: Record) -> None:
    table = rows([1.0, None, 3.0])
    record(table, recorded_at=LATER)
    assert counts(record(table, recorded_at=LATER)) == (0, 0, 3, 0)
    assert counts(record(table)) == (0, 0, 3, 0)
    assert Observation.objects.count() == 3


def test_another_value_is_a_correction_known_when_it_was_recorded(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    record(rows([1.0, 2.0]), recorded_at="2014-11-02T00:00:00Z")
    assert counts(record(rows([1.0, 2.5]), recorded_at=LATER)) == (0, 1, 1, 0)
    assert Observation.objects.count() == 3
    assert [row["value"] for row in read()] == [1.0, 2.5]
    assert read()[1]["known_at"] == LATER


def test_a_read_as_of_a_past_time_gives_what_was_known_then(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    record(rows([1.0, 2.0]), recorded_at="2014-11-02T00:00:00Z")
    before = read(as_of="2014-11-04T00:00:00Z")
    record(rows([1.5, 2.5]), recorded_at=LATER)
    assert read(as_of="2014-11-04T00:00:00Z") == before
    assert [row["value"] for row in read(as_of="2014-11-04T23:59:59.999999Z")] == [1.0, 2.0]
    assert [row["value"] for row in read(as_of=LATER)] == [1.5, 2.5]
    assert [row["value"] for row in read(as_of="2014-11-01T01:00:00Z")] == [1.0], "known at the very time"
    assert read(as_of="2014-11-01T00:59:59Z") == []


def test_a_replay_of_a_past_request_stores_nothing_even_after_a_correction(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    first = rows([1.0])
    record(first, recorded_at="2014-11-02T00:00:00Z")
    record(rows([9.0]), recorded_at=LATER)
    assert counts(record(first, recorded_at="2014-11-02T00:00:00Z")) == (0, 0, 1, 0)
    assert [row["value"] for row in read()] == [9.0]


def test_a_value_that_goes_back_is_a_correction_too(series: Series, rows: Rows, record: Record, read: Read) -> None:
    for day, value in ((2, 1.0), (3, 2.0), (4, 1.0)):
        record(rows([value]), recorded_at=f"2014-11-0{day}T00:00:00Z")
    assert [row["value"] for row in read(as_of="2014-11-03T12:00:00Z")] == [2.0]
    assert [row["value"] for row in read()] == [1.0]
    assert Observation.objects.count() == 3


def test_two_values_for_one_time_of_recording_are_a_conflict(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    record(rows([1.0]), recorded_at="2014-11-02T00:00:00Z")
    record(rows([2.0]), recorded_at=LATER)
    (rejected,) = record(rows([3.0]), recorded_at=LATER)["rejected"]
    assert rejected["rule"] == "vintage_conflict"
    assert [row["value"] for row in read()] == [2.0]


@pytest.mark.parametrize("missing", [None, math.nan])
def test_null_and_nan_are_a_missing_value(
    series: Series, rows: Rows, record: Record, read: Read, missing: float | None
) -> None:
    record(rows([1.0, missing]))
    assert [row["value"] for row in read()] == [1.0, None]
    assert Observation.objects.filter(value=None).count() == 1
    assert counts(record(rows([1.0, None]))) == (0, 0, 2, 0)
    assert counts(record(rows([1.0, math.nan]))) == (0, 0, 2, 0)


def test_a_value_that_becomes_missing_or_known_is_a_correction(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    record(rows([1.0, None]), recorded_at="2014-11-02T00:00:00Z")
    assert counts(record(rows([None, 2.0]), recorded_at=LATER)) == (0, 2, 0, 0)
    assert [row["value"] for row in read()] == [None, 2.0]


def test_a_period_is_half_open(series: Series, rows: Rows, record: Record, read: Read) -> None:
    record(rows([0.0, 1.0, 2.0, 3.0]))
    period = {"start": "2014-11-01T00:30:00Z", "end": "2014-11-01T01:30:00Z"}
    assert [row["value"] for row in read(**period)] == [1.0, 2.0]
    assert [row["value"] for row in read(start=period["end"])] == [3.0]
    assert [row["value"] for row in read(end=period["start"])] == [0.0]
    assert read(start=period["start"], end=period["start"]) == []


def test_a_period_that_ends_before_it_starts_is_a_400(
    series: Series, service: APIClient, problem: Callable[..., dict[str, Any]]
) -> None:
    query = {"start": "2014-11-02T00:00:00Z", "end": "2014-11-01T00:00:00Z"}
    problem(service.get("/api/v1/series/victoria/observations/", query), 400)


def test_times_with_an_offset_are_understood(series: Series, rows: Rows, record: Record, read: Read) -> None:
    record(rows([0.0, 1.0, 2.0]))
    assert [row["value"] for row in read(start="2014-11-01T11:30:00+11:00")] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("accept", "opened"),
    [
        ("application/vnd.apache.parquet", lambda body: pa.parquet.read_table(pa.BufferReader(body))),
        ("application/vnd.apache.arrow.stream", lambda body: pa.ipc.open_stream(body).read_all()),
    ],
)
def test_observations_are_given_as_a_table_of_the_agreed_types(
    series: Series, rows: Rows, record: Record, service: APIClient, accept: str, opened: Callable[[bytes], pa.Table]
) -> None:
    sent = rows([1.5, None, 3.5])
    record(sent)
    response = service.get("/api/v1/series/victoria/observations/", headers={"Accept": accept})
    assert response["Content-Type"] == accept
    table = opened(response.content)
    assert table.schema.remove_metadata() == pa.schema(
        {"valid_time": pa.timestamp("us", "UTC"), "value": pa.float64(), "known_at": pa.timestamp("us", "UTC")}
    )
    assert table.to_pylist() == sent.drop_columns("series").to_pylist()


def test_an_empty_answer_keeps_its_columns(series: Series, service: APIClient) -> None:
    url = "/api/v1/series/victoria/observations/"
    response = service.get(url, headers={"Accept": "application/vnd.apache.parquet"})
    table = pa.parquet.read_table(pa.BufferReader(response.content))
    assert (table.num_rows, table.column_names) == (0, ["valid_time", "value", "known_at"])
    assert service.get(url).json() == []


def test_a_row_that_comes_twice_in_a_body_is_stored_once_with_its_earliest_known_time(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    table = rows(
        [1.0, 1.0, None, None],
        valid_time=[START, START, START + STEP, START + STEP],
        known_at=[START + 4 * STEP, START + 2 * STEP, START + 6 * STEP, START + 8 * STEP],
    )
    assert counts(record(table)) == (2, 0, 2, 0)
    assert [(row["value"], row["known_at"]) for row in read()] == [
        (1.0, "2014-11-01T01:00:00Z"),
        (None, "2014-11-01T03:00:00Z"),
    ]


def test_two_values_for_one_time_in_a_body_are_both_refused(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    answer = record(rows([1.0, 2.0, 3.0], valid_time=[START, START, START + STEP]))
    assert [(row["row"], row["rule"]) for row in answer["rejected"]] == [(0, "contradiction"), (1, "contradiction")]
    assert [row["value"] for row in read()] == [3.0]


def test_several_series_go_in_one_body(rows: Rows, record: Record, read: Read, make_series: Any) -> None:
    make_series("victoria")
    make_series("melbourne", quantity="temperature", unit="°C", resolution=timedelta(hours=1))
    table = rows(
        [4000.0, -3.5, 4100.0],
        series=pa.array(["victoria", "melbourne", "victoria"]).dictionary_encode(),
        valid_time=[START, START, START + STEP],
    )
    assert counts(record(table)) == (3, 0, 0, 0)
    assert [row["value"] for row in read("melbourne")] == [-3.5]
    assert [row["value"] for row in read("victoria")] == [4000.0, 4100.0]


def test_an_empty_table_stores_nothing(series: Series, rows: Rows, record: Record) -> None:
    assert counts(record(rows([]))) == (0, 0, 0, 0)


def test_integers_and_other_units_of_time_are_understood(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    table = rows(
        [1.0, 2.0],
        value=pa.array([4000, 4100], pa.int32()),
        valid_time=pa.array([START, START + STEP], pa.timestamp("s", "UTC")),
        known_at=pa.array([START + 4 * STEP] * 2, pa.timestamp("ns", "Australia/Melbourne")),
    )
    assert counts(record(table, kind="arrow")) == (2, 0, 0, 0)
    assert read()[1] == {"valid_time": "2014-11-01T00:30:00Z", "value": 4100.0, "known_at": "2014-11-01T02:00:00Z"}


def test_without_a_time_of_recording_a_correction_is_known_now(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    before = datetime.now(UTC)
    record(rows([1.0]))
    record(rows([2.0]))
    assert before <= datetime.fromisoformat(read()[0]["known_at"]) <= datetime.now(UTC)


def test_a_request_repeated_with_its_key_is_answered_as_the_first(
    series: Series, rows: Rows, service: APIClient, send: Callable[..., Response]
) -> None:
    first, again = (send(service, BULK, rows([1.0]), **{"Idempotency-Key": "run-1"}) for _ in range(2))
    assert first.json()["inserted"] == again.json()["inserted"] == 1
    assert again["Idempotency-Replayed"] == "true"


def test_an_observation_cannot_be_changed_or_deleted_by_anybody(series: Series, rows: Rows, record: Record) -> None:
    record(rows([1.0]))
    for statement in ("UPDATE series_observation SET value = 2", "DELETE FROM series_observation"):
        with (
            pytest.raises(IntegrityError, match="a correction is a new row"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with pytest.raises(ProtectedError):
        series.delete()
    assert Observation.objects.get().value == 1.0


def test_a_year_of_values_costs_no_more_queries_than_one(
    series: Series, rows: Rows, record: Record, read: Read, django_assert_max_num_queries: Any
) -> None:
    table = rows([float(number) for number in range(20_000)])
    with django_assert_max_num_queries(25):
        assert counts(record(table)) == (20_000, 0, 0, 0)
    with django_assert_max_num_queries(8):
        assert len(read()) == 20_000


def test_rows_before_within_and_after_what_is_stored_meet_the_same_rules(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    times = [START + number * STEP for number in (2, 4, 6)]
    stored = rows([2.0, 3.0, 4.0], valid_time=times, known_at=[time + 2 * STEP for time in times])
    assert counts(record(stored, recorded_at="2014-11-02T00:00:00Z")) == (3, 0, 0, 0)
    everything = rows([0.0, 1.0, 2.0, 2.5, 9.0, None, 4.0, 5.0])
    assert counts(record(everything, recorded_at=LATER)) == (5, 1, 2, 0)
    assert [row["value"] for row in read()] == [0.0, 1.0, 2.0, 2.5, 9.0, None, 4.0, 5.0]
    assert counts(record(everything, recorded_at=LATER)) == (0, 0, 8, 0)


def test_rows_that_come_in_no_order_are_stored_as_those_that_do(
    series: Series, rows: Rows, record: Record, read: Read, make_series: Any
) -> None:
    make_series("elsewhere")
    tables = [rows([float(number) for number in range(20)], slug=slug) for slug in ("victoria", "elsewhere")]
    shuffled = pa.concat_tables(tables).take([(number * 7) % 40 for number in range(40)])
    assert counts(record(shuffled)) == (40, 0, 0, 0)
    assert [row["value"] for row in read()] == [row["value"] for row in read("elsewhere")] == list(range(20))
    assert counts(record(shuffled.take(list(range(40))[::-1]))) == (0, 0, 40, 0)


def test_a_repetition_is_compared_with_what_was_known_at_its_own_time_of_recording(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    many = [float(number) for number in range(200)]
    assert counts(record(rows(many), recorded_at="2014-11-06T00:00:00Z")) == (200, 0, 0, 0)
    changed = [*many[:100], None, *many[101:199], -0.0]
    assert counts(record(rows(changed), recorded_at="2014-11-07T00:00:00Z")) == (0, 2, 198, 0)
    assert counts(record(rows(many), recorded_at="2014-11-06T00:00:00Z")) == (0, 0, 200, 0)
    assert counts(record(rows(changed), recorded_at="2014-11-07T00:00:00Z")) == (0, 0, 200, 0)
    assert counts(record(rows(many), recorded_at="2014-11-08T00:00:00Z")) == (0, 2, 198, 0)
    assert [row["value"] for row in read()] == many


def test_rows_far_apart_are_compared_as_rows_side_by_side(
    series: Series, rows: Rows, record: Record, read: Read
) -> None:
    record(rows([float(number) for number in range(200)]), recorded_at="2014-11-06T00:00:00Z")
    times = [START, START + 100 * STEP, START + 199 * STEP]
    known = [time + 2 * STEP for time in times]
    far = rows([0.0, 100.0, 7.0], valid_time=times, known_at=known)
    assert counts(record(far, recorded_at="2014-11-07T00:00:00Z")) == (0, 1, 2, 0)
    assert [row["value"] for row in read()][199] == 7.0
