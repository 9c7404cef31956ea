"""kill -9 at every step of a publication: of who publishes, of the portal that writes, of the database session."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection, transaction

from include.portal import Portal
from include.settings import Settings
from include.tasks.publish import publish_series
from portal.forecasts.models import ForecastRun, ForecastValue
from tests.include.town import DAY, END, HALF_HOUR
from tests.portal_environment import portal_environment

pytestmark = pytest.mark.django_db(transaction=True)
CHECKOUT = Path(__file__).parents[2]
ISSUE = END - DAY
VALUES = 3 * 48
WAITS_TO_WRITE_VALUES = """
SELECT activity.pid FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
WHERE NOT granted AND relation = 'forecasts_forecastvalue'::regclass
"""
# Forks one publisher per line of its input, with everything loaded already; each kills itself as it is told.
NURSERY = """
import json, os, signal, sys
from datetime import datetime
from forecasting import create_model
from include.portal import Portal
from include.settings import Settings
from include.tasks.publish import publish_series
create_model("seasonal_naive", timezone="UTC", horizon="24h")
STEPS = ("connect", "send", "sendall", "recv", "recv_into", "close")

def publish(url, token, settings, kill_at, as_of, scope):
    steps, last = 0, ""
    def count(frame, event, called):
        nonlocal steps, last
        if event == "c_call" and called.__name__ in STEPS and "socket" in type(called.__self__).__name__.lower():
            # In how many pieces an answer is read is chance: they are one step, or the steps would be others each time.
            if not called.__name__ == last == "recv":
                steps += 1
            last = called.__name__
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    with Portal(url, token=token, attempts=1, scope=scope) as portal:
        sys.setprofile(count)
        publish_series(portal, "town", as_of=datetime.fromisoformat(as_of), settings=Settings(**settings))

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            publish(**json.loads(line))
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def whole(options: Settings) -> Settings:
    """With which no earlier run reaches far enough: each publication is a naive of the whole horizon."""
    return options.model_copy(update={"fallback_hours": 24})


@pytest.fixture
def nursery() -> Iterator[Callable[..., int]]:
    """Publishes in a process of its own; gives how that ended: 0, or -9 where it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def publish(**facts: Any) -> int:
            process.stdin.write(json.dumps(facts) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield publish
        process.stdin.close()


@contextmanager
def polling(url: str, token: str) -> Iterator[None]:
    """Somebody reads the latest forecast all the while; what is seen is whole."""
    done = Event()

    def read() -> int:
        seen = 0
        with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=30) as client:
            while not done.wait(0.05):
                answer = client.get("/api/v1/forecasts/latest/", params={"series": "town"})
                assert answer.status_code in (200, 404)
                if answer.is_success:
                    assert len(answer.json()["values"]) * len(answer.json()["quantiles"]) == VALUES
                    seen += 1
        return seen

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            yield
        finally:
            done.set()
        assert reader.result(120) > 0


def works_for_one_who_has_gone(url: str) -> bool:
    """Whether the portal is not done yet with a connection whose other end is closed: CLOSE_WAIT, 08."""
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(end.endswith(f":{urlsplit(url).port:04X}") and state == "08" for _, end, _, state, *_ in connections)


def the_ledger_is_whole(runs: int) -> None:
    assert ForecastRun.objects.count() == runs
    assert set(ForecastRun.objects.values_list("value_count", flat=True)) == {VALUES}
    assert ForecastValue.objects.count() == runs * VALUES


def test_a_publisher_killed_at_any_step_leaves_a_whole_run_or_none_and_its_retry_publishes_once(
    ingested: Callable[..., None],
    nursery: Callable[..., int],
    live_server: Any,
    token: str,
    portal_of: Callable[..., Portal],
    whole: Settings,
) -> None:
    ingested()
    facts = {"url": live_server.url, "token": token, "settings": json.loads(whole.model_dump_json())}
    killed, by_the_killed = 0, []
    with polling(live_server.url, token):
        while True:
            as_of, scope = ISSUE + killed * HALF_HOUR, f"run-{killed}"
            ended = nursery(**facts, kill_at=killed + 1, as_of=as_of.isoformat(), scope=scope)
            if ended == 0:
                break
            assert ended == -signal.SIGKILL
            wait_for(lambda: not works_for_one_who_has_gone(live_server.url))
            tried_again = datetime.now(UTC)
            again = publish_series(portal_of(scope), "town", as_of=as_of, settings=whole)
            assert again.status == "created", "the answer of the first time, where there was one"
            by_the_killed.append(ForecastRun.objects.get(issue_time=as_of).published_at < tried_again)
            killed += 1
    assert killed > 10
    assert any(by_the_killed), "some were killed when the portal had all that it needed to write"
    assert by_the_killed.count(False) > 5, "some before"
    the_ledger_is_whole(killed + 1)


@pytest.fixture
def gunicorn(token: str) -> Iterator[tuple[str, int]]:
    """The portal in processes of its own, on the database of this test: its address, and the master's id."""
    environment = portal_environment(ALLOWED_HOSTS="127.0.0.1")
    command = [sys.executable, "-m", "gunicorn", "portal.config.wsgi:application", "--workers", "1"]
    # Its socket is there before it is, so nobody else gets the port meanwhile.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        command += ["--no-control-socket", "--bind", f"fd://{number}"]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen(command, cwd=CHECKOUT, env=environment, pass_fds=(number,)) as master:
            try:
                wait_for(lambda: httpx.get(f"{url}/healthz/live", timeout=120).is_success)
                yield url, master.pid
            finally:
                master.terminate()


def wait_for(seen: Callable[[], Any]) -> Any:
    for _ in range(1200):
        try:
            if found := seen():
                return found
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("never seen")


def the_session_that_waits() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(WAITS_TO_WRITE_VALUES)
        return next((pid for (pid,) in cursor.fetchall()), None)


@pytest.mark.parametrize("victim", ["the portal's worker", "the session"])
def test_a_portal_killed_while_it_writes_the_values_leaves_nothing_and_the_retry_publishes_once(
    ingested: Callable[..., None],
    gunicorn: tuple[str, int],
    token: str,
    whole: Settings,
    live_server: Any,
    victim: str,
) -> None:
    ingested()
    url, master = gunicorn
    with (
        Portal(url, token=token, attempts=10, first_pause_seconds=0.2, scope="monday") as portal,
        polling(live_server.url, token),
        ThreadPoolExecutor(1) as pool,
    ):
        publish_series(portal, "town", as_of=ISSUE - HALF_HOUR, settings=whole)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE forecasts_forecastvalue IN SHARE MODE")
            publishing = pool.submit(publish_series, portal, "town", as_of=ISSUE, settings=whole)
            session = wait_for(the_session_that_waits)
            if victim == "the session":
                cursor.execute("SELECT pg_terminate_backend(%s)", (session,))
            else:
                (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
                os.kill(int(worker), signal.SIGKILL)
            assert not ForecastRun.objects.filter(issue_time=ISSUE).exists()
        assert publishing.result(200).status == "created"
    the_ledger_is_whole(2)
