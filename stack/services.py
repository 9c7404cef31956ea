"""PostgreSQL and Valkey: embedded ones, unless DATABASE_URL and REDIS_URL name servers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg.conninfo import conninfo_to_dict

from stack.errors import StackError
from stack.ports import Ports
from stack.postgres import EmbeddedPostgres, ensure_database
from stack.supervisor import Supervisor
from stack.valkey import EmbeddedValkey

DATABASE = "gridcast"
BROKER_SECONDS = 5.0


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
    """Start what is not given, wait until all of it is well, and make sure the database is there. Raises StackError."""
    plain = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
    database_url = environment.get("DATABASE_URL", "")
    redis_url = environment.get("REDIS_URL", "")
    if database_url:
        check_database_url(database_url)
    if redis_url:
        check_broker(redis_url)
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


def check_database_url(url: str) -> None:
    """Raise StackError when DATABASE_URL cannot be one of a PostgreSQL database; nothing is connected to."""
    form = "it is postgresql://user:password@host:port/name, special characters of the password as %XX"
    if not url.startswith(("postgres://", "postgresql://")):
        raise StackError(f"DATABASE_URL starts with {url.partition(':')[0]!r}; Gridcast runs on postgresql:// only")
    try:
        names = conninfo_to_dict(url)
        parts = urlsplit(url)
    except (psycopg.ProgrammingError, ValueError) as error:
        raise StackError(f"DATABASE_URL cannot be read ({str(error).replace(url, '…')}); {form}") from error
    if not names.get("dbname") or not parts.path.strip("/") or parts.fragment:
        raise StackError(f"DATABASE_URL names no database; {form}")


def check_broker(url: str) -> None:
    """Raise StackError when nothing answers at REDIS_URL: Celery and the portal would only wait for it in silence."""
    form = "it is redis://:password@host:port/number"
    if not url.startswith(("redis://", "rediss://")):
        raise StackError(f"REDIS_URL starts with {url.partition(':')[0]!r}; it must be redis:// or rediss://")
    try:
        broker = redis.Redis.from_url(url, socket_connect_timeout=BROKER_SECONDS, socket_timeout=BROKER_SECONDS)
    except ValueError as error:
        raise StackError(f"REDIS_URL cannot be read ({error}); {form}") from error
    with broker:
        try:
            broker.ping()
        except redis.RedisError as error:
            where = urlsplit(url).netloc.rpartition("@")[2]
            raise StackError(
                f"the broker on {where} (REDIS_URL) cannot be used: {error}\n"
                f"start it or mend REDIS_URL ({form}); without REDIS_URL a Valkey of our own is started"
            ) from error
