"""``python -m include reproduce``: a process of its own against a live portal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from include.__main__ import main
from include.portal import Portal
from include.settings import Settings, get_settings
from include.tasks.ingest import Ingested
from include.tasks.publish import publish_series
from portal.core.access import ensure_groups
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.operations import override_run
from portal.registry.models import ModelVersion
from tests.include.facts import check_run, publish_by_hand
from tests.include.town import DAY, END, HALF_HOUR, readings

ROOT = Path(__file__).parents[2]
ISSUE = END - DAY
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def published(
    ingested: Callable[..., None], champion: Callable[..., ModelVersion], portal: Portal, options: Settings
) -> int:
    """A run of a champion."""
    ingested()
    champion("regression", as_of=ISSUE)
    return publish_series(portal, "town", as_of=ISSUE, settings=options).id


@pytest.fixture
def command(live_server: Any, token: str, options: Settings, tmp_path: Path) -> Command:
    """Runs the command with the settings of the publication."""
    (tmp_path / "token").write_text(f"{token}\n")

    def reproduce(*runs: object, how: tuple[str, ...] | None = None, **environment: str) -> Any:
        if how is None:
            how = ("--portal", live_server.url, "--token-file", str(tmp_path / "token"))
        return subprocess.run(
            [sys.executable, "-m", "include", "reproduce", *map(str, runs), *how],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
                "GRIDCAST_ARTIFACTS_URL": options.artifacts_url,
                "GRIDCAST_HORIZON": options.horizon,
                "GRIDCAST_PORTAL_ATTEMPTS": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return reproduce


def overridden(run: int, **change: Any) -> int:
    forecaster = User.objects.get(username="forecaster")
    forecaster.groups.set([ensure_groups()["forecaster"]])
    period = {"start": ISSUE + HALF_HOUR, "end": ISSUE + 4 * HALF_HOUR}
    original = ForecastRun.objects.get(pk=run)
    return override_run(original, by=forecaster, at=timezone.now(), reason="A fair", **period, **change).pk


def test_runs_are_reproduced_after_all_data_were_corrected(
    published: int,
    command: Command,
    portal: Portal,
    options: Settings,
    town: Callable[..., Path],
    ingest: Callable[..., Ingested],
) -> None:
    portal.record_check_run(check_run(as_of=ISSUE, status="failed"))
    copied = publish_series(portal, "town", as_of=ISSUE + timedelta(minutes=37), settings=options).id
    scaled = overridden(published, percentage=7.5)
    moved = overridden(scaled, values=[0.0])
    town(readings(end=END + DAY) + 7)
    assert ingest(as_of=END + 2 * DAY).corrected > 0
    done = command(published, copied, scaled, moved)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    champion, earlier, first, second = done.stdout.splitlines()
    known = f"what was known at {ISSUE:%Y-%m-%dT%H:%M:%SZ}"
    origin = f"from the artifact of version 1 and {known}; largest difference "
    assert champion.startswith(f"run {published} of town, champion: reproduced 144 values {origin}")
    assert earlier.startswith(f"run {copied} of town, earlier_run: reproduced 138 values {origin}")
    rest = "and its adjustment; largest difference 0"
    assert first == f"run {scaled} of town, override: reproduced 144 values from run {published} {rest}"
    assert second == f"run {moved} of town, override: reproduced 144 values from run {scaled} {rest}"


def test_a_run_that_differs_and_a_damaged_artifact_are_said_and_the_rest_is_still_tried(
    published: int, command: Command, portal: Portal
) -> None:
    by_hand = publish_by_hand(portal, issue_time=ISSUE + DAY)
    done = command(by_hand, published)
    assert done.returncode == 1
    differs, same = done.stdout.splitlines()
    assert differs.startswith(f"run {by_hand}: NOT reproduced: ")
    assert "144 of 144 values differ, the first at " in differs
    assert same.startswith(f"run {published} of town, champion: reproduced 144 values")

    weights = next(Path(ModelVersion.objects.get().artifact_uri.removeprefix("file://")).glob("[!m]*"))
    weights.write_bytes(weights.read_bytes()[:-1])
    done = command(published)
    assert done.returncode == 1
    assert done.stdout.startswith(f"run {published}: NOT reproduced: The artifact file:")


def test_what_the_guard_published_is_no_forecast_of_the_library_but_its_copies_are_compared(
    published: int, command: Command
) -> None:
    champion = ForecastRun.objects.get(pk=published)
    copy = guarded(champion, rung="earlier_run", delay=3)
    naive = guarded(champion, rung="seasonal_naive", delay=4)
    done = command(copy, naive)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first == (
        f"run {copy} of town, earlier_run: reproduced 135 values as a copy of run {published}; largest difference 0"
    )
    assert second.startswith(f"run {naive}: NOT reproduced: the deadline guard computed it in the portal")
    assert f"`python -m portal reproduce {naive}`" in second


def guarded(run: ForecastRun, *, rung: str, delay: int) -> int:
    """What the deadline guard would publish from `run`, so many half-hours later."""
    import numpy as np
    from django.db import transaction

    from portal.core.columns import to_us
    from portal.forecasts.incoming import IncomingRun
    from portal.forecasts.operations import lock_ledger, store_runs
    from portal.forecasts.queries import grid_of

    times, values = grid_of(run)
    is_copy = rung == "earlier_run"
    issued = to_us(run.issue_time + delay * HALF_HOUR)
    incoming = IncomingRun(
        series=run.series,
        issue_us=issued,
        model=run.model if is_copy else None,
        cutoff_us=to_us(run.data_cutoff) if is_copy else issued,
        rung=rung,
        reason="The deadline neared with nothing published",
        valid_us=times[delay:],
        quantiles=np.array(run.quantiles),
        values=values[delay:],
        publisher="guard",
    )
    with transaction.atomic():
        lock_ledger([run.series])
        (stored,) = store_runs([incoming])
    return stored.pk


def test_the_portal_of_the_airflow_connection_is_asked_without_a_task(
    published: int, command: Command, live_server: Any, token: str, tmp_path: Path
) -> None:
    address = live_server.url.removeprefix("http://")
    done = command(
        published,
        how=(),
        AIRFLOW_CONN_PORTAL_DEFAULT=f"http://:{token}@{address}",
        AIRFLOW_HOME=str(tmp_path / "airflow"),
    )
    assert done.returncode == 0, done.stderr
    assert "reproduced 144 values" in done.stdout


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """What the command says when it refuses, called in this process: one of its own takes seconds to start."""
    for name in [each for each in os.environ if each.startswith("AIRFLOW_CONN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GRIDCAST_PORTAL_ATTEMPTS", "1")
    get_settings.cache_clear()

    def call(*arguments: str) -> str:
        try:
            status = main(["reproduce", *arguments])
        except SystemExit as refused:
            status = refused.code
        said = capsys.readouterr()
        assert (status, said.out) == (2, "")
        return said.err

    yield call
    get_settings.cache_clear()


def test_what_cannot_be_tried_ends_in_2_and_says_why(
    token: str,
    command: Command,
    complaint: Callable[..., str],
    tmp_path: Path,
    live_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = command(4711)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: run 4711: " in done.stderr

    here, secret = ("--portal", live_server.url), tmp_path / "token"
    assert "Which portal?" in complaint("1")
    assert "go together" in complaint("1", *here)
    assert "does not start with http" in complaint("1", "--portal", "here", "--token-file", str(secret))
    assert "nowhere" in complaint("1", *here, "--token-file", str(tmp_path / "nowhere"))
    assert "invalid int value" in complaint("newest", *here, "--token-file", str(secret))
    secret.write_text("wrong")
    assert "error: run 1: " in complaint("1", *here, "--token-file", str(secret))
    monkeypatch.setenv("GRIDCAST_HORIZON", "soon")
    get_settings.cache_clear()
    assert "GRIDCAST_HORIZON" in complaint("1", *here, "--token-file", str(secret))
