"""A loopback server in another's place or before it: it does what its script says, then passes everything on."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx


@dataclass(frozen=True)
class Answer:
    """An answer of the wire itself; the portal never sees the request. `length` may promise more than is sent.

    The body comes in pieces where there is a `pause`, so many seconds before each.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    length: int | None = None
    pause: float = 0.0
    pieces: int = 1


PASS = "pass"
"""The portal is asked, and its answer is given."""
LOST = "lost"
"""The portal is asked and does its work, but its answer is lost: 503."""
CUT = "cut"
"""The connection is closed without an answer."""


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    pairs: list[tuple[str, str]] = field(default_factory=list)
    """The query where a name comes more than once."""


class Wire:
    """`url` is its address, `seen` the requests so far. What comes after the script is passed on."""

    def __init__(self, url: str, script: deque[Answer | str]) -> None:
        self.url = url
        self._script = script
        self.seen: list[Seen] = []

    def script(self, *steps: Answer | str) -> None:
        """What happens to the next requests, one step each."""
        self._script.extend(steps)

    def keys(self) -> list[str]:
        """The Idempotency-Keys of the writes so far."""
        return [seen.headers["Idempotency-Key"] for seen in self.seen if "Idempotency-Key" in seen.headers]


@contextmanager
def open_wire(
    upstream: str | None = None, *, service: Callable[[Seen], Answer] = lambda seen: Answer(404)
) -> Iterator[Wire]:
    """A wire to `upstream`, on a port of its own; without one, `service` answers what is not in the script."""
    script: deque[Answer | str] = deque()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: apart, the second waits 40 ms for the first to be acknowledged

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = httpx.URL(self.path)
            seen = Seen(self.command, url.path, dict(url.params), dict(self.headers), url.params.multi_items())
            wire.seen.append(seen)
            step = script.popleft() if script else PASS
            if step == CUT:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            answer = step if isinstance(step, Answer) else self._ask(seen, body)
            self._give(Answer(503) if step == LOST else answer)

        do_GET = do_POST = do_PUT = do_PATCH = handle_one  # noqa: N815 - the names that http.server looks for

        def _ask(self, seen: Seen, body: bytes) -> Answer:
            if upstream is None:
                return service(seen)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            response = client.request(self.command, f"{upstream}{self.path}", content=body, headers=headers)
            return Answer(response.status_code, response.content, kind=response.headers.get("Content-Type", ""))

        def _give(self, answer: Answer) -> None:
            # Not by send_response, which always adds the Date of now.
            self.send_response_only(answer.status)
            length = len(answer.body) if answer.length is None else answer.length
            told = {
                "Date": self.date_time_string(),
                "Content-Type": answer.kind,
                "Content-Length": str(length),
                **answer.headers,
            }
            for name, value in told.items():
                self.send_header(name, value)
            self.end_headers()
            size = max(-(-len(answer.body) // answer.pieces), 1)
            for begin in range(0, len(answer.body), size):
                if answer.pause:
                    self.wfile.flush()
                    time.sleep(answer.pause)
                self.wfile.write(answer.body[begin : begin + size])
            self.close_connection = self.close_connection or length != len(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are in `seen`."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller that hangs up in the middle of an answer is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server, httpx.Client(timeout=30) as client:
        wire = Wire(f"http://127.0.0.1:{server.server_port}", script)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield wire
        finally:  # also of a test that fails: its server would keep the whole run from ending
            server.shutdown()
            thread.join()
