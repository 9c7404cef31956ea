"""The first steps with servers, as the containers of docker-compose.airflow.yml run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from stack.home import CHECKOUT
from stack.postgres import ensure_database, sibling


@pytest.fixture
def database() -> Iterator[str]:
    """A database of its own on the test run's server."""
    url = sibling(os.environ["DATABASE_URL"], f"_init_{os.getpid()}")
    ensure_database(url)
    yield url
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        name = sql.Identifier(url.rpartition("/")[2])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _initialise(part: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **variables}
    command = [sys.executable, "-m", "stack.server_init", part]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


def test_the_portal_is_made_ready_once_however_often_it_is_asked_for(database: str, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    for _ in range(2):
        done = _initialise("portal", DATABASE_URL=database, GRIDCAST_SECRETS=str(secrets), GRIDCAST_ENV="dev")
        assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    known = json.loads(secrets.read_text())
    assert known["service_token"]
    with psycopg.connect(database) as connection:
        people = connection.execute("SELECT username FROM auth_user ORDER BY username").fetchall()
        series = connection.execute("SELECT slug FROM series_series ORDER BY slug").fetchall()
    assert [name for (name,) in people] == ["admin", "airflow", "approver", "forecaster", "operator"]
    assert [slug for (slug,) in series] == ["england-wales", "victoria", "victoria-temperature"]


def test_airflow_waits_for_the_portals_token_and_says_so(tmp_path: Path) -> None:
    done = _initialise("airflow", GRIDCAST_SECRETS=str(tmp_path / "secrets.json"))
    assert done.returncode == 1
    assert done.stderr.strip().endswith("run `python -m stack.server_init portal` first")
    assert "Traceback" not in done.stderr


def test_a_variable_that_is_missing_is_named() -> None:
    done = _initialise("portal")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "GRIDCAST_SECRETS is not set" in done.stderr
