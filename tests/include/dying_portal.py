"""The portal's WSGI application, in a worker of gunicorn that kills itself in the middle of a registration.

When, a test writes into the file that DIES_AT names: the number of a statement of SQL, or `ANSWERED`. It dies once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from portal.config.wsgi import application as portal

ANSWERED = "answered"
"""The registration is committed, and its answer not sent."""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The portal; a POST to models/ dies where the file says so."""
    order = Path(os.environ["DIES_AT"])
    if environ["REQUEST_METHOD"] != "POST" or not environ["PATH_INFO"].endswith("/models/") or not order.exists():
        return portal(environ, start_response)
    moment = order.read_text(encoding="utf-8")
    if moment == ANSWERED:
        portal(environ, start_response)
        _die(order)
    from django.db import connection

    done = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal done
        if done == int(moment):
            _die(order)
        done += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        return portal(environ, start_response)


def _die(order: Path) -> None:
    order.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
