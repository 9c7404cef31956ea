"""The variables of the portal's processes and of the task glue, which docs/architecture.md lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.home import CHECKOUT, Home
from stack.ports import HOST

DROPPED_PREFIXES = ("AIRFLOW", "PYTHON", "DJANGO_", "COVERAGE_PROCESS")
CONNECTION = "AIRFLOW_CONN_"
"""Connections of sources may be given as variables, as in every Airflow."""
PORTAL_CONNECTION = f"{CONNECTION}PORTAL_DEFAULT"
"""That of the portal is the stack's own."""


def base_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would leak another project's configuration into ours."""
    kept = {name: value for name, value in environment.items() if _is_kept(name)}
    local = ",".join(filter(None, [environment.get("NO_PROXY") or environment.get("no_proxy"), HOST, "localhost"]))
    threads = kept.get("GRIDCAST_THREADS", "1")
    return {
        "GRIDCAST_ENV": "dev",
        "ALERT_FROM_EMAIL": "gridcast@localhost",
        **kept,
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        "NO_PROXY": local,
        "no_proxy": local,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }


def _is_kept(name: str) -> bool:
    if name.startswith(CONNECTION):
        return name != PORTAL_CONNECTION
    return not name.startswith(DROPPED_PREFIXES)


def portal_environment(
    *,
    home: Home,
    credentials: Mapping[str, Any],
    database_url: str,
    redis_url: str,
    email_url: str,
    portal_url: str,
    airflow_url: str,
) -> dict[str, str]:
    """The portal's settings."""
    return {
        "DJANGO_SETTINGS_MODULE": "portal.config.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "EMAIL_URL": email_url,
        "SECRET_KEY": credentials["django_secret_key"],
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "PORTAL_PUBLIC_URL": portal_url,
        "AIRFLOW_PUBLIC_URL": airflow_url,
        "AIRFLOW_API_PASSWORD": credentials["airflow_api_password"],
        "REPORTS_ROOT": str(home.reports),
    }


def glue_environment(*, home: Home, portal_url: str, data: Path) -> dict[str, str]:
    """The settings of ``include`` and ``plugins``, for Airflow's processes."""
    return {
        "GRIDCAST_PORTAL_CONN_ID": "portal_default",
        "GRIDCAST_PORTAL_PUBLIC_URL": portal_url,
        # Not Path.as_uri(): it writes a space as %20, which fsspec takes for the name.
        "GRIDCAST_ARTIFACTS_URL": f"file://{home.artifacts}",
        "GRIDCAST_DATA_URL": f"file://{data}",
        "GRIDCAST_TUNING_FOLDER": str(home.airflow / "studies"),
    }
