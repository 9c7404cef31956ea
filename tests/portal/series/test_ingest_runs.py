"""Readings of sources: begun once per run of a DAG, advanced while they run, and looked at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connections, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from portal.core.permissions import NotPermitted
from portal.core.problems import Conflict
from portal.series.ingests.operations import advance_ingest, begin_ingest
from portal.series.models import IngestRun, QuarantinedRow, Source

RUNS = "/api/v1/ingest-runs/"
AT = datetime(2014, 10, 10, 14, tzinfo=UTC)
Problem = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def source(db: None) -> Source:
    Source.objects.create(slug="live", name="Live", url="live.csv")
    return Source.objects.create(slug="archive", name="Archive", url="archive.csv")


def body(**facts: Any) -> dict[str, Any]:
    return {
        "source": "archive",
        "airflow": {"dag_id": "ingest_demand", "run_id": "scheduled__2014-10-10"},
        "as_of": "2014-10-10T14:00:00Z",
        "period_start": "2014-10-01T00:00:00Z",
        "period_end": "2014-10-10T00:00:00Z",
        **facts,
    }


@pytest.fixture
def begin(service: APIClient) -> Callable[..., dict[str, Any]]:
    """Begins an ingest run, or goes on with it; gives the answer."""

    def post(**facts: Any) -> dict[str, Any]:
        answer = service.post(RUNS, body(**facts))
        assert answer.status_code in (200, 201), answer.content
        return {**answer.json(), "status": answer.status_code}

    return post


@pytest.fixture
def advance(service: APIClient) -> Callable[..., dict[str, Any]]:
    """Reports progress; gives the answer, a success."""

    def patch(run: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = service.patch(f"{RUNS}{run['id']}/", changes)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return patch


Begin = Advance = Callable[..., dict[str, Any]]


def test_a_reading_is_begun_and_read_back_whole(service: APIClient, begin: Begin) -> None:
    run = begin()
    assert run.pop("status") == 201
    assert body().items() <= run.items()
    assert {
        "state": "running",
        "received": 0,
        "inserted": 0,
        "corrected": 0,
        "unchanged": 0,
        "quarantined": 0,
        "notes": [],
        "position": None,
        "error": "",
    }.items() <= run.items()
    assert service.get(f"{RUNS}{run['id']}/").json() == run


def test_an_open_period_is_null(begin: Begin) -> None:
    run = begin(period_start=None, period_end=None)
    assert (run["period_start"], run["period_end"]) == (None, None)


def test_progress_changes_what_it_names_and_nothing_else(begin: Begin, advance: Advance) -> None:
    notes = [{"rule": "future_time", "count": 3, "message": "3 values for later than the clock"}]
    advance(run := begin(), received=10, inserted=9, quarantined=1, position={"file": 2, "row": [1]})
    told = advance(run, unchanged=4, notes=notes)
    assert (told["received"], told["inserted"], told["unchanged"], told["notes"]) == (10, 9, 4, notes)
    assert (told["position"], told["state"]) == ({"file": 2, "row": [1]}, "running")
    assert told["updated_at"] > told["started_at"]


def test_a_repetition_goes_on_where_the_run_stopped(begin: Begin, advance: Advance) -> None:
    run = begin()
    advance(run, received=10, position=7)
    again = begin()
    assert (again["id"], again["status"], again["received"], again["position"]) == (run["id"], 200, 10, 7)


def test_a_failed_run_goes_on_with_its_position_and_without_its_error(begin: Begin, advance: Advance) -> None:
    run = begin()
    failed = advance(run, received=10, position=7, state="failed", error="The server hung up")
    assert (failed["state"], failed["error"]) == ("failed", "The server hung up")
    again = begin()
    assert (again["state"], again["error"], again["received"], again["position"]) == ("running", "", 10, 7)
    assert advance(run, received=20, state="done")["state"] == "done"


def test_no_failure_is_too_long_or_too_odd_to_be_told(begin: Begin, advance: Advance) -> None:
    error = advance(begin(), state="failed", error="nul\0" + "x" * 100_000)["error"]
    assert error.startswith("nul\N{REPLACEMENT CHARACTER}xxx")
    assert len(error) == 20_000


def test_a_run_that_is_done_begins_anew(begin: Begin, advance: Advance) -> None:
    run = begin()
    note = {"rule": "r", "count": 1, "message": ""}
    advance(run, received=10, inserted=10, quarantined=2, position=7, notes=[note], state="done")
    again = begin()
    assert (again["id"], again["status"], again["state"]) == (run["id"], 200, "running")
    assert (again["received"], again["inserted"], again["quarantined"]) == (0, 0, 0)
    assert (again["position"], again["notes"]) == (None, [])
    assert again["started_at"] > run["started_at"]


def test_a_run_that_has_no_position_to_go_on_at_begins_anew_and_has_seen_no_bad_row(
    begin: Begin, advance: Advance
) -> None:
    """A file is read from its beginning again: rows that are not bad any more must not count as seen by this run."""
    run = begin()
    stored = IngestRun.objects.get(pk=run["id"])
    row = QuarantinedRow.objects.create(
        source=stored.source, file="a.csv", row=2, rule="r", raw="{}", message="m", fingerprint="f", last_seen_in=stored
    )
    advance(run, received=10, notes=[{"rule": "r", "count": 1, "message": ""}], state="failed", error="It is cut")
    again = begin()
    assert (again["id"], again["received"], again["notes"]) == (run["id"], 0, [])
    row.refresh_from_db()
    assert row.last_seen_in is None


@pytest.mark.parametrize(
    "other", [{"as_of": "2014-10-11T14:00:00Z"}, {"period_start": None}, {"period_end": "2014-10-09T00:00:00Z"}]
)
def test_one_run_of_a_dag_reads_a_source_for_one_time_and_period(
    service: APIClient, begin: Begin, problem: Problem, other: dict[str, Any]
) -> None:
    begin()
    (name,) = other
    detail = problem(service.post(RUNS, body(**other)), 409)["detail"]
    assert f"{name} 2014-10-" in detail
    assert IngestRun.objects.get().as_of == AT


@pytest.mark.parametrize("other", [{"source": "live"}, {"airflow": {"dag_id": "ingest_demand", "run_id": "manual__1"}}])
def test_another_source_or_run_is_another_reading(begin: Begin, other: dict[str, Any]) -> None:
    assert begin()["id"] != begin(**other, as_of="2014-10-12T00:00:00Z")["id"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": "nowhere"}, "source"),
        ({"source": None}, "source"),
        ({"airflow": {"dag_id": "x"}}, "airflow.run_id"),
        ({"airflow": {"dag_id": "x", "run_id": "y" * 251}}, "airflow.run_id"),
        ({"airflow": "x"}, "airflow"),
        ({"as_of": "2014-10-10T14:00:00"}, "as_of"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"period_end": "2014-10-01T00:00:00Z"}, "period_end"),
        ({"period_start": "9999-01-01T00:00:00Z"}, "period_start"),
    ],
)
def test_a_beginning_of_another_form_is_a_400_that_names_the_field(
    service: APIClient, problem: Problem, changes: dict[str, Any], field: str
) -> None:
    assert problem(service.post(RUNS, body(**changes)), 400)["errors"][0]["field"] == field
    assert not IngestRun.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"received": -1}, "received"),
        ({"inserted": 2**63}, "inserted"),
        ({"corrected": 1.5}, "corrected"),
        ({"unchanged": "7"}, "unchanged"),
        ({"quarantined": True}, "quarantined"),
        ({"received": None}, "received"),
        ({"notes": "x"}, "notes"),
        ({"notes": [{"rule": "r", "count": -1, "message": ""}]}, "notes.0.count"),
        ({"notes": [{"rule": "r", "count": 1}]}, "notes.0.message"),
        ({"position": "x" * 70_000}, "position"),
        ({"state": "running"}, "state"),
        ({"state": "failed"}, "error"),
        ({"state": "failed", "error": " "}, "error"),
        ({"state": "done", "error": "none"}, "error"),
        ({"error": "late"}, "error"),
        ({"as_of": "2014-10-11T00:00:00Z"}, "as_of"),
        ({"recieved": 1}, "recieved"),
    ],
)
def test_progress_of_another_form_is_a_400_and_changes_nothing(
    service: APIClient, begin: Begin, problem: Problem, changes: dict[str, Any], field: str
) -> None:
    run = begin()
    run.pop("status")
    assert problem(service.patch(f"{RUNS}{run['id']}/", changes), 400)["errors"][0]["field"] == field
    assert service.get(f"{RUNS}{run['id']}/").json() == run


@pytest.mark.parametrize("body", [[], "text", 3])
def test_progress_that_is_no_object_is_a_400(service: APIClient, begin: Begin, problem: Problem, body: object) -> None:
    problem(service.patch(f"{RUNS}{begin()['id']}/", body), 400)


@pytest.mark.parametrize("position", ["nul\0", {"nul\0": 1}])
def test_a_position_that_cannot_be_kept_is_a_400(
    service: APIClient, begin: Begin, problem: Problem, position: object
) -> None:
    problem(service.patch(f"{RUNS}{begin()['id']}/", {"position": position}), 400)


@pytest.mark.parametrize("end", [{"state": "done"}, {"state": "failed", "error": "gone"}])
def test_a_run_that_is_over_is_not_advanced(
    service: APIClient, begin: Begin, advance: Advance, problem: Problem, end: dict[str, Any]
) -> None:
    run = begin()
    advance(run, **end)
    detail = problem(service.patch(f"{RUNS}{run['id']}/", {"received": 1}), 409)["detail"]
    assert end["state"] in detail


def test_saying_again_how_a_run_ended_changes_nothing(begin: Begin, advance: Advance) -> None:
    """The answer to the first time was lost, and the pipeline asks again."""
    run = begin()
    ended = advance(run, received=3, state="done")
    assert advance(run, received=3, state="done") == ended


def test_the_list_is_newest_first_and_narrows_by_source_and_state(
    service: APIClient, begin: Begin, advance: Advance, problem: Problem
) -> None:
    first = begin()
    second = begin(source="live")
    advance(first, state="failed", error="gone")

    def listed(**query: str) -> list[int]:
        return [run["id"] for run in service.get(RUNS, query).json()["results"]]

    assert listed() == [second["id"], first["id"]]
    assert listed(source="archive") == listed(state="failed") == [first["id"]]
    assert listed(source="archive", state="running") == []
    problem(service.get(RUNS, {"state": "great"}), 400)


def test_a_beginning_with_a_key_is_answered_again(service: APIClient) -> None:
    first = service.post(RUNS, body(), headers={"Idempotency-Key": "k"})
    again = service.post(RUNS, body(), headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()) == (201, first.json())


def test_the_operations_ask_for_their_permissions(source: Source, make_user: Callable[..., User]) -> None:
    engineer, pipeline = make_user("data_engineer"), make_user("service")
    facts: dict[str, Any] = {
        "airflow": {"dag_id": "d", "run_id": "r"},
        "as_of": AT,
        "period_start": None,
        "period_end": None,
        "at": AT,
    }
    with pytest.raises(NotPermitted, match=r"series\.add_ingestrun"):
        begin_ingest(source, by=engineer, **facts)
    run, _ = begin_ingest(source, by=pipeline, **facts)
    with pytest.raises(NotPermitted, match=r"series\.change_ingestrun"):
        advance_ingest(run, changes={"state": "done"}, by=engineer, at=AT)
    assert IngestRun.objects.get().state == "running"


@pytest.mark.django_db(transaction=True)
def test_beginnings_at_once_give_one_reading(source: Source, make_user: Callable[..., User]) -> None:
    pipeline = make_user("service")

    def begin(_: int) -> tuple[int, bool]:
        try:
            run, new = begin_ingest(
                source,
                airflow={"dag_id": "d", "run_id": "r"},
                as_of=AT,
                period_start=None,
                period_end=AT,
                by=pipeline,
                at=AT,
            )
            return run.pk, new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        begun = list(pool.map(begin, range(12)))
    assert {pk for pk, _ in begun} == {IngestRun.objects.get().pk}
    assert sum(new for _, new in begun) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_ends_at_once_one_is_a_conflict(source: Source, make_user: Callable[..., User]) -> None:
    pipeline = make_user("service")
    run = IngestRun.objects.create(source=source, dag_id="d", run_id="r", as_of=AT, started_at=AT, updated_at=AT)

    def end(changes: dict[str, Any]) -> str:
        try:
            return advance_ingest(run, changes=changes, by=pipeline, at=AT).state
        except Conflict:
            return "conflict"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(end, [{"state": "done"}, {"state": "failed", "error": "gone"}]))
    assert ends.count("conflict") == 1
    assert IngestRun.objects.get().state in ends


def test_the_database_refuses_a_period_that_ends_before_it_starts(source: Source) -> None:
    with pytest.raises(IntegrityError, match="series_ingested_period_not_empty"), transaction.atomic():
        IngestRun.objects.create(
            source=source,
            dag_id="d",
            run_id="r",
            as_of=AT,
            period_start=AT,
            period_end=AT - timedelta(hours=1),
            started_at=AT,
            updated_at=AT,
        )


def test_the_page_says_what_was_wrong_and_leads_to_airflow_and_to_the_bad_rows(
    begin: Begin, advance: Advance, make_user: Callable[..., User], source: Source
) -> None:
    run = begin(period_start=None)
    note = {"rule": "incomplete_interval", "count": 2, "message": "2 half-hours lack a value"}
    advance(run, received=1234, quarantined=1, notes=[note], position={"file": "b.csv"})
    advance(run, state="failed", error="b.csv has no column 'mw'\n<b>it has 't'</b>")
    row = {"source": source, "file": "a.csv", "row": 3, "rule": "off_grid", "raw": "[]", "message": "m"}
    QuarantinedRow.objects.create(**row, last_seen_in_id=run["id"])
    client = Client()
    client.force_login(make_user("data_engineer"))
    page = reverse("admin:series_ingestrun_change", args=(run["id"],))
    shown = client.get(page).content.decode()
    for fact in (
        "b.csv has no column &#x27;mw&#x27;",
        "&lt;b&gt;it has",
        "the beginning to 2014-10-10 00:00Z",
        "/dags/ingest_demand/runs/scheduled__2014-10-10",
        "2 × incomplete_interval: 2 half-hours lack a value",
        "off_grid: 1",
        "Failed",
    ):
        assert fact in shown, fact
    rows = client.get(reverse("admin:series_quarantinedrow_changelist") + f"?last_seen_in__id__exact={run['id']}")
    assert rows.status_code == 200
    assert "a.csv" in rows.content.decode()
    assert client.post(page, {"state": "done"}).status_code == 403
    assert "Failed" in client.get(reverse("admin:series_ingestrun_changelist")).content.decode()
