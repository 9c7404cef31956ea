"""Series, people in their roles, and clients that speak HTTP to the portal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from rest_framework.response import Response
from rest_framework.test import APIClient

from portal.core.access import ensure_groups
from portal.series.models import Series

HALF_HOUR = timedelta(minutes=30)
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"


@pytest.fixture
def make_series(db: None) -> Callable[..., Series]:
    """Makes a half-hourly load series in MW; every fact can be replaced."""

    def make(slug: str = "victoria", **facts: Any) -> Series:
        return Series.objects.create(
            **{
                "slug": slug,
                "name": slug.replace("-", " ").title(),
                "quantity": "load",
                "unit": "MW",
                "timezone": "Australia/Melbourne",
                "resolution": HALF_HOUR,
                **facts,
            }
        )

    return make


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Makes a person in a role (None: in none)."""

    def make(role: str | None, username: str | None = None, **facts: Any) -> User:
        groups = ensure_groups()
        user = User.objects.create_user(username or role or "nobody", **{"is_staff": True, **facts})
        if role is not None:
            user.groups.add(groups[role])
        return user

    return make


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """A client in this process that carries a token of the user."""

    def client(user: User) -> APIClient:
        api = APIClient()
        api.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(user)[1]}")
        return api

    return client


@pytest.fixture
def http_of(live_server: Any) -> Iterator[Callable[[User], httpx.Client]]:
    """A real HTTP client that carries a token of the user, against a live server."""
    opened: list[httpx.Client] = []

    def client(user: User) -> httpx.Client:
        token = AuthToken.objects.create(user)[1]
        http = httpx.Client(base_url=live_server.url, headers={"Authorization": f"Token {token}"}, timeout=30)
        opened.append(http)
        return http

    yield client
    for http in opened:
        http.close()


@pytest.fixture
def service(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    """A client with the token of the pipeline's account."""
    return client_of(make_user("service", "airflow"))


@pytest.fixture
def encode() -> Callable[..., tuple[bytes, str]]:
    """Makes a table a request body: its bytes and their content type."""

    def body(table: pa.Table, kind: str = "parquet") -> tuple[bytes, str]:
        sink = pa.BufferOutputStream()
        if kind == "parquet":
            pq.write_table(table, sink)
            return sink.getvalue().to_pybytes(), PARQUET
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes(), ARROW

    return body


@pytest.fixture
def send(encode: Callable[..., tuple[bytes, str]]) -> Callable[..., Response]:
    """Posts a table."""

    def post(client: APIClient, url: str, table: pa.Table, kind: str = "parquet", **headers: str) -> Response:
        body, content_type = encode(table, kind)
        return client.generic("POST", url, body, content_type=content_type, headers=headers)

    return post


@pytest.fixture
def problem() -> Callable[..., dict[str, Any]]:
    """Says that an answer is a problem document of a status, and gives it."""

    def document(response: Response, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.content
        assert response["Content-Type"] == "application/problem+json"
        answer = response.json()
        assert {"type", "title", "status", "detail"} <= set(answer)
        assert answer["status"] == status
        return answer

    return document
