"""Rows that the pipeline could not read, kept as they came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.series.models import QuarantinedRow, Source

BULK, LIST = "/api/v1/quarantine/bulk/", "/api/v1/quarantine/"
Problem = Callable[..., dict[str, Any]]
RAW = ["2014-11-01 00:00", "n/a", {"odd": "\u0000 and ü"}, None]


@pytest.fixture(autouse=True)
def _sources(db: None) -> None:
    for slug in ("archive", "live"):
        Source.objects.create(slug=slug, name=slug, url=f"{slug}.csv")


def body(*rows: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"source": "archive", "file": "archive.csv", "rows": list(rows or [row()]), **facts}


def row(**facts: Any) -> dict[str, Any]:
    return {"row": 7, "raw": RAW, "rule": "not_a_number", "message": "n/a is not a number", **facts}


def test_a_bad_row_is_kept_as_it_came(service: APIClient) -> None:
    response = service.post(BULK, body())
    assert response.status_code == 200, response.content
    assert response.json() == {"received": 1, "inserted": 1, "unchanged": 0}
    (kept,) = service.get(LIST).json()["results"]
    assert {**row(), "source": "archive", "file": "archive.csv"}.items() <= kept.items()
    assert kept["recorded_at"].endswith("Z")


def test_the_same_row_is_counted_once(service: APIClient) -> None:
    service.post(BULK, body())
    assert service.post(BULK, body()).json() == {"received": 1, "inserted": 0, "unchanged": 1}
    answer = service.post(BULK, body(row(), row(), row(row=8))).json()
    assert answer == {"received": 3, "inserted": 1, "unchanged": 2}
    assert QuarantinedRow.objects.count() == 2


@pytest.mark.parametrize(
    "other",
    [
        body(source="live"),
        body(file="another.csv"),
        body(row(row=8)),
        body(row(rule="missing")),
        body(row(raw=[])),
        body(row(raw=None)),
    ],
)
def test_a_row_that_differs_in_source_file_row_rule_or_raw_is_another(
    service: APIClient, other: dict[str, Any]
) -> None:
    service.post(BULK, body())
    assert service.post(BULK, other).json()["inserted"] == 1


def test_another_wording_of_the_message_is_no_other_row(service: APIClient) -> None:
    service.post(BULK, body())
    assert service.post(BULK, body(row(message="reworded"))).json()["inserted"] == 0


def test_no_bad_rows_are_no_trouble(service: APIClient) -> None:
    answer = service.post(BULK, {"source": "archive", "file": "archive.csv", "rows": []})
    assert answer.json() == {"received": 0, "inserted": 0, "unchanged": 0}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (body(source="nowhere"), "source"),
        (body(file=""), "file"),
        (body(row(row=-1)), "rows"),
        (body(row(row=2**63)), "rows"),
        (body(row(rule="")), "rows"),
        (body(row(rule="x" * 65)), "rows"),
        (body(rows="x"), "rows"),
        ({"source": "archive", "file": "a", "rows": [{"row": 1}]}, "rows"),
    ],
)
def test_a_body_of_another_form_is_a_400_and_keeps_nothing(
    service: APIClient, problem: Problem, wrong: dict[str, Any], field: str
) -> None:
    document = problem(service.post(BULK, wrong), 400)
    assert {error["field"].split(".")[0] for error in document["errors"]} == {field}
    assert not QuarantinedRow.objects.exists()


def test_the_list_narrows_by_source_rule_and_file(service: APIClient) -> None:
    service.post(BULK, body(row(), row(row=8, rule="missing")))
    service.post(BULK, body(source="live", file="live.csv"))

    def rows(**query: str) -> list[tuple[str, int]]:
        return [(kept["source"], kept["row"]) for kept in service.get(LIST, query).json()["results"]]

    assert rows() == [("live", 7), ("archive", 8), ("archive", 7)]
    assert rows(source="live") == [("live", 7)]
    assert rows(rule="missing") == [("archive", 8)]
    assert rows(file="archive.csv", rule="not_a_number") == [("archive", 7)]
