"""The connector of each kind of source, imported when it is asked for: none weighs on a process that reads another."""

from __future__ import annotations

from importlib import import_module

from include.errors import SourceError
from include.sources.connector import Connector

CONNECTORS = {
    "file": "include.sources.files.connector:read_file",
    "eia930": "include.sources.eia930:read",
    "entsoe": "include.sources.entsoe:read",
    "open_meteo": "include.sources.open_meteo:read",
    "sql": "include.sources.sql:read",
    "aggregate": "include.sources.aggregate:read",
}
"""By the kind that the portal stores with a source."""


def connector_of(kind: str) -> Connector:
    """The connector of a kind.

    Raises:
        SourceError: there is none.
    """
    if kind not in CONNECTORS:
        raise SourceError(f"There is no connector for sources of kind {kind!r}; there are {', '.join(CONNECTORS)}")
    module, _, name = CONNECTORS[kind].partition(":")
    connector: Connector = getattr(import_module(module), name)
    return connector
