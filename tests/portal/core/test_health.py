"""The probes of the supervisor and of load balancers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

PROBE = """
import django, json
django.setup()
from django.test import Client
answer = Client().get("/healthz/{}")
print(json.dumps([answer.status_code, answer.json()]))
"""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, held so that nobody begins to."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield int(silent.getsockname()[1])


@pytest.fixture
def without_database(closed_port: int) -> Callable[[str], tuple[int, dict[str, object]]]:
    """Asks a probe of a portal, a process of its own, whose PostgreSQL is not there."""

    def ask(probe: str) -> tuple[int, dict[str, object]]:
        parts = urlsplit(os.environ["DATABASE_URL"])._replace(netloc=f"somebody@127.0.0.1:{closed_port}")
        done = subprocess.run(
            [sys.executable, "-c", PROBE.format(probe)],
            env={
                **os.environ,
                "DATABASE_URL": urlunsplit(parts),
                "DJANGO_SETTINGS_MODULE": "portal.config.settings",
                "ALLOWED_HOSTS": "testserver,127.0.0.1",
            },
            cwd=django_settings.BASE_DIR.parent,
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        status, answer = json.loads(done.stdout)
        return status, answer

    return ask


def test_a_process_that_answers_is_live() -> None:
    response = Client().get("/healthz/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]


def test_a_portal_with_all_its_parts_is_ready(db: None) -> None:
    response = Client().get("/healthz/ready")
    assert response.status_code == 200, response.content
    assert response.json() == {"status": "ok", "parts": {"database": "ok", "migrations": "ok", "broker": "ok"}}


def test_without_its_broker_the_portal_is_not_ready(db: None, settings: Settings, closed_port: int) -> None:
    settings.CELERY_BROKER_URL = f"redis://somebody:secret@127.0.0.1:{closed_port}/0"
    response = Client().get("/healthz/ready")
    assert response.status_code == 503
    assert response.json()["parts"] == {"database": "ok", "migrations": "ok", "broker": "failed: ConnectionError"}


def test_with_a_migration_missing_the_portal_is_not_ready(db: None) -> None:
    ((_, newest),) = MigrationLoader(connection).graph.leaf_nodes("series")
    MigrationRecorder(connection).record_unapplied("series", newest)
    response = Client().get("/healthz/ready")
    assert response.status_code == 503
    assert response.json()["parts"]["migrations"] == "1 not applied: run migrate"


def test_without_its_database_the_portal_is_live_but_not_ready(
    without_database: Callable[[str], tuple[int, dict[str, object]]],
) -> None:
    assert without_database("live") == (200, {"status": "ok"})
    status, answer = without_database("ready")
    assert status == 503
    assert answer["parts"] == {
        "database": "failed: OperationalError",
        "migrations": "failed: OperationalError",
        "broker": "ok",
    }
    assert "somebody" not in json.dumps(answer), "the answer names no user and no host"


@pytest.mark.parametrize("probe", ["live", "ready"])
def test_a_probe_is_only_read(probe: str) -> None:
    assert Client().post(f"/healthz/{probe}").status_code == 405
