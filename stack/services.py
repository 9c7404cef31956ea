"""PostgreSQL and Valkey: embedded ones, unless DATABASE_URL and REDIS_URL name servers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.errors import StackError
from stack.ports import Ports
from stack.postgres import EmbeddedPostgres, ensure_database
from stack.supervisor import Supervisor
from stack.valkey import EmbeddedValkey

DATABASE = "gridcast"


@dataclass(frozen=True)
class Services:
    """Where the database and the broker answer."""

    database_url: str
    redis_url: str


def start_services(
    supervisor: Supervisor,
    *,
    home: Path,
    ports: Ports,
    credentials: Mapping[str, Any],
    environment: Mapping[str, str],
    ephemeral: bool = False,
) -> Services:
    """Start what is not given, wait until it is well, and make sure the database is there."""
    plain = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
    database_url = environment.get("DATABASE_URL", "")
    redis_url = environment.get("REDIS_URL", "")
    _refuse_other_schemes(database_url, redis_url)
    if not database_url:
        password = credentials["postgres_password"]
        postgres = EmbeddedPostgres.at(home, port=ports.choose("postgres"), password=password, ephemeral=ephemeral)
        postgres.prepare()
        supervisor.start(postgres.spec(plain))
        database_url = postgres.url(DATABASE)
    if not redis_url:
        valkey = EmbeddedValkey(home, ports.choose("valkey"), credentials["valkey_password"])
        supervisor.start(valkey.spec(plain))
        redis_url = valkey.url
    supervisor.wait_until_well()
    ensure_database(database_url)
    return Services(database_url, redis_url)


def _refuse_other_schemes(database_url: str, redis_url: str) -> None:
    if database_url and not database_url.startswith(("postgres://", "postgresql://")):
        raise StackError(
            f"DATABASE_URL starts with {database_url.partition(':')[0]!r}; Gridcast runs on postgresql:// only"
        )
    if redis_url and not redis_url.startswith(("redis://", "rediss://")):
        raise StackError(f"REDIS_URL starts with {redis_url.partition(':')[0]!r}; it must be redis:// or rediss://")
