"""What the environment says, read once and checked: a wrong or missing value is named by its key.

Development and tests have defaults for everything; production has none for what must not be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

KINDS = ("dev", "test", "prod")
SECRET_KEY_LENGTH = 32
DEFAULTS: dict[str, str] = {
    "SECRET_KEY": "insecure-development-key-that-production-refuses",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:5432/portal",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "EMAIL_URL": "smtp://127.0.0.1:1025",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,[::1]",
    "PORTAL_PUBLIC_URL": "http://127.0.0.1:8000",
    "AIRFLOW_API_PASSWORD": "",
    "REPORTS_ROOT": str(Path(__file__).resolve().parents[2] / ".gridcast" / "reports"),
}
"""For development and tests. Production has to give each of these."""
AIRFLOW = "http://127.0.0.1:8080"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The portal's environment variables, parsed."""

    kind: str
    debug: bool
    secret_key: str
    database: Mapping[str, Any]
    redis_url: str
    email: Mapping[str, Any]
    allowed_hosts: list[str]
    portal_public_url: str
    airflow_public_url: str
    airflow_api_url: str
    airflow_api_username: str
    airflow_api_password: str
    reports_root: Path
    alert_from_email: str
    behind_proxy: bool
    log_level: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Parse the variables. Raises ImproperlyConfigured with every wrong or missing key and its rule."""
        kind = variables.get("GRIDCAST_ENV", "dev")
        if kind not in KINDS:
            raise ImproperlyConfigured(f"GRIDCAST_ENV is {kind!r}; it must be one of {', '.join(KINDS)}.")
        reader = _Reader(variables, defaults={} if kind == "prod" else DEFAULTS)
        read = cls(
            kind=kind,
            debug=reader.take("DEBUG", _boolean, "off"),
            secret_key=reader.take("SECRET_KEY", lambda text: _secret(text, production=kind == "prod")),
            database=reader.take("DATABASE_URL", _postgresql),
            redis_url=reader.take("REDIS_URL", _redis),
            email=reader.take("EMAIL_URL", _smtp),
            allowed_hosts=reader.take("ALLOWED_HOSTS", _hosts),
            portal_public_url=reader.take("PORTAL_PUBLIC_URL", _http_url),
            airflow_public_url=reader.take("AIRFLOW_PUBLIC_URL", _http_url, AIRFLOW),
            airflow_api_url=reader.take("AIRFLOW_API_URL", _http_url, variables.get("AIRFLOW_PUBLIC_URL") or AIRFLOW),
            airflow_api_username=reader.take("AIRFLOW_API_USERNAME", str, "airflow"),
            airflow_api_password=reader.take("AIRFLOW_API_PASSWORD", str),
            reports_root=reader.take("REPORTS_ROOT", _absolute_path),
            alert_from_email=reader.take("ALERT_FROM_EMAIL", _address, "gridcast@localhost"),
            behind_proxy=reader.take("BEHIND_PROXY", _boolean, "off"),
            log_level=reader.take("LOG_LEVEL", _log_level, "INFO"),
        )
        if kind == "prod" and read.debug:
            reader.problems.append("DEBUG must be off in production.")
        if reader.problems:
            raise ImproperlyConfigured(f"GRIDCAST_ENV is {kind}: " + " ".join(reader.problems))
        return read


class _Reader:
    """Takes variables one by one and gathers what is wrong with them, so that one start names all of it."""

    def __init__(self, variables: Mapping[str, str], *, defaults: Mapping[str, str]) -> None:
        self.variables = variables
        self.defaults = defaults
        self.problems: list[str] = []

    def take(self, key: str, parse: Callable[[str], Any], default: str | None = None) -> Any:
        text = self.variables.get(key) or self.defaults.get(key, default)
        if text is None:
            self.problems.append(f"{key} is missing.")
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{key} {error}.")
            return None


def _boolean(text: str) -> bool:
    known = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise ValueError(f"is {text!r}; it must be on or off")
    return known[text.lower()]


def _secret(text: str, *, production: bool) -> str:
    if production and (text == DEFAULTS["SECRET_KEY"] or len(text) < SECRET_KEY_LENGTH):
        raise ValueError(f"must be {SECRET_KEY_LENGTH} random characters or more, of its own")
    return text


def _postgresql(text: str) -> Mapping[str, Any]:
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(f"starts with {parts.scheme!r}; Gridcast runs on postgresql:// only")
    config = environ.Env.db_url_config(text)
    if not config.get("NAME"):
        raise ValueError("names no database")
    return dict(config)


def _redis(text: str) -> str:
    if urlsplit(text).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must start with redis:// or rediss://")
    return text


def _smtp(text: str) -> Mapping[str, Any]:
    parts = urlsplit(text)
    if parts.scheme not in ("smtp", "smtps", "smtp+tls", "smtp+ssl") or not parts.hostname:
        raise ValueError("must be smtp://[user:password@]host[:port], or smtp+tls:// or smtp+ssl://")
    return dict(environ.Env.email_url_config(text))


def _hosts(text: str) -> list[str]:
    hosts = [host.strip() for host in text.split(",") if host.strip()]
    if not hosts:
        raise ValueError("names no host")
    return hosts


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"is {text!r}; it must be http://host[:port] or https://…")
    return text.rstrip("/")


def _absolute_path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"is {text!r}; it must be an absolute path")
    return path


def _address(text: str) -> str:
    if "@" not in text:
        raise ValueError(f"is {text!r}; it must be an e-mail address")
    return text


def _log_level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError(f"is {text!r}; it must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return text.upper()
