"""The whole stack: what is started, in which order, and when each part may be relied on."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from stack.airflow_client import AirflowClient
from stack.airflow_env import airflow_environment
from stack.credentials import load_credentials
from stack.home import CHECKOUT, Home
from stack.portal_env import base_environment, glue_environment, portal_environment
from stack.ports import HOST, Ports, accepts_connections
from stack.postgres import ensure_database, sibling
from stack.progress import Progress
from stack.services import Services, start_services
from stack.supervisor import ProcessSpec, Supervisor

AIRFLOW_PROCESSES = {
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag-processor",
    "airflow-triggerer": "triggerer",
}
MIGRATION_SECONDS = 180.0


@dataclass(frozen=True)
class Stack:
    """A running stack, for those who use it."""

    home: Home
    supervisor: Supervisor
    credentials: Mapping[str, Any] = field(repr=False)
    portal_url: str
    airflow_url: str
    mail: Path | None
    stepped_over: Mapping[str, tuple[int, int]]


@contextmanager
def running_stack(environment: Mapping[str, str], *, progress: Progress) -> Iterator[Stack]:
    """Start everything, hand it over, stop everything. Raises StackError when a part does not come up."""
    home = Home.from_environment(environment)
    with home.alone():
        supervisor = Supervisor(home.logs, waiting=progress.tick)
        ports = Ports(environment)
        try:
            with progress.step("PostgreSQL and Valkey"):
                credentials = load_credentials(home.secrets_file)
                services = start_services(
                    supervisor, home=home.root, ports=ports, credentials=credentials, environment=environment
                )
            assembly = _Assembly(home, supervisor, ports, services, environment, credentials)
            with progress.step("databases, people, series and sources"):
                assembly.prepare()
            with progress.step("portal, Celery worker and Airflow"):
                assembly.start()
            home.write_state(ports=ports.chosen, portal_url=assembly.portal_url, airflow_url=assembly.airflow_url)
            stack = Stack(
                home=home,
                supervisor=supervisor,
                credentials=load_credentials(home.secrets_file),
                portal_url=assembly.portal_url,
                airflow_url=assembly.airflow_url,
                mail=None if environment.get("EMAIL_URL") else home.mail,
                stepped_over=ports.stepped_over,
            )
            with supervisor.naming_the_dead():
                yield stack
        finally:
            supervisor.stop()
            ports.release()


class _Assembly:
    """The parts on top of the services."""

    def __init__(
        self,
        home: Home,
        supervisor: Supervisor,
        ports: Ports,
        services: Services,
        environment: Mapping[str, str],
        credentials: Mapping[str, Any],
    ) -> None:
        self._home = home
        self._supervisor = supervisor
        self._ports = ports
        portal_port, airflow_port = ports.choose("portal"), ports.choose("airflow")
        self._mail_port = None if environment.get("EMAIL_URL") else ports.choose("mail")
        self.portal_url = f"http://{HOST}:{portal_port}"
        self.airflow_url = f"http://{HOST}:{airflow_port}"
        self._airflow_database = sibling(services.database_url, "_airflow")
        self._data = Path(environment.get("GRIDCAST_DATA_FOLDER") or CHECKOUT / "data")
        base = base_environment(environment)
        self._portal_environment = {
            **base,
            **portal_environment(
                home=home,
                credentials=credentials,
                database_url=services.database_url,
                redis_url=services.redis_url,
                email_url=environment.get("EMAIL_URL") or f"smtp://{HOST}:{self._mail_port}",
                portal_url=self.portal_url,
                airflow_url=self.airflow_url,
            ),
        }
        self._airflow_environment = {
            **base,
            **glue_environment(home=home, portal_url=self.portal_url, data=self._data),
            **airflow_environment(
                home=home, port=airflow_port, database_url=self._airflow_database, credentials=credentials
            ),
        }
        self._begun = datetime.now(UTC)

    def prepare(self) -> None:
        """Migrate both databases side by side; make people, token, series and sources."""
        ensure_database(self._airflow_database)
        if not self._airflow_database_is_current():
            self._supervisor.start(self._airflow("airflow-migrate", "db", "migrate", does_one_thing=True))
        else:
            self._start_airflow()  # it takes longest to come up, and needs nothing from the portal yet
        self._portal_command("portal-migrate", "migrate", "--no-input")
        self._supervisor.finish("portal-migrate", seconds=MIGRATION_SECONDS)
        self._portal_command("portal-bootstrap", "bootstrap", "--secrets", str(self._home.secrets_file))
        self._portal_command("portal-catalog", "load_catalog", str(self._data / "catalog.json"))
        self._supervisor.finish("portal-bootstrap", seconds=MIGRATION_SECONDS)
        self._supervisor.finish("portal-catalog", seconds=MIGRATION_SECONDS)
        if self._supervisor.has("airflow-migrate"):
            self._supervisor.finish("airflow-migrate", seconds=MIGRATION_SECONDS)
            self._home.write_state(airflow_database=self._airflow_revision())
            self._start_airflow()

    def start(self) -> None:
        """Start the long-running processes, wait until all are well, and store Airflow's connection to the portal."""
        if self._mail_port is not None:
            self._supervisor.start(self._mail(self._mail_port))
        self._supervisor.start(self._gunicorn())
        self._supervisor.start(self._celery())
        self._supervisor.wait_until_well()
        self._store_connection()

    def _start_airflow(self) -> None:
        self._supervisor.start(self._airflow("airflow-api-server", "api-server", well=self._airflow_answers))
        for name, component in AIRFLOW_PROCESSES.items():
            arguments = ["--skip-serve-logs"] if component in {"scheduler", "triggerer"} else []
            well = functools.partial(self._airflow_component_beats, component.replace("-", "_"))
            self._supervisor.start(self._airflow(name, component, *arguments, well=well))

    def _store_connection(self) -> None:
        known = load_credentials(self._home.secrets_file)
        host, _, port = self.portal_url.removeprefix("http://").partition(":")
        airflow = AirflowClient(self.airflow_url, username="admin", password=known["users"]["admin"])
        airflow.put_connection(
            {
                "connection_id": "portal_default",
                "conn_type": "http",
                "description": "Gridcast's portal, with the pipeline's service token",
                "host": host,
                "schema": "http",
                "port": int(port),
                "password": known["service_token"],
            }
        )
        airflow.close()

    def _portal_command(self, name: str, *arguments: str) -> None:
        self._supervisor.start(
            ProcessSpec(
                name=name,
                command=[sys.executable, "-m", "portal", *arguments],
                environment=self._portal_environment,
                directory=CHECKOUT,
                does_one_thing=True,
            )
        )

    def _gunicorn(self) -> ProcessSpec:
        address = self.portal_url.removeprefix("http://")
        settings = ["--config", "python:portal.config.gunicorn"]
        options = [*settings, "--bind", address, "--workers", "1", "--no-control-socket"]
        return ProcessSpec(
            name="portal",
            command=[sys.executable, "-m", "gunicorn", "portal.config.wsgi:application", *options],
            environment=self._portal_environment,
            directory=CHECKOUT,
            well=functools.partial(_answers_ok, f"{self.portal_url}/healthz/ready"),
        )

    def _celery(self) -> ProcessSpec:
        schedule = self._home.root / "celerybeat-schedule"
        options = ["--loglevel", "INFO", "--concurrency", "1", "--without-gossip", "--without-mingle"]
        return ProcessSpec(
            name="celery",
            command=[
                *[sys.executable, "-m", "celery", "-A", "portal.config.celery", "worker", "--beat"],
                *["--schedule", str(schedule), *options],
            ],
            environment={**self._portal_environment, "C_FORCE_ROOT": "1"},
            directory=CHECKOUT,
            well=functools.partial(self._supervisor.said, "celery", " ready."),
        )

    def _mail(self, port: int) -> ProcessSpec:
        return ProcessSpec(
            name="mail",
            command=[sys.executable, "-m", "stack.mail_sink", str(port), str(self._home.mail)],
            environment=self._portal_environment,
            directory=CHECKOUT,
            well=functools.partial(accepts_connections, port),
        )

    def _airflow(self, name: str, *arguments: str, **facts: Any) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            command=[sys.executable, "-m", "airflow", *arguments],
            environment=self._airflow_environment,
            directory=CHECKOUT,
            start_seconds=120,
            **facts,
        )

    def _airflow_answers(self) -> bool:
        return _answers_ok(f"{self.airflow_url}/api/v2/version")

    def _airflow_component_beats(self, component: str) -> bool:
        """True when the component has sent a heartbeat since this stack began; one of a killed run does not count."""
        try:
            health = httpx.get(f"{self.airflow_url}/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return False
        beat = (health.get(component) or {}).get(f"latest_{component}_heartbeat")
        return beat is not None and datetime.fromisoformat(beat) >= self._begun

    def _airflow_database_is_current(self) -> bool:
        """True when this Airflow version has migrated this very database; asked without importing Airflow."""
        known = self._home.read_state().get("airflow_database")
        return known is not None and known == self._airflow_revision()

    def _airflow_revision(self) -> dict[str, str] | None:
        with psycopg.connect(self._airflow_database) as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return {"airflow": importlib.metadata.version("apache-airflow"), "revision": row[0]} if row else None


def _answers_ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
