"""What a call does when the portal or the way to it fails: written once, tried again, or refused with a reason."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.portal import PortalUnavailable
from include.portal.errors import Problem
from include.portal.http import PortalHTTP
from portal.quality.models import CheckRun
from tests.include.town import END, START
from tests.include.wire import CUT, LOST, PASS, Answer, Wire, open_wire

CHECKED = {
    "series": "town",
    "stage": "data",
    "period_start": START.isoformat(),
    "period_end": END.isoformat(),
    "as_of": END.isoformat(),
    "airflow": {"dag_id": "some_dag", "run_id": "manual__1"},
    "results": [{"engine": "builtin", "name": "freshness", "status": "passed", "severity": "fatal"}],
}


@pytest.fixture
def fake() -> Iterator[Wire]:
    """A server in the portal's place that knows nothing but its script."""
    with open_wire() as wire:
        yield wire


@pytest.fixture
def pauses() -> list[float]:
    """How long the calls of a test waited between their attempts, in seconds; nobody really waits."""
    return []


@pytest.fixture
def http(pauses: list[float]) -> Iterator[Callable[..., PortalHTTP]]:
    """Opens clients of a server."""
    opened: list[PortalHTTP] = []

    def open_client(url: str, **options: Any) -> PortalHTTP:
        opened.append(PortalHTTP(url, **{"token": "t", "attempts": 4, "sleep": pauses.append, **options}))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


def test_a_write_whose_answer_is_lost_is_repeated_and_written_once(
    town: Callable[..., Path], http: Callable[..., PortalHTTP], wire: Wire, token: str
) -> None:
    town()
    wire.script(LOST, CUT, PASS)
    answer = http(wire.url, token=token).post_json("check-runs/", CHECKED)
    assert [run.pk for run in CheckRun.objects.all()] == [answer["id"]]
    assert len(wire.keys()) == 3
    assert len(set(wire.keys())) == 1


def test_the_same_write_of_another_run_is_written_anew(
    town: Callable[..., Path], http: Callable[..., PortalHTTP], wire: Wire, token: str
) -> None:
    town()
    ids = [
        http(wire.url, token=token, scope=run).post_json("check-runs/", CHECKED)["id"]
        for run in ("monday", "monday", "tuesday")
    ]
    assert ids[0] == ids[1] != ids[2]
    assert CheckRun.objects.count() == 2


def test_keys_differ_by_scope_path_query_and_body(http: Callable[..., PortalHTTP], fake: Wire) -> None:
    fake.script(*[Answer()] * 7)
    for scope, path, params, content in (
        ("a", "x/", {}, b"1"),
        ("b", "x/", {}, b"1"),
        ("a", "y/", {}, b"1"),
        ("a", "x/", {"at": "1"}, b"1"),
        ("a", "x/", {}, b"2"),
        ("ax", "/", {}, b"1"),
        ("a", "x/", {}, b"1"),
    ):
        http(fake.url, scope=scope).post(path, content=content, content_type="text/plain", params=params)
    assert len(set(fake.keys())) == 6
    assert fake.keys()[0] == fake.keys()[-1]


def test_a_key_does_not_depend_on_the_order_of_a_body(http: Callable[..., PortalHTTP], fake: Wire) -> None:
    fake.script(Answer(), Answer())
    http(fake.url).post_json("x/", {"a": 1, "b": 2})
    http(fake.url).post_json("x/", {"b": 2, "a": 1})
    assert len(set(fake.keys())) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_portal_is_asked_again_after_ever_longer_pauses(
    http: Callable[..., PortalHTTP], fake: Wire, pauses: list[float], status: int
) -> None:
    fake.script(*[Answer(status)] * 3, Answer(200, b'{"done": true}'))
    assert http(fake.url).get_json("series/") == {"done": True}
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("86400", 30.0), ("0", 0.0), ("soon", 0.5), ("-3", 0.5)])
def test_the_pause_that_the_portal_asks_for_is_kept_within_reason(
    http: Callable[..., PortalHTTP], fake: Wire, pauses: list[float], asked: str, waited: float
) -> None:
    fake.script(Answer(503, headers={"Retry-After": asked}), Answer())
    http(fake.url).get("series/")
    assert pauses == [waited]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (CUT, "disconnected"),
        (Answer(length=100), "peer closed connection"),
        (Answer(502), "502 Bad Gateway"),
        (Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}), "DecodingError"),
    ],
)
def test_a_portal_that_stays_away_is_given_up_after_the_attempts_with_the_last_trouble(
    http: Callable[..., PortalHTTP], fake: Wire, pauses: list[float], trouble: Answer | str, words: str
) -> None:
    fake.script(*[trouble] * 4)
    with pytest.raises(PortalUnavailable, match=rf"no answer to GET series/ in 4 attempts; last: .*{words}") as gone:
        http(fake.url).get("series/")
    assert fake.url in str(gone.value)
    assert len(fake.seen) == 4
    assert len(pauses) == 3, "nobody waits after the last attempt"


def test_a_closed_port_and_a_silent_server_are_unavailable(http: Callable[..., PortalHTTP]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(PortalUnavailable, match="ReadTimeout"):
            http(url, timeout_seconds=0.1, attempts=2).get("series/")
        assert time.monotonic() - begun < 30, "of the 60 that it would be without the setting"
    with pytest.raises(PortalUnavailable, match="ConnectError"):
        http(url, attempts=2).get("series/")


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413])
def test_a_refusal_is_not_tried_again(http: Callable[..., PortalHTTP], fake: Wire, status: int) -> None:
    fake.script(Answer(status, headers={"Location": "/elsewhere/"} if status == 301 else {}))
    with pytest.raises(Problem, match=f"refused GET /api/v1/series/ with {status}"):
        http(fake.url).get("series/")
    assert len(fake.seen) == 1


def test_a_success_that_is_no_answer_of_the_portal_is_none(
    http: Callable[..., PortalHTTP], fake: Wire, pauses: list[float]
) -> None:
    login = Answer(200, b"<html>Please log in</html>", kind="text/html")
    fake.script(*[login] * 12)
    client = http(fake.url)
    for call in (
        lambda: list(client.pages("x/")),
        lambda: client.post_json("x/", {}),
        lambda: client.get("x/", accept="application/vnd.apache.parquet"),
    ):
        with pytest.raises(PortalUnavailable, match="200 OK with text/html: something else than the portal answers"):
            call()
    assert len(set(fake.keys())) == 1
    fake.script(login, Answer(200, b"[7]"))
    assert client.get_json("x/") == [7], "a page of maintenance passes"


def test_a_body_that_is_no_json_is_refused_before_it_is_sent(http: Callable[..., PortalHTTP], fake: Wire) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        http(fake.url).post_json("x/", {"value": float("nan")})
    assert fake.seen == []


def test_a_list_is_read_to_its_end_by_the_query_of_each_next_link(http: Callable[..., PortalHTTP], fake: Wire) -> None:
    pages = [
        {"results": [{"n": 1}], "next": "https://portal.example.org/hidden/api/series/?page=2&quantity=load"},
        {"results": [], "next": "http://10.0.0.1/?page=3&quantity=load"},
        {"results": [{"n": 3}], "next": None},
    ]
    fake.script(*(Answer(200, json.dumps(page).encode()) for page in pages))
    assert list(http(fake.url).pages("series/", params={"quantity": "load"})) == [{"n": 1}, {"n": 3}]
    assert [seen.path for seen in fake.seen] == ["/api/v1/series/"] * 3
    assert [seen.query for seen in fake.seen] == [
        {"quantity": "load"},
        {"page": "2", "quantity": "load"},
        {"page": "3", "quantity": "load"},
    ]


def test_a_list_of_the_portal_is_read_through_whatever_stands_before_it(
    town: Callable[..., Path], http: Callable[..., PortalHTTP], wire: Wire, token: str
) -> None:
    town()
    found = http(wire.url, token=token).pages("series/", params={"page_size": 1})
    assert [series["slug"] for series in found] == ["town", "town-temperature"]
    assert len(wire.seen) == 2, "the portal's next link names its own address, and the call still takes this one"
