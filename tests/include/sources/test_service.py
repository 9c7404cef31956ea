"""A service that is busy is waited for, one that refuses is quoted, and its key is told to nobody."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from include.errors import SourceError, SourceUnavailable
from include.sources import service as module
from include.sources.service import Answer as Told
from include.sources.service import Service
from tests.include.sources.requests import IMPATIENT, SECRET
from tests.include.wire import CUT, Answer, Wire, open_wire


@pytest.fixture
def fake() -> Iterator[Wire]:
    """A service that knows nothing but its script."""
    with open_wire() as wire:
        yield wire


@pytest.fixture
def pauses() -> list[float]:
    """How long was waited; nobody really waits."""
    return []


@pytest.fixture
def ask(fake: Wire, pauses: list[float]) -> Iterator[Callable[..., Any]]:
    """Asks the service for JSON."""
    with ExitStack() as opened:

        def ask(*, times: int = 1, url: str = fake.url, **facts: Any) -> Any:
            facts = {"settings": IMPATIENT, "secret": SECRET, "sleep": pauses.append, **facts}
            service = opened.enter_context(Service("Some service", url, **facts))
            return [service.get_json("data/", {"api_key": SECRET, "n": n}) for n in range(times)][-1]

        yield ask


@pytest.mark.parametrize(
    "trouble",
    [
        CUT,
        Answer(length=100),
        Answer(429),
        Answer(503),
        Answer(body=b'{"data": [1, 2'),
        Answer(body=b""),
        Answer(body=b"<html>Maintenance</html>", kind="text/html"),
        Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    ],
)
def test_what_may_pass_is_asked_for_again_after_ever_longer_pauses(
    fake: Wire, ask: Callable[..., Any], pauses: list[float], trouble: Answer | str
) -> None:
    fake.script(trouble, trouble, Answer(body=b'{"data": 1}'))
    assert ask() == {"data": 1}
    assert 0.01 <= pauses[0] <= 0.0125, "the pause, and up to a quarter more"
    assert 0.02 <= pauses[1] <= 0.025


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (CUT, "disconnected"),
        (Answer(503, b"<h1>Down for\n repair</h1>", kind="text/html"), "503: Down for repair"),
        (Answer(body=b"{"), "no JSON"),
        (Answer(body=b"[" * 100_000), "no JSON"),
        (Answer(body=b"x", kind="text/html; charset=utf-8"), "200 with text/html instead of application/json"),
        (Answer(body=b"x", kind=""), "200 with no content type"),
    ],
)
def test_a_service_that_stays_away_is_unavailable(
    fake: Wire, ask: Callable[..., Any], trouble: Answer | str, says: str
) -> None:
    fake.script(*[trouble] * 3)
    with pytest.raises(SourceUnavailable, match=says) as gone:
        ask()
    assert "Some service at 127.0.0.1 gave no answer to GET /data/ of Some service in 3 attempts" in str(gone.value)
    assert len(fake.seen) == 3


def test_a_silent_service_and_one_that_never_ends_are_unavailable(fake: Wire, ask: Callable[..., Any]) -> None:
    quick = IMPATIENT.model_copy(update={"source_timeout_seconds": 0.1, "source_attempts": 1})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match="ReadTimeout"):
            ask(url=url, settings=quick)
    with pytest.raises(SourceUnavailable, match="ConnectError"):
        ask(url=url, settings=quick)
    fake.script(Answer(body=b"1" * 30, pause=0.05, pieces=30))
    with pytest.raises(SourceUnavailable, match="does not come to an end"):
        ask(settings=quick)


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 26 Nov 2026 14:00:20 GMT", "Date": "Thu, 26 Nov 2026 14:00:00 GMT"}, 20.0),
        ({"Retry-After": "Thu, 26 Nov 2026 13:00:00 GMT", "Date": "Thu, 26 Nov 2026 14:00:00 GMT"}, 0.0),
    ],
)
def test_the_pause_that_is_asked_for_is_kept(
    fake: Wire, ask: Callable[..., Any], pauses: list[float], headers: dict[str, str], waited: float
) -> None:
    fake.script(Answer(429, headers=headers), Answer())
    ask()
    assert pauses == [waited]


def test_who_is_told_to_come_back_much_later_does_not_wait(
    fake: Wire, ask: Callable[..., Any], pauses: list[float]
) -> None:
    fake.script(Answer(429, b'{"reason": "Hourly limit"}', headers={"Retry-After": "3600"}))
    with pytest.raises(SourceUnavailable, match="come back in 3600 s; it said 429: Hourly limit"):
        ask()
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, b'{"error": "Invalid frequency.", "code": 400}', "400: Invalid frequency."),
        (403, b'{"error": {"code": "API_KEY_INVALID", "message": "Not a key"}}', "403: API_KEY_INVALID: Not a key"),
        (400, b'{"error": true, "reason": "Out of range"}', "400: Out of range"),
        (404, b"<html><b>Not here</b></html>", "404: Not here"),
        (401, b"", "401: no reason"),
        (410, b"x" * 5000, "410: x+…"),
        (302, b"", "is elsewhere"),
    ],
)
def test_a_refusal_is_quoted_and_not_asked_for_again(
    fake: Wire, ask: Callable[..., Any], status: int, body: bytes, says: str
) -> None:
    fake.script(Answer(status, body))
    with pytest.raises(SourceError, match=says):
        ask()
    assert len(fake.seen) == 1


def test_an_answer_without_end_is_not_kept_in_memory(
    fake: Wire, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_ANSWER_BYTES", 2**20)
    fake.script(Answer(body=b"1" * 2**21))
    with pytest.raises(SourceError, match="more than 1 MiB"):
        ask()


def test_requests_are_kept_apart(fake: Wire, ask: Callable[..., Any], pauses: list[float]) -> None:
    fake.script(*[Answer()] * 3)
    ask(times=3, seconds_between=10)
    assert len(pauses) == 2
    assert all(9 < pause <= 10 for pause in pauses)


@pytest.mark.parametrize("step", [Answer(503, SECRET.encode()), Answer(400, SECRET.encode()), CUT, Answer()])
def test_the_key_is_in_no_message_and_no_log(
    fake: Wire, ask: Callable[..., Any], caplog: pytest.LogCaptureFixture, step: Answer | str
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # which others hold to warnings
    fake.script(*[step] * 3)
    told = ""
    try:
        ask()
    except (SourceError, SourceUnavailable) as error:
        told = "".join(traceback.format_exception(error))
    assert SECRET not in told
    spellings = (SECRET, str(httpx.QueryParams({"k": SECRET}))[2:])
    assert all(len(spelling) > 20 for spelling in spellings)
    assert not [text for text in caplog.messages for spelling in spellings if spelling in text]
    assert [text for text in caplog.messages if "api_key=***" in text] or step == CUT, "httpx tells the address"


def test_what_a_service_says_is_read_from_any_body() -> None:
    assert Told(400, b"[1]", httpx.Headers()).words == "[1]"
    assert Told(400, b"\xff\xfe", httpx.Headers()).words == "��"
