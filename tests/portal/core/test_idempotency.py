"""A write that is sent twice with one Idempotency-Key happens once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from portal.core import idempotency
from portal.core.models import IdempotencyRecord
from portal.core.tasks import forget_idempotency_keys
from portal.series.models import Series

SERIES = "/api/v1/series/"
Problem = Callable[..., dict[str, Any]]


def facts(slug: str = "victoria", **changes: Any) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": "Victoria",
        "quantity": "load",
        "unit": "MW",
        "timezone": "Australia/Melbourne",
        "resolution": "PT30M",
        **changes,
    }


@pytest.fixture
def engineer(make_user: Callable[..., User]) -> User:
    return make_user("data_engineer")


@pytest.fixture
def api(engineer: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(engineer)


def keyed(client: APIClient, key: str, **changes: Any) -> Any:
    return client.post(SERIES, facts(**changes), headers={"Idempotency-Key": key})


def test_the_same_key_and_body_give_the_first_answer_again(api: APIClient) -> None:
    first, again = keyed(api, "k"), keyed(api, "k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert Series.objects.count() == 1


def test_the_first_answer_stays_even_where_the_world_has_moved_on(api: APIClient) -> None:
    first = keyed(api, "k")
    assert api.patch(f"{SERIES}victoria/", {"name": "Renamed"}).status_code == 200
    assert keyed(api, "k").json() == first.json()


def test_the_same_key_with_another_body_is_a_409_and_writes_nothing(api: APIClient, problem: Problem) -> None:
    keyed(api, "k")
    assert "Idempotency-Key" in problem(keyed(api, "k", slug="elsewhere"), 409)["detail"]
    assert Series.objects.get().slug == "victoria"


def test_the_same_key_with_another_query_is_a_409(api: APIClient, problem: Problem) -> None:
    keyed(api, "k")
    problem(api.post(f"{SERIES}?x=1", facts(), headers={"Idempotency-Key": "k"}), 409)


def test_a_refused_request_leaves_its_key_free(api: APIClient, problem: Problem) -> None:
    problem(keyed(api, "k", timezone="Mars/Olympus"), 400)
    assert not IdempotencyRecord.objects.exists()
    assert keyed(api, "k").status_code == 201


def test_a_key_belongs_to_its_user(
    api: APIClient, make_user: Callable[..., User], client_of: Callable[[User], APIClient]
) -> None:
    keyed(api, "k")
    other = client_of(make_user("data_engineer", "second"))
    answer = keyed(other, "k", slug="elsewhere")
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "tab\there"])
def test_a_key_that_cannot_be_one_is_a_400(api: APIClient, problem: Problem, key: str) -> None:
    assert "1 to 255 printable characters" in problem(keyed(api, key), 400)["detail"]
    assert not Series.objects.exists()


def test_keys_are_forgotten_after_their_time_and_not_before(api: APIClient) -> None:
    keyed(api, "old")
    keyed(api, "new", slug="elsewhere")
    IdempotencyRecord.objects.filter(key="old").update(
        recorded_at=timezone.now() - idempotency.retention() - timedelta(minutes=1)
    )
    assert forget_idempotency_keys() == 1
    assert IdempotencyRecord.objects.get().key == "new"


def hold_series() -> psycopg.Connection:
    """A connection whose transaction keeps everybody else from adding series."""
    holder = psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": None, "context": None})
    holder.execute("LOCK TABLE series_series IN SHARE ROW EXCLUSIVE MODE")
    return holder


def wait_for_waiters(count: int) -> None:
    """Return when that many connections wait for a lock. Fails after two minutes."""
    for _ in range(2400):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN"
                " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
            )
            if cursor.fetchone() == (count,):
                return
        time.sleep(0.05)
    pytest.fail(f"not {count} connections came to wait")


def test_two_requests_at_once_with_one_key_write_once(
    http_of: Callable[[User], httpx.Client], make_user: Callable[..., User]
) -> None:
    http = http_of(make_user("data_engineer"))
    holder = hold_series()
    with ThreadPoolExecutor(2) as pool:
        answers = [
            pool.submit(http.post, SERIES, json=facts(), headers={"Idempotency-Key": "together"}) for _ in range(2)
        ]
        try:
            wait_for_waiters(2)
        finally:
            holder.rollback()
            holder.close()
        first, second = (answer.result() for answer in answers)
    assert (first.status_code, second.status_code) == (201, 201), (first.text, second.text)
    assert first.json() == second.json()
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in (first, second)]
    assert sorted(replayed, key=str) == [None, "true"]
    assert Series.objects.count() == 1


def test_a_request_whose_twin_takes_too_long_is_told_to_come_again(
    http_of: Callable[[User], httpx.Client], make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PATIENCE", timedelta(seconds=1))
    http = http_of(make_user("data_engineer"))
    holder = hold_series()
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(http.post(SERIES, json=facts(), headers={"Idempotency-Key": "together"}))

    threads = [threading.Thread(target=post) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(2400):  # the first is held, so whoever is answered is the other
            if answers:
                break
            time.sleep(0.05)
    finally:
        holder.rollback()
        holder.close()
        for thread in threads:
            thread.join()
    impatient, first = answers
    assert (impatient.status_code, impatient.headers["Retry-After"]) == (409, "10")
    assert first.status_code == 201
