"""What becomes of bad rows: they pass when the source is read again, or a person corrects, replays, dismisses them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from portal.series.models import IngestRun, Observation, QuarantinedRow, Series, Source, WeatherForecast

URL = "/api/v1/quarantine/"
START = datetime(2014, 11, 1, tzinfo=UTC)
NEGATIVE = {"series": "victoria", "valid_time": "2014-11-01T00:00:00Z", "value": -5.0}
Problem = Callable[..., dict[str, Any]]
Keep = Callable[..., dict[str, int]]


@pytest.fixture(autouse=True)
def source(make_series: Callable[..., Series]) -> Source:
    make_series("victoria")
    make_series("melbourne", quantity="temperature", unit="°C", resolution=timedelta(hours=1))
    make_series("elsewhere")
    columns = [{"column": "load", "series": "victoria"}, {"column": "temp", "series": "melbourne"}]
    return Source.objects.create(slug="archive", name="Archive", url="a.csv", options={"columns": columns})


@pytest.fixture
def engineer(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(make_user("data_engineer", "anna"))


@pytest.fixture
def reading(source: Source) -> Callable[[str], IngestRun]:
    """A reading of the source by the run of that name."""

    def made(run_id: str, of: Source | None = None) -> IngestRun:
        facts = {"dag_id": "ingest_demand", "as_of": START, "started_at": START, "updated_at": START}
        return IngestRun.objects.get_or_create(source=of or source, run_id=run_id, defaults=facts)[0]

    return made


@pytest.fixture
def keep(service: APIClient, reading: Callable[[str], IngestRun]) -> Keep:
    """Quarantines rows of a.csv, found by a run."""

    def post(*rows: dict[str, Any], run: str | None = None, file: str = "a.csv") -> dict[str, int]:
        body = {"source": "archive", "file": file, "rows": list(rows or [bad()])}
        if run is not None:
            body["ingest_run"] = reading(run).pk
        response = service.post(URL + "bulk/", body)
        assert response.status_code == 200, response.content
        return response.json()

    return post


@pytest.fixture
def settle(service: APIClient, reading: Callable[[str], IngestRun]) -> Callable[..., int]:
    def post(run: str, file: str = "a.csv") -> int:
        response = service.post(URL + "settle/", {"source": "archive", "file": file, "ingest_run": reading(run).pk})
        assert response.status_code == 200, response.content
        return response.json()["passed"]

    return post


def bad(**facts: Any) -> dict[str, Any]:
    plain = {"row": 7, "raw": {"load": "-5"}, "rule": "negative_load", "message": "negative", "values": [NEGATIVE]}
    return {**plain, **facts}


def only() -> QuarantinedRow:
    return QuarantinedRow.objects.get()


def page(verb: str = "") -> str:
    return f"{URL}{only().pk}/{verb}{'/' * bool(verb)}"


def corrected(value: float | None = 5.0, **facts: Any) -> dict[str, Any]:
    """The body of a correction of one value."""
    return {"reason": "the sign was lost", "values": [{**NEGATIVE, "value": value, **facts}]}


# what programs say of a row


def test_what_could_be_read_and_by_which_run_is_kept_with_the_row(keep: Keep, service: APIClient) -> None:
    keep(bad(values=[{**NEGATIVE, "valid_time": "2014-11-01T11:00:00+11:00"}]), run="one")
    row = service.get(page()).json()
    assert row["values"] == [NEGATIVE]
    assert row["ingest_run"] == IngestRun.objects.get().pk
    assert (row["status"], row["resolved_by"], row["resolved_at"], row["recorded"]) == ("open", None, None, [])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({}, {"series": None, "valid_time": None, "value": None}),
        (
            {"series": 5, "valid_time": "yesterday", "value": "n/a"},
            {"series": None, "valid_time": None, "value": None},
        ),
        (
            {"series": "nul\0", "valid_time": "2014-11-01T00:00:00", "value": True},
            {"series": "nul\ufffd", "valid_time": None, "value": None},
        ),
        (
            {"series": "x" * 99, "valid_time": "1066-10-14T09:00:00Z", "value": 1e300, "more": 1},
            {"series": "x" * 64, "valid_time": None, "value": 1e300},
        ),
        ({**NEGATIVE, "value": -1e300}, {**NEGATIVE, "value": -1e300}),
    ],
)
def test_a_row_is_not_lost_for_how_its_values_are_described(
    keep: Keep, service: APIClient, engineer: APIClient, sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert keep(bad(values=[sent]))["inserted"] == 1
    assert service.get(page()).json()["values"] == [kept]
    assert engineer.post(page("replay"), {}).status_code == 400


def test_the_newest_reading_of_an_open_row_is_the_one_that_is_shown(keep: Keep) -> None:
    keep(bad(message="first", values=[]), run="one")
    assert keep(bad(message="second"), run="two") == {"received": 1, "inserted": 0, "unchanged": 1}
    row = only()
    assert (row.message, row.values, str(row.last_seen_in.run_id)) == ("second", [NEGATIVE], "two")  # type: ignore[union-attr]


def test_a_run_of_another_source_is_refused(
    service: APIClient, reading: Callable[..., IngestRun], problem: Problem
) -> None:
    other = Source.objects.create(slug="live", name="Live", url="b.csv")
    run = reading("one", other).pk
    for path, rows in (("bulk/", {"rows": [bad()]}), ("settle/", {})):
        body = {"source": "archive", "file": "a.csv", "ingest_run": run, **rows}
        (error,) = problem(service.post(URL + path, body), 400)["errors"]
        assert (error["field"], error["rule"]) == ("ingest_run", "other_source")
    assert not QuarantinedRow.objects.exists()


# reading the source again


def test_rows_that_a_later_reading_does_not_find_bad_have_passed(
    keep: Keep, settle: Callable[..., int], service: APIClient
) -> None:
    keep(bad(row=7), bad(row=8), run="one")
    keep(bad(row=9), file="b.csv", run="one")
    assert settle("one") == 0
    keep(bad(row=8), run="two")
    assert settle("two") == 1
    passed = service.get(URL, {"status": "passed"}).json()["results"]
    assert [(row["row"], row["resolved_by"]) for row in passed] == [(7, "airflow")]
    assert {row["row"] for row in service.get(URL, {"status": "open"}).json()["results"]} == {8, 9}
    assert settle("two") == 0


def test_a_row_from_before_there_were_runs_passes_too(keep: Keep, settle: Callable[..., int]) -> None:
    keep(bad())
    assert settle("one") == 1


def test_a_row_that_had_passed_and_is_bad_again_is_open_again(keep: Keep, settle: Callable[..., int]) -> None:
    keep(run="one")
    settle("two")
    assert keep(run="three") == {"received": 1, "inserted": 0, "unchanged": 1}
    row = only()
    assert (row.status, row.resolved_at, row.resolved_by) == ("open", None, None)


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [("correct", corrected(), "corrected"), ("dismiss", {"reason": "a test of the meter"}, "dismissed")],
)
def test_a_row_that_a_person_resolved_stays_so_when_it_comes_again(
    keep: Keep, settle: Callable[..., int], engineer: APIClient, verb: str, body: dict[str, Any], status: str
) -> None:
    keep(run="one")
    assert engineer.post(page(verb), body).status_code == 200
    assert keep(bad(message="other words"), run="two") == {"received": 1, "inserted": 0, "unchanged": 1}
    assert settle("two") == settle("three") == 0
    row = only()
    assert (row.status, str(row.resolved_by), row.message) == (status, "anna", "negative")


# correcting


def test_a_correction_is_stored_and_known_from_now_on(keep: Keep, engineer: APIClient, service: APIClient) -> None:
    Observation.objects.create(
        series=Series.objects.get(slug="victoria"), valid_time=START, known_at=START + timedelta(hours=1), value=4.0
    )
    keep(bad(values=[]))
    before = datetime.now(UTC)
    answer = engineer.post(page("correct"), corrected(valid_time="2014-11-01T11:00:00+11:00"))
    assert answer.status_code == 200, answer.content
    row = answer.json()
    assert (row["status"], row["resolved_by"], row["reason"]) == ("corrected", "anna", "the sign was lost")
    assert row["recorded"] == [{"series": "victoria", "valid_time": "2014-11-01T00:00:00Z", "value": 5.0}]
    url = "/api/v1/series/victoria/observations/"
    (now,) = service.get(url).json()
    assert now["value"] == 5.0
    assert before <= datetime.fromisoformat(now["known_at"]) <= datetime.now(UTC)
    (earlier,) = service.get(url, {"as_of": before.isoformat()}).json()
    assert earlier["value"] == 4.0, "what was known before is not rewritten"


def test_a_value_can_be_said_to_be_missing(keep: Keep, engineer: APIClient) -> None:
    keep()
    assert engineer.post(page("correct"), corrected(None)).status_code == 200
    assert Observation.objects.get().value is None
    assert only().recorded == [{**NEGATIVE, "value": None}]


@pytest.mark.parametrize(
    ("wrong", "field", "rule"),
    [
        ({"value": -1.0}, "value", "negative_load"),
        ({"valid_time": "2014-11-01T00:07:00Z"}, "valid_time", "off_grid"),
        ({"valid_time": "2150-01-01T00:00:00Z"}, "known_at", "known_too_early"),
        ({"series": "elsewhere"}, "series", "not_fed"),
        ({"series": "atlantis"}, "series", "not_fed"),
        ({"issue_time": "2014-11-01T00:00:00Z"}, "issue_time", "issue_time"),
    ],
)
def test_a_correction_that_breaks_a_rule_changes_nothing_at_all(
    keep: Keep, engineer: APIClient, problem: Problem, wrong: dict[str, Any], field: str, rule: str
) -> None:
    keep()
    body = corrected()
    body["values"] = [
        {"series": "melbourne", "valid_time": "2014-11-01T00:00:00Z", "value": 20.5},
        {**NEGATIVE, "value": 5.0, **wrong},
    ]
    (error,) = problem(engineer.post(page("correct"), body), 400)["errors"]
    assert (error["row"], error["field"], error["rule"]) == (1, field, rule)
    assert error["message"]
    assert not Observation.objects.exists()
    assert only().status == "open"


def test_two_values_for_one_time_refuse_each_other(keep: Keep, engineer: APIClient, problem: Problem) -> None:
    keep()
    body = {**corrected(), "values": [{**NEGATIVE, "value": 1.0}, {**NEGATIVE, "value": 2.0}]}
    errors = problem(engineer.post(page("correct"), body), 400)["errors"]
    assert [(error["row"], error["rule"]) for error in errors] == [(0, "contradiction"), (1, "contradiction")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": []},
        {"values": [{"series": "victoria", "valid_time": "2014-11-01T00:00:00Z"}]},
        {"values": [{**NEGATIVE, "valid_time": "2014-11-01T00:00:00"}]},
        {"values": [{**NEGATIVE, "value": "nan"}]},
        {"values": [{**NEGATIVE, "value": "4100,5"}]},
        {"reason": ""},
        {"reason": "  "},
        {"reason": None},
        {"reason": "x" * 2001},
    ],
)
def test_a_correction_of_another_form_is_a_400(
    keep: Keep, engineer: APIClient, problem: Problem, wrong: dict[str, Any]
) -> None:
    keep()
    problem(engineer.post(page("correct"), {**corrected(), **wrong}), 400)
    assert only().status == "open"
    assert not Observation.objects.exists()


# replaying


def test_a_row_whose_rule_does_not_hold_any_more_is_accepted_as_it_came(keep: Keep, engineer: APIClient) -> None:
    keep()
    Series.objects.filter(slug="victoria").update(allows_export=True)
    answer = engineer.post(page("replay"), {})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], answer.json()["recorded"]) == ("replayed", [NEGATIVE])
    assert Observation.objects.get().value == -5.0


def test_a_row_that_still_breaks_its_rule_is_not_replayed(keep: Keep, engineer: APIClient, problem: Problem) -> None:
    keep()
    document = problem(engineer.post(page("replay"), {"reason": "try"}), 400)
    assert [error["rule"] for error in document["errors"]] == ["negative_load"]
    assert only().status == "open"
    assert not Observation.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        [],
        [{**NEGATIVE, "value": None}],
        [{**NEGATIVE, "value": 5.0}, {"series": "melbourne", "valid_time": None, "value": 1.0}],
    ],
)
def test_a_row_that_could_not_be_read_is_not_replayed(
    keep: Keep, engineer: APIClient, problem: Problem, values: list[dict[str, Any]]
) -> None:
    keep(bad(values=values))
    detail = problem(engineer.post(page("replay"), {}), 400)["detail"]
    assert "Change the source's options and read it again, or correct the row." in detail
    assert not Observation.objects.exists()


# dismissing, and being second


def test_a_dismissed_row_says_why(keep: Keep, engineer: APIClient) -> None:
    keep()
    row = engineer.post(page("dismiss"), {"reason": "a test of the meter"}).json()
    assert (row["status"], row["reason"], row["recorded"]) == ("dismissed", "a test of the meter", [])


@pytest.mark.parametrize(("verb", "body"), [("correct", corrected()), ("replay", {}), ("dismiss", {"reason": "no"})])
def test_who_comes_second_is_told_who_did_what(
    keep: Keep, engineer: APIClient, problem: Problem, verb: str, body: dict[str, Any]
) -> None:
    keep()
    engineer.post(page("dismiss"), {"reason": "a test of the meter"})
    detail = problem(engineer.post(page(verb), body), 409)["detail"]
    assert "was dismissed, by anna at" in detail
    assert "a test of the meter" in detail
    assert not Observation.objects.exists()


def test_the_same_request_with_its_key_is_answered_as_the_first(keep: Keep, engineer: APIClient) -> None:
    keep()
    first, again = (engineer.post(page("correct"), corrected(), headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("role", ["forecaster", "approver", "operator", "service"])
def test_only_engineers_decide_about_rows(
    keep: Keep, make_user: Callable[..., User], client_of: Callable[[User], APIClient], role: str
) -> None:
    keep()
    client = client_of(make_user(role, "somebody"))
    for verb, body in (("correct", corrected()), ("replay", {}), ("dismiss", {"reason": "no"})):
        assert client.post(page(verb), body).status_code == 403
    assert only().status == "open"


def test_there_is_no_row_of_another_number(engineer: APIClient, problem: Problem) -> None:
    for number in ("0", "nonsense", str(10**30)):
        problem(engineer.post(f"{URL}{number}/dismiss/", {"reason": "no"}), 404)


def test_a_row_is_not_resolved_without_somebody_who_did_it(keep: Keep) -> None:
    keep()
    with pytest.raises(IntegrityError, match="series_quarantine_resolved_by_somebody"), transaction.atomic():
        QuarantinedRow.objects.update(status="dismissed")


# rows of weather forecasts


@pytest.fixture
def forecasts(source: Source) -> None:
    source.kind = "open_meteo"
    source.options = {"dataset": "forecast", "columns": [{"series": "melbourne"}]}
    source.save()


@pytest.mark.usefixtures("forecasts")
def test_a_forecast_is_corrected_as_a_forecast_and_not_as_what_was_measured(keep: Keep, engineer: APIClient) -> None:
    keep(bad(rule="out_of_bounds", values=[]))
    value = {"series": "melbourne", "valid_time": "2014-11-01T06:00:00Z", "value": 21.5}
    sent = {"reason": "read off the page", "values": [{**value, "issue_time": "2014-11-01T00:00:00Z"}]}
    answer = engineer.post(page("correct"), sent)
    assert answer.status_code == 200, answer.content
    stored = WeatherForecast.objects.get()
    assert (stored.value, stored.issue_time) == (21.5, START)
    assert answer.json()["recorded"] == sent["values"]
    assert not Observation.objects.exists()


@pytest.mark.usefixtures("forecasts")
def test_a_forecast_without_its_issue_time_is_refused(keep: Keep, engineer: APIClient, problem: Problem) -> None:
    value = {"series": "melbourne", "valid_time": "2014-11-01T06:00:00Z", "value": 21.5}
    keep(bad(values=[value]))
    (error,) = problem(engineer.post(page("correct"), {"reason": "so", "values": [value]}), 400)["errors"]
    assert error["rule"] == "issue_time"
    problem(engineer.post(page("replay"), {}), 400)
    assert not Observation.objects.exists()
    assert not WeatherForecast.objects.exists()
