"""A small HTTP server that answers as Airflow's REST API documents, and can be told to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from portal.pipeline.models import DagRunRequest
from portal.pipeline.operations import request_dag_run
from portal.series.models import Series
from stack.ports import Ports

AT = datetime(2014, 12, 1, 9, tzinfo=UTC)
TOKEN = "a token of the day"


@dataclass
class AirflowStandIn:
    """Which DAGs there are and whether each is paused, which runs were started, and what to answer instead."""

    paused: dict[str, bool] = field(default_factory=lambda: {"publish_forecasts": False})
    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    tries: int = 0
    instead: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Last part of the path → status and body."""
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None
    port: int = field(kw_only=True)

    def __post_init__(self) -> None:
        self.released.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        end = path.rpartition("/")[2]
        if end in self.instead:
            return self.instead[end]
        if path == "/auth/token":
            known = body == {"username": "airflow", "password": "known to both"}
            return (201, {"access_token": TOKEN}) if known else (401, {"detail": "Invalid credentials"})
        if token != f"Bearer {TOKEN}":
            return 401, {"detail": "Invalid JWT token"}
        dag_id = path.split("/")[4]
        if dag_id not in self.paused:
            return 404, {"detail": f"The Dag with ID: `{dag_id}` was not found"}
        if method == "GET":
            return 200, {"dag_id": dag_id, "is_paused": self.paused[dag_id]}
        with self._lock:
            self.tries += 1
            if body["dag_run_id"] in self.started:
                return 409, {"detail": {"reason": "Unique constraint violation"}}
            self.started[body["dag_run_id"]] = {"dag_id": dag_id, **body}
        self.released.wait()
        return 200, {"dag_run_id": body["dag_run_id"], "state": "queued"}

    def start(self) -> None:
        airflow = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, content = airflow.answer(self.command, self.path, body, self.headers.get("Authorization"))
                raw = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_POST = do_GET  # noqa: N815  # the base class's name

            def log_message(self, *args: Any) -> None:
                """Nothing: the test looks at what was asked."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def airflow(settings: Settings) -> Iterator[AirflowStandIn]:
    # Not one that the kernel may give to others while the server is stopped.
    ports = Ports({}, {"airflow": 28080})
    standing_in = AirflowStandIn(port=ports.choose("airflow"))
    standing_in.start()
    settings.AIRFLOW_API_URL = standing_in.url
    settings.AIRFLOW_API_USERNAME, settings.AIRFLOW_API_PASSWORD = "airflow", "known to both"
    settings.AIRFLOW_PUBLIC_URL = "https://airflow.example.org"
    settings.PORTAL_PUBLIC_URL = "https://portal.example.org"
    yield standing_in
    standing_in.released.set()
    standing_in.stop()
    ports.release()


@pytest.fixture
def series(make_series: Callable[..., Series]) -> Series:
    return make_series("victoria")


@pytest.fixture
def operator(make_user: Callable[..., User]) -> User:
    return make_user("operator", "olga")


@pytest.fixture
def ask(series: Series) -> Callable[..., DagRunRequest]:
    """Asks for a publication that follows from a decision."""

    def request(key: str = "decision-7", *, dag_id: str = "publish_forecasts", **facts: Any) -> DagRunRequest:
        return request_dag_run(
            dag_id,
            key=key,
            **{
                "conf": {"series": ["victoria"], "as_of": "2014-12-01T09:00:00+00:00"},
                "reason": "anna approved victoria v3",
                "series": series,
                "by": None,
                "at": AT,
                **facts,
            },
        )

    return request
