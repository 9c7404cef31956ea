"""Servers of one's own: a wrong URL is named before anything waits for it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable

import pytest

from stack.errors import StackError
from stack.services import check_broker, check_database_url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://someone:secret@127.0.0.1/x", "starts with 'mysql'"),
        ("postgresql+psycopg2://someone:secret@127.0.0.1/x", r"starts with 'postgresql\+psycopg2'"),
        ("postgresql://someone:secret@127.0.0.1:5432", "names no database"),
        ("postgresql://someone:sec#ret@127.0.0.1:5432/x", "names no database.*as %XX"),
        ("postgresql://someone:secret@127.0.0.1/x?nonsense=1", "cannot be read.*nonsense"),
        ("postgresql://someone:secret@[::1/x", "cannot be read"),
    ],
)
def test_a_database_url_that_cannot_be_one_is_named_without_its_password(url: str, words: str) -> None:
    with pytest.raises(StackError, match=f"DATABASE_URL {words}") as refused:
        check_database_url(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_database_url_with_all_it_may_have_is_taken(scheme: str) -> None:
    check_database_url(f"{scheme}://someone:a%23b@db.example:5433/name?sslmode=require")


def test_a_broker_that_answers_is_taken() -> None:
    check_broker(os.environ["REDIS_URL"])


def test_a_broker_that_is_down_is_named_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(StackError, match=rf"the broker on {where} \(REDIS_URL\).*refused") as refused:
            check_broker(f"redis://:secret@{where}/0")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda url: url.replace("redis://", "http://"), "starts with 'http'"),
        (lambda url: url.rpartition("/")[0] + "/9999", "(REDIS_URL) cannot be used: .*out of range"),
        (lambda url: "redis://:wrong@" + url.rpartition("@")[2], "(REDIS_URL) cannot be used"),
        (lambda url: "redis://127.0.0.1:port/0", "cannot be read"),
    ],
    ids=["scheme", "number", "password", "port"],
)
def test_a_broker_that_refuses_is_named(broken: Callable[[str], str], words: str) -> None:
    with pytest.raises(StackError, match=re.escape(words).replace(r"\.\*", ".*")):
        check_broker(broken(os.environ["REDIS_URL"]))
