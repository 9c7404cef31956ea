"""Which errors are final, what a batch that failed says, and how the portal's refusals read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from include.errors import (
    BadArtifact,
    BatchFailed,
    BatchRefused,
    LibraryRefused,
    NothingKnown,
    NothingToDo,
    NothingToPublish,
    Refusal,
    raise_failures,
)
from include.portal import Conflict, InvalidRequest, NotFound, NotPermitted, Portal, PortalError, PortalUnavailable
from include.portal.errors import problem_of
from tests.include.facts import forecast_rows


def answer(status: int, **content: object) -> httpx.Response:
    request = httpx.Request("POST", "http://portal/api/v1/scores/bulk/?a=1")
    return httpx.Response(status, request=request, **content)  # type: ignore[arg-type]


def test_only_what_would_fail_again_is_a_refusal() -> None:
    assert not any(
        issubclass(kind, Refusal)
        for kind in (PortalUnavailable, NothingToDo, NothingToPublish, BadArtifact, BatchFailed)
    )
    assert all(issubclass(kind, Refusal) for kind in (BatchRefused, LibraryRefused, InvalidRequest, Conflict))
    assert all(issubclass(kind, PortalError) for kind in (PortalUnavailable, InvalidRequest, Conflict))


def test_no_failure_raises_nothing() -> None:
    raise_failures([])


def test_a_single_failure_is_raised_itself() -> None:
    error = NothingKnown("of town")
    with pytest.raises(NothingKnown) as raised:
        raise_failures([("town", error)])
    assert raised.value is error


def test_several_refusals_are_one_refusal_that_names_each() -> None:
    with pytest.raises(BatchRefused, match="2 series failed: town: no load; village: no model"):
        raise_failures([("town", NothingKnown("no load")), ("village", LibraryRefused("no model"))])


def test_a_failure_that_may_pass_makes_the_batch_one_to_try_again() -> None:
    with pytest.raises(BatchFailed, match="town: no load; village: 503"):
        raise_failures([("town", NothingKnown("no load")), ("village", PortalUnavailable("503"))])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, InvalidRequest),
        (400, InvalidRequest),
        (401, NotPermitted),
        (403, NotPermitted),
        (404, NotFound),
        (409, Conflict),
        (413, InvalidRequest),
        (418, InvalidRequest),
    ],
)
def test_a_status_decides_the_kind_of_a_refusal(status: int, kind: type[PortalError]) -> None:
    problem = problem_of(answer(status, json={"detail": "Not so.", "title": "T"}))
    assert type(problem) is kind
    assert problem.status == status
    assert str(problem) == f"The portal refused POST /api/v1/scores/bulk/ with {status}: Not so."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"text": "<h1>Gone</h1>"}, "<h1>Gone</h1>"),
        ({"text": "x" * 5000}, "x" * 300),
        ({"text": ""}, "Not Found"),
        ({"json": ["a"]}, '["a"]'),
        ({"json": {"title": "Gone"}}, "Gone"),
        ({"json": {"errors": None}}, "Not Found"),
        ({"json": {"detail": "Gone.", "errors": ["no object", 7]}}, "Gone."),
    ],
)
def test_an_answer_that_is_no_problem_document_is_still_readable(content: dict[str, object], words: str) -> None:
    assert str(problem_of(answer(404, **content))) == f"The portal refused POST /api/v1/scores/bulk/ with 404: {words}"


def test_each_fault_is_named_by_row_field_value_and_rule() -> None:
    errors = [
        {"row": 0, "field": "value", "value": 0, "rule": "negative", "message": "Not below."},
        {"field": "start", "rule": "period", "message": "Too late."},
        {"message": "Just so."},
    ]
    lines = str(problem_of(answer(400, json={"detail": "3 things.", "errors": errors}))).splitlines()
    assert lines[1:] == [
        "  row 0, field value, value 0: Not below. (negative)",
        "  field start: Too late. (period)",
        "  request: Just so. (?)",
    ]


def test_the_portals_refusal_of_rows_names_five_and_counts_the_rest(town: Callable[..., Path], portal: Portal) -> None:
    town()
    rows = forecast_rows(hours=4)
    median = rows["quantile"] == 0.5
    with pytest.raises(InvalidRequest) as refused:
        portal.publish(rows.assign(value=rows["value"].mask(median, 39.5)))
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("The portal refused POST /api/v1/forecasts/bulk/ with 400: 8 of 24 rows are wrong")
    pattern = r"  row \d+, field value, value 39\.5: value is below that of a lower quantile\. \(crossing\)"
    assert all(re.fullmatch(pattern, line) for line in lines[1:6])
    assert lines[6:] == ["  and 3 more"]
    assert len(refused.value.errors) == 8
