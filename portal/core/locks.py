"""Advisory locks at which writers queue; each is held until the transaction ends."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection


def queue_at(lock: int) -> None:
    """Wait for whoever is at a lock, and hold it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))


def queue_at_each(lock: int, ids: Iterable[int]) -> None:
    """The same at a lock of each id, in one order for everybody, so that no two can wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, id::int) FROM unnest(%s::bigint[]) AS id", (lock, sorted(set(ids)))
        )
