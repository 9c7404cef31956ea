"""Every refusal of the API is an RFC 9457 problem document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.series.models import Series

SERIES = "/api/v1/series/"
BULK = "/api/v1/observations/bulk/"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def api(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(make_user("data_engineer"))


def test_without_a_login_the_answer_is_a_401_that_says_how_to_log_in(db: None, problem: Problem) -> None:
    response = APIClient().get(SERIES)
    problem(response, 401)
    assert response["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("token", ["nonsense", "a" * 64, "ü" * 8, "x x", "a" * 5000])
def test_a_token_that_is_none_is_a_401(db: None, problem: Problem, token: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    problem(client.get(SERIES), 401)


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"', b"[" * 100_000, b'{"slug": "a"} trailing'],
    ids=["open", "empty", "bytes", "nan", "surrogate", "deep", "trailing"],
)
def test_a_body_that_is_not_json_is_a_400(api: APIClient, problem: Problem, body: bytes) -> None:
    problem(api.generic("POST", SERIES, body, content_type="application/json"), 400)


@pytest.mark.parametrize("body", [[], "text", 1, None])
def test_json_of_another_shape_is_a_400(api: APIClient, problem: Problem, body: object) -> None:
    problem(api.post(SERIES, body, format="json"), 400)


def test_each_bad_field_is_named_with_its_rule(api: APIClient, problem: Problem) -> None:
    body = {
        "slug": "a b",
        "name": "A",
        "quantity": "rain",
        "unit": "MW",
        "timezone": "Mars/Olympus",
        "resolution": "PT7M",
    }
    errors = {error["field"]: error["rule"] for error in problem(api.post(SERIES, body), 400)["errors"]}
    assert errors == {
        "slug": "invalid",
        "quantity": "invalid_choice",
        "timezone": "timezone",
        "resolution": "resolution",
    }


def test_a_missing_permission_is_a_403_that_names_it(service: APIClient, problem: Problem) -> None:
    assert "series.add_series" in problem(service.post(SERIES, {}), 403)["detail"]


@pytest.mark.parametrize(
    "path", ["/api/v1/series/atlantis/", "/api/v1/nothing/", "/api/none", "/api/v1/forecast-runs/999999999999999999/"]
)
def test_what_is_not_there_is_a_404(api: APIClient, problem: Problem, path: str) -> None:
    problem(api.get(path), 404)


def test_outside_the_api_a_404_is_a_page(api: APIClient) -> None:
    response = api.get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", SERIES), ("PUT", f"{SERIES}victoria/"), ("GET", BULK), ("PATCH", "/api/v1/scores/")]
)
def test_an_unserved_method_is_a_405(
    api: APIClient, make_series: Callable[..., Series], problem: Problem, method: str, path: str
) -> None:
    make_series("victoria")
    response = api.generic(method, path, b"{}", content_type="application/json")
    problem(response, 405)
    assert response["Allow"]


@pytest.mark.parametrize("accept", ["text/csv", "application/xml", "image/png"])
def test_a_form_that_is_not_served_is_a_406(
    api: APIClient, make_series: Callable[..., Series], problem: Problem, accept: str
) -> None:
    make_series("victoria")
    problem(api.get(f"{SERIES}victoria/observations/", headers={"Accept": accept}), 406)


def test_a_refusal_is_readable_whatever_form_was_asked_for(api: APIClient, problem: Problem) -> None:
    problem(api.get(f"{SERIES}atlantis/observations/", headers={"Accept": PARQUET}), 404)


@pytest.mark.parametrize(
    ("url", "content_type"),
    [(SERIES, "text/csv"), (SERIES, PARQUET), (SERIES, "multipart/form-data; boundary=x"), (BULK, "application/json")],
)
def test_a_body_of_another_form_is_a_415(
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
    problem: Problem,
    url: str,
    content_type: str,
) -> None:
    client = client_of(make_user("service" if url == BULK else "data_engineer"))
    problem(client.generic("POST", url, b"a,b\n1,2\n", content_type=content_type), 415)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["plain", "with a key"])
@pytest.mark.parametrize("content_type", [PARQUET, ARROW, "application/json"])
def test_a_body_over_the_limit_is_a_413(
    make_user: Callable[..., User],
    client_of: Callable[[User], APIClient],
    problem: Problem,
    settings: Settings,
    content_type: str,
    headers: dict[str, str],
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    is_json = content_type == "application/json"
    client = client_of(make_user("data_engineer" if is_json else "service"))
    body = b'{"slug": "' + b"x" * 200 + b'"}'
    response = client.generic("POST", SERIES if is_json else BULK, body, content_type=content_type, headers=headers)
    problem(response, 413)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_table_of_more_rows_than_the_limit_is_a_413(
    service: APIClient, send: Callable[..., Response], problem: Problem, settings: Settings, kind: str
) -> None:
    settings.BULK_ROW_LIMIT = 1000
    document = problem(send(service, BULK, pa.table({"value": [0.0] * 1001}), kind), 413)
    assert "1,000 rows" in document["detail"]


def test_a_text_that_postgresql_cannot_hold_is_a_400(api: APIClient, problem: Problem) -> None:
    body = {
        "slug": "a",
        "name": "nul \x00",
        "quantity": "load",
        "unit": "MW",
        "timezone": "UTC",
        "resolution": "PT30M",
    }
    problem(api.post(SERIES, body), 400)


@pytest.mark.parametrize("value", ["yesterday", "2014-11-02", "2014-11-02T00:00:00", "2500-01-01T00:00:00Z", ""])
def test_a_time_in_the_query_that_cannot_be_placed_is_a_400_that_names_it(
    api: APIClient, make_series: Callable[..., Series], problem: Problem, value: str
) -> None:
    make_series("victoria")
    document = problem(api.get(f"{SERIES}victoria/observations/", {"as_of": value}), 400)
    assert document["errors"][0]["field"] == "as_of"


@pytest.mark.parametrize("page", ["0", "x", "99999"])
def test_a_page_that_is_not_there_is_a_404(api: APIClient, problem: Problem, page: str) -> None:
    problem(api.get(SERIES, {"page": page}), 404)


def test_a_list_is_paged_with_its_count_and_neighbours(api: APIClient, make_series: Callable[..., Series]) -> None:
    for number in range(5):
        make_series(f"s{number}")
    page = api.get(SERIES, {"page_size": 2, "page": 2}).json()
    assert page["count"] == 5
    assert [series["slug"] for series in page["results"]] == ["s2", "s3"]
    assert "page=3" in page["next"]
    assert "page_size=2" in page["previous"]
