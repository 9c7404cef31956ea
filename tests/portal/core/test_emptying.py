"""What a test committed is gone for the next one, also what the record keeps and what is still being written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import IntegrityError, connection, connections

from portal.forecasts.models import ForecastValue
from portal.series.models import Series
from tests.emptying import KEPT, empty
from tests.portal.forecasts.ledgers import put_run
from tests.portal_environment import portal_environment

pytestmark = pytest.mark.django_db(transaction=True)


def flush() -> None:
    """As Django does after a test that commits."""
    call_command("flush", interactive=False, verbosity=0, reset_sequences=False)


def tables() -> list[str]:
    return connection.introspection.django_table_names(only_existing=True, include_views=False)


def filled_tables() -> set[str]:
    with connection.cursor() as cursor:
        rows = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in tables())  # noqa: S608
        cursor.execute(rows)
        return {name for (name,) in cursor.fetchall()}


def waited_for(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table])
        return cursor.fetchone() is not None


def test_nothing_stays_but_what_every_test_finds(
    make_series: Callable[..., Series], make_user: Callable[..., User]
) -> None:
    make_user("approver")
    put_run(make_series(), [100.0] * 40_000)
    assert ForecastValue.objects.count() == 120_000
    permissions = list(Permission.objects.order_by("pk").values())
    flush()
    assert filled_tables() == KEPT
    assert list(Permission.objects.order_by("pk").values()) == permissions
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_table_size('forecasts_forecastvalue')")
        assert cursor.fetchone()[0] < 1_000_000, "nor does the next test read through what was there"


def test_the_record_is_kept_again_afterwards(make_series: Callable[..., Series]) -> None:
    flush()
    put_run(make_series(), [100.0])
    with pytest.raises(IntegrityError, match="the forecast ledger is only added to"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM forecasts_forecastrun")


def test_who_still_writes_is_waited_for(db: None) -> None:
    with psycopg.connect(portal_environment()["DATABASE_URL"]) as other, ThreadPoolExecutor(1) as pool:
        other.execute("INSERT INTO auth_group (name) VALUES ('late')")
        emptied = pool.submit(lambda: (empty(None, tables()), connections.close_all()))
        while not waited_for("auth_group"):
            assert not emptied.done(), "it did not wait"
        other.commit()
        emptied.result(timeout=120)
    assert filled_tables() == KEPT
