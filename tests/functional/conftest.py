"""A stack of its own on the test run's servers: real Airflow, portal, Celery worker and mail sink."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from stack.airflow_client import AirflowClient
from stack.home import CHECKOUT
from stack.portal_client import PortalClient
from stack.postgres import sibling
from tests.functional.main_job import Report, stack_after_the_job
from tests.functional.town import WEATHER_CONNECTION, write_town
from tests.include.sources.meteo import Meteo, open_meteo
from tests.include.wire import Answer, Seen


class MeteoOfToday(Meteo):
    """Its clock goes on at midnight, as that of the stack does."""

    def __call__(self, seen: Seen) -> Answer:
        self.today = datetime.now(UTC).date()
        return super().__call__(seen)


@contextmanager
def _environment(folder: Path, name: str, number: int) -> Iterator[dict[str, str]]:
    data = folder / "data"
    data.mkdir(parents=True)
    write_town(data)
    database = sibling(os.environ["DATABASE_URL"], f"_{name}_{os.getpid()}")
    # A queue of its own: its worker would take what others ask of theirs, and find nothing of it in its database.
    broker = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}")
    with open_meteo(MeteoOfToday()) as weather:
        yield {
            **os.environ,
            "DATABASE_URL": database,
            "REDIS_URL": broker.geturl(),
            "GRIDCAST_HOME": str(folder / "home"),
            "GRIDCAST_DATA_FOLDER": str(data),
            "GRIDCAST_ENV": "dev",
            "GRIDCAST_BACKTEST_ORIGINS": "5",
            "PYTHONPATH": str(CHECKOUT),
            f"AIRFLOW_CONN_{WEATHER_CONNECTION.upper()}": json.dumps({"conn_type": "http", "host": weather.url}),
        }
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for url in (database, sibling(database, "_airflow")):
            name = sql.Identifier(urlsplit(url).path[1:])
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


@pytest.fixture(scope="session")
def town_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, str]]]:
    """Gives each name an environment with a home, data, databases and a queue of its own."""
    opened = []

    def make(name: str) -> dict[str, str]:
        opened.append(_environment(tmp_path_factory.mktemp(name), name, len(opened) + 1))
        return opened[-1].__enter__()

    yield make
    for each in opened:
        each.__exit__(None, None, None)


@pytest.fixture(scope="session")
def stack(town_environment: Callable[[str], dict[str, str]]) -> Iterator[Report]:
    """The running stack after an undisturbed main job."""
    with stack_after_the_job(town_environment("whole")) as running:
        yield running


@pytest.fixture
def operator(stack: Report) -> Iterator[PortalClient]:
    """The portal's REST API as the operator reads it."""
    with PortalClient(stack.portal_url, username="operator", password=stack.credentials["users"]["operator"]) as client:
        yield client


@pytest.fixture
def airflow(stack: Report) -> Iterator[AirflowClient]:
    """Airflow's REST API as the forecaster uses it."""
    client = AirflowClient(stack.airflow_url, username="forecaster", password=stack.credentials["users"]["forecaster"])
    yield client
    client.close()


@pytest.fixture
def airflow_api(stack: Report) -> Iterator[httpx.Client]:
    """Airflow's REST API, as its administrator."""
    admin = {"username": "admin", "password": stack.credentials["users"]["admin"]}
    token = httpx.post(f"{stack.airflow_url}/auth/token", json=admin).json()["access_token"]
    with httpx.Client(base_url=stack.airflow_url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        yield client
