"""Is the process alive, and can it do its work? Asked by the supervisor, load balancers and the stack's start."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

TIMEOUT = 2.0
"""Seconds that a part may take to answer."""


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Each part by name, `ok` or what is wrong with it; 503 if any part fails."""
    parts = {name: _ask(part) for name, part in PARTS.items()}
    ok = all(answer == "ok" for answer in parts.values())
    return JsonResponse({"status": "ok" if ok else "unavailable", "parts": parts}, status=200 if ok else 503)


def _ask(part: Callable[[], str]) -> str:
    try:
        return part()
    except Exception as error:  # noqa: BLE001  # whatever fails, the probe has to say so
        # The class only: messages of drivers name hosts and users.
        return f"failed: {type(error).__name__}"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(missing)} not applied: run migrate" if missing else "ok"


def _broker() -> str:
    from redis import Redis

    with Redis.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT) as broker:
        broker.ping()
    return "ok"


PARTS: dict[str, Callable[[], str]] = {"database": _database, "migrations": _migrations, "broker": _broker}
