"""Every kind that the portal knows has a connector, and none is imported before it is needed."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from include.errors import SourceError
from include.sources.registry import CONNECTORS, connector_of
from portal.series.models import Source

HEAVY = ("entsoe", "requests", "bs4", "psycopg", "httpx", "forecasting", "fsspec")


def test_every_kind_that_the_portal_knows_has_a_connector() -> None:
    assert set(CONNECTORS) == set(Source.Kind.values)
    for kind in CONNECTORS:
        assert list(inspect.signature(connector_of(kind)).parameters)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match="no connector for sources of kind 'fax'; there are file, eia930"):
        connector_of("fax")


def test_the_registry_imports_nothing_heavy() -> None:
    code = f"import sys, include.sources.registry; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
