"""A portal on loopback that the pipeline talks to as in production: real HTTP, real PostgreSQL, a real token."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.core.servers.basehttp import WSGIRequestHandler
from knox.models import AuthToken

from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.ingest import Ingested, ingest_source
from include.tasks.train import Trained, train_series
from portal.core.access import ensure_groups
from portal.registry.models import ModelVersion
from portal.series.catalog import load_catalog
from tests.include.facts import AIRFLOW, approve
from tests.include.town import END, catalog, readings, write
from tests.include.wire import Wire, open_wire

if "AIRFLOW_HOME" not in os.environ:
    # Airflow makes its home while it is imported: not in that of whoever runs the tests.
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-")
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)


@pytest.fixture
def token(live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The service account's token, in the portal of this test; its people are there too."""
    settings.REPORTS_ROOT = tmp_path / "reports"
    # Else the test server's body waits 40 ms for its head to be acknowledged.
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
    groups = ensure_groups()
    for username, role in (("airflow", "service"), ("forecaster", "forecaster"), ("approver", "approver")):
        User.objects.create_user(username).groups.add(groups[role])
    secret: str = AuthToken.objects.create(User.objects.get(username="airflow"))[1]
    return secret


@pytest.fixture
def portal_of(live_server: Any, token: str) -> Iterator[Callable[..., Portal]]:
    """The portal as a run of this id sees it: only its own writes are answered by what they gave before."""
    with ExitStack() as opened:

        def open_portal(run_id: str, *, url: str = live_server.url) -> Portal:
            return opened.enter_context(Portal(url, token=token, attempts=3, first_pause_seconds=0.01, scope=run_id))

        yield open_portal


@pytest.fixture
def portal(portal_of: Callable[..., Portal]) -> Portal:
    """The portal as most tests see it."""
    return portal_of("manual__1")


@pytest.fixture
def wire(live_server: Any) -> Iterator[Wire]:
    """A way to the portal that a test can disturb."""
    with open_wire(live_server.url) as wire:
        yield wire


@pytest.fixture
def options(tmp_path: Path) -> Settings:
    """Settings with folders of their own, and everything small."""
    (tmp_path / "data").mkdir()
    return Settings(
        data_url=f"file://{tmp_path}/data",
        artifacts_url=f"file://{tmp_path}/artifacts",
        horizon="24h",
        backtest_origins=2,
        training_days=35,
        check_days=14,
        fallback_hours=12,
    )


@pytest.fixture
def town(token: str, options: Settings, tmp_path: Path) -> Callable[..., Path]:
    """Puts the town into the portal's catalog and its readings into its file; every fact can be replaced."""

    def make(frame: pd.DataFrame | None = None, **facts: Any) -> Path:
        load_catalog(catalog(**facts))
        return write(readings() if frame is None else frame, tmp_path / "data" / "town.csv")

    return make


@pytest.fixture
def ingest(new_run: Callable[..., Run], portal_of: Callable[..., Portal]) -> Callable[..., Ingested]:
    """Reads a source of the portal's catalog in a run of its own; every fact of the run can be replaced."""

    def read(
        source: str = "town-file",
        *,
        run_id: str = "",
        as_of: datetime = END,
        start: datetime | None = None,
        end: datetime | None = None,
        **facts: Any,
    ) -> Ingested:
        run_id = run_id or f"manual__{as_of.isoformat()}"
        run = new_run(**{"run_id": run_id, "as_of": as_of, "portal": portal_of(run_id), **facts})
        return ingest_source(run, source, as_of=as_of, start=start, end=end)

    return read


@pytest.fixture
def ingested(town: Callable[..., Path], ingest: Callable[..., Ingested]) -> Callable[..., None]:
    """The town with its readings in the portal."""

    def make(frame: pd.DataFrame | None = None, *, as_of: datetime = END, **facts: Any) -> None:
        town(frame, **facts)
        ingest(run_id=f"ingested__{as_of.isoformat()}", as_of=as_of)

    return make


@pytest.fixture
def new_run(portal: Portal, options: Settings) -> Callable[..., Run]:
    """Builds the run of a DAG as `airflow_run` gives it; every fact can be replaced."""

    def build(**facts: Any) -> Run:
        return Run(
            **{
                **AIRFLOW,
                "as_of": END,
                "started_at": END,
                "is_last_try": False,
                "interval_start": None,
                "triggered_by": "",
                "params": {},
                "events": [],
                "settings": options,
                "portal": portal,
                **facts,
            }
        )

    return build


@pytest.fixture
def train(portal: Portal, options: Settings) -> Callable[..., list[Trained]]:
    """Trains the town's seasonal naive; every fact can be replaced."""

    def run(
        *kinds: str, as_of: datetime = END, through: Portal = portal, triggered_by: str = "", **settings: Any
    ) -> list[Trained]:
        return train_series(
            through,
            "town",
            as_of=as_of,
            kinds=kinds or ("seasonal_naive",),
            settings=options.model_copy(update=settings),
            airflow=AIRFLOW,
            triggered_by=triggered_by,
        )

    return run


@pytest.fixture
def champion(train: Callable[..., list[Trained]]) -> Callable[..., ModelVersion]:
    """Trains a model of the town on what was known at a time, and puts it live then."""

    def make(kind: str = "seasonal_naive", *, as_of: datetime = END) -> ModelVersion:
        (trained,) = train(kind, as_of=as_of)
        return approve(trained.id, at=as_of)

    return make
