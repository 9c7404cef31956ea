"""Which connector reads which kind of source. Each is imported when it is needed: not every task reads a database."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from include.errors import SourceError
from include.sources.connector import Connector

CONNECTORS = {
    "file": "include.sources.file:read_file",
    "eia930": "include.sources.eia930:read_eia930",
    "entsoe": "include.sources.entsoe:read_entsoe",
    "open_meteo": "include.sources.open_meteo:read_open_meteo",
    "sql": "include.sources.sql:read_sql",
    "aggregate": "include.sources.aggregate:read_aggregate",
}


def connector(source: Mapping[str, Any]) -> Connector:
    """The connector of a source.

    Raises:
        SourceError: there is none for its kind.
    """
    place = CONNECTORS.get(source["kind"])
    if place is None:
        raise SourceError(
            f"Source {source['slug']} is of kind {source['kind']!r}; there are connectors for {', '.join(CONNECTORS)}"
        )
    module, name = place.split(":")
    return cast("Connector", getattr(import_module(module), name))
