"""The portal that the Airflow connection names."""

from __future__ import annotations

from include.errors import Refusal
from include.portal.api import Portal
from include.settings import Settings


def open_portal(settings: Settings, *, run_id: str = "") -> Portal:
    """The portal at the connection `settings.portal_conn_id`: host, port, schema (http or https), token as password.

    Raises:
        Refusal: the connection has no host or no token.
    """
    from airflow.sdk import Connection

    connection = Connection.get(settings.portal_conn_id)
    missing = [name for name in ("host", "password") if not getattr(connection, name)]
    if missing:
        raise Refusal(
            f"The Airflow connection {settings.portal_conn_id!r} has no {' and no '.join(missing)}: "
            "it needs the portal's host, port and schema, and the service token as password"
        )
    port = f":{connection.port}" if connection.port else ""
    return Portal(
        f"{connection.schema or 'http'}://{connection.host}{port}",
        token=str(connection.password),
        timeout_seconds=settings.portal_timeout_seconds,
        attempts=settings.portal_attempts,
        scope=run_id,
    )
