"""How what a test committed leaves the database."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

KEPT = {"auth_permission", "django_content_type"}
"""What Django would make anew after each test, to the same rows."""
LARGE = 1_000_000
"""Bytes from which what a deleted row leaves behind is cleared at once: the next test would read through it."""


def empty(style: Any, tables: list[str], **options: Any) -> list[str]:
    """Delete what a test committed; returns no statement that is left to execute.

    In a database of empty and small tables that is thirty times as fast as the TRUNCATE of all and what Django does
    after it. Like TRUNCATE it waits for whoever still writes (a process that a test has killed), and asks no trigger.
    """
    names = [connection.ops.quote_name(name) for name in tables if name not in KEPT]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("; ".join(f"DELETE FROM {name}" for name in names))  # noqa: S608
    with connection.cursor() as cursor:
        large = "SELECT name FROM unnest(%s::text[]) AS name WHERE pg_table_size(name::regclass) > %s"
        cursor.execute(large, [names, LARGE])
        for (name,) in cursor.fetchall():
            cursor.execute(f"VACUUM {name}")
    return []
