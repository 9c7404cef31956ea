"""Whatever is sent to an endpoint that writes: a refusal names the place, the value and the rule, and nothing fails."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from portal.core.given import HIDDEN, LONGEST
from tests.portal.core import data_endpoints, decision_endpoints
from tests.portal.core.endpoints import LONG, NAIVE, NUL, Endpoint, make_world

ENDPOINTS = (*data_endpoints.ENDPOINTS, *decision_endpoints.ENDPOINTS)

TABLES = {
    "POST /api/v1/observations/bulk/": "the tests of refused rows and columns in tests/portal/series",
    "POST /api/v1/weather-forecasts/bulk/": "those beside them",
    "POST /api/v1/forecasts/bulk/": "the tests of publishing in tests/portal/forecasts",
    "PUT /api/v1/check-runs/{run_id}/reports/{name}": "the tests of reports in tests/portal/quality",
}
"""What takes bytes rather than JSON, and where its refusals are tested row by row."""
WITH_JSON = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]
NO_JSON = [b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": Infinity}', b'"\\ud800"', b"[" * 100_000, b"[1] [2]"]
HOSTILE = [
    *(None, True, -1, 1.5, 10**30, 2**63, "", "NaN", "Infinity", "atlantis", NUL, LONG, NAIVE),
    *([], {}, [[1]], {"a": {"b": 1}}, ["a", "a"], [None], {"series": 1}, [{"series": LONG, "reason": NUL}]),
]
Send = Callable[..., Any]


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_superuser("somebody")


@pytest.fixture
def world(person: User) -> dict[str, Any]:
    return make_world(person)


@pytest.fixture
def send(world: dict[str, Any], person: User, client_of: Callable[[User], APIClient]) -> Send:
    """Sends bytes to an endpoint, and takes back whatever they did."""
    client = client_of(person)
    client.raise_request_exception = False

    def request(endpoint: Endpoint, body: Any, content_type: str = "application/json") -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        with transaction.atomic():
            answer: Any = client.generic(endpoint.method, endpoint.url(world), sent, content_type=content_type)
            transaction.set_rollback(True)
        return answer

    return request


def put(body: Any, place: str, value: Any) -> Any:
    """The body with another value at a place."""
    changed = copy.deepcopy(body)
    *way, last = place.split(".")
    target = changed
    for step in way:
        target = target[int(step) if isinstance(target, list) else step]
    target[int(last) if isinstance(target, list) else last] = value
    return changed


def places(body: Any, path: str = "") -> Iterator[str]:
    """Where in a body there is something, from the outside in."""
    for name, value in body.items() if isinstance(body, dict) else enumerate(body):
        here = f"{path}.{name}".removeprefix(".")
        yield here
        if isinstance(value, dict | list):
            yield from places(value, here)


def place_of(error: dict[str, Any]) -> str:
    return ".".join(str(error[name]) for name in ("row", "field") if name in error)


def repeats(error: dict[str, Any], value: Any) -> bool:
    """Whether the error repeats a value, shortened where it is long."""
    if isinstance(value, str) and len(value) > LONGEST:
        return str(error["value"]).startswith(value[:LONGEST]) and len(error["value"]) < LONGEST + 50
    if isinstance(value, float | int) and not isinstance(value, bool):
        return error["value"] == pytest.approx(value)
    return error["value"] == value or len(json.dumps(value)) > LONGEST


def refusal(answer: Any) -> dict[str, Any]:
    """The problem document of a refusal, which is short however long the request was."""
    assert answer["Content-Type"] == "application/problem+json"
    assert len(answer.content) < 20_000
    document: dict[str, Any] = answer.json()
    for error in document.get("errors", ()):
        assert error["rule"]
        assert error["message"]
        assert len(error["message"]) < 2 * LONGEST + 400
    return document


def test_each_operation_that_writes_is_here() -> None:
    schema: Any = Client().get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    schema = schema.json()
    there = {
        f"{method.upper()} {path}"
        for path, operations in schema["paths"].items()
        for method in operations
        if method in ("post", "put", "patch", "delete")
    }
    assert {str(endpoint) for endpoint in ENDPOINTS} == there
    with_body = {
        f"{method.upper()} {path}"
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict) and "requestBody" in operation
    }
    assert {str(endpoint) for endpoint in WITH_JSON} == with_body - set(TABLES)


@pytest.mark.parametrize("endpoint", WITH_JSON, ids=str)
def test_the_body_that_the_broken_ones_are_made_of_is_sound(
    send: Send, world: dict[str, Any], endpoint: Endpoint
) -> None:
    answer = send(endpoint, endpoint.valid(world))
    assert answer.status_code == endpoint.taken, answer.content


@pytest.mark.parametrize("endpoint", WITH_JSON, ids=str)
def test_a_broken_body_is_refused_with_the_place_the_value_and_the_rule(
    send: Send, world: dict[str, Any], endpoint: Endpoint
) -> None:
    wrong = []
    for place, value, rule in endpoint.cases:
        answer = send(endpoint, put(endpoint.valid(world), place, value))
        document = refusal(answer)
        found = [error for error in document.get("errors", ()) if place_of(error).startswith(place)]
        told = [repeats(error, value) if place_of(error) == place else "value" in error for error in found]
        if answer.status_code != 400 or [error["rule"] for error in found] != [rule] or told != [True]:
            wrong.append((place, value, document))
    assert not wrong


@pytest.mark.parametrize("endpoint", WITH_JSON, ids=str)
def test_nothing_that_is_put_anywhere_in_a_body_fails_or_is_refused_without_a_place(
    send: Send, world: dict[str, Any], endpoint: Endpoint
) -> None:
    body, wrong = endpoint.valid(world), []
    for place in places(body):
        for value in HOSTILE:
            answer = send(endpoint, put(body, place, value))
            if answer.status_code < 400:
                continue
            errors = refusal(answer).get("errors", [])
            is_told = answer.status_code in (403, 409) or errors or endpoint.taken == 400
            is_repeated = all(repeats(error, value) for error in errors if place_of(error) == place)
            if answer.status_code not in (400, 403, 409) or not (is_told and is_repeated):
                wrong.append((place, value, answer.content))
    assert not wrong


@pytest.mark.parametrize("endpoint", WITH_JSON, ids=str)
def test_what_is_no_json_of_the_right_shape_and_type_is_refused_in_words(send: Send, endpoint: Endpoint) -> None:
    for text in NO_JSON:
        answer = send(endpoint, text)
        assert answer.status_code == 400, (text[:9], answer.content)
        assert refusal(answer)["detail"]
    shapes: tuple[Any, ...] = ("a text", 7, None, True, [[]], {"0": {}})
    for body in shapes:
        answer = send(endpoint, body)
        assert answer.status_code == 400, (body, answer.content)
        assert refusal(answer)["errors"], body
    for content_type in ("text/csv", "application/vnd.apache.parquet", "multipart/form-data"):
        answer = send(endpoint, b"a,b\n1,2\n", content_type)
        assert answer.status_code == 415, (content_type, answer.content)
        assert content_type in refusal(answer)["detail"]


@pytest.mark.parametrize("endpoint", WITH_JSON, ids=str)
def test_a_field_that_there_is_not_is_refused_and_one_that_names_a_secret_is_not_repeated(
    send: Send, world: dict[str, Any], endpoint: Endpoint
) -> None:
    place = "0.api_token" if isinstance(endpoint.body, list) else "api_token"
    answer = send(endpoint, put(endpoint.valid(world), place, "hunter2"))
    assert answer.status_code == 400, answer.content
    (error,) = refusal(answer)["errors"]
    assert (place_of(error), error["value"], error["rule"]) == (place, HIDDEN, "unknown_field")
    assert b"hunter2" not in answer.content


@pytest.mark.parametrize(
    "value", ["postgres://olga:hunter2@db/x", {"url": "a://b:hunter2@c"}, [{"password": "hunter2"}]]
)
def test_a_secret_in_a_value_is_not_repeated(send: Send, world: dict[str, Any], value: Any) -> None:
    endpoint = next(endpoint for endpoint in ENDPOINTS if str(endpoint) == "POST /api/v1/series/")
    for place in ("quantity", "external_forecast", "latitude", "covariates.0.series", "timezone"):
        answer = send(endpoint, put(endpoint.valid(world), place, value))
        assert answer.status_code == 400, answer.content
        assert place in {place_of(error) for error in refusal(answer)["errors"]}
        assert b"hunter2" not in answer.content
