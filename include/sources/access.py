"""What a source's Airflow connection holds, as a connector takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.errors import SourceError
from include.sources.connector import Access


def access_of(source: Mapping[str, Any]) -> Access:
    """The access that the source's `connection` names; an empty one where it names none. For use within a task.

    Raises:
        SourceError: there is no such connection.
    """
    name = source.get("connection") or ""
    if not name:
        return Access()
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

    try:
        connection = Connection.get(name)
    except (AirflowNotFoundException, AirflowRuntimeError) as error:
        raise SourceError(
            f"Source {source['slug']} needs the Airflow connection {name!r}, which there is not; "
            "add it in Airflow under Admin, Connections"
        ) from error
    return Access(
        url=_url(connection),
        login=connection.login or "",
        secret=connection.password or "",
        uri=connection.get_uri(),
        extra=connection.extra_dejson,
    )


def _url(connection: Any) -> str:
    """The address as Airflow's HTTP connections hold it: the scheme in the host, or as schema; https otherwise."""
    host = (connection.host or "").rstrip("/")
    if not host:
        return ""
    if "://" not in host:
        host = f"{connection.schema if connection.schema in ('http', 'https') else 'https'}://{host}"
    return f"{host}:{connection.port}" if connection.port else host
