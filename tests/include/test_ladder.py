"""Which rung publishes, and what it says of those above it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from django.db import transaction

from include.errors import NothingToPublish
from include.portal import Portal, PortalUnavailable
from include.settings import Settings
from include.tasks.ladder import Forecast, Ladder
from include.tasks.publish import publish_series
from portal.forecasts.incoming import IncomingRun
from portal.forecasts.operations import store_runs
from portal.registry.models import ModelVersion
from portal.series.models import Series
from tests.include.facts import approve, check_run, forecast_rows, publish_by_hand, roll_back, training
from tests.include.town import DAY, END, HALF_HOUR
from tests.include.wire import CUT, Wire

Champion = Callable[..., ModelVersion]
Climb = Callable[..., Forecast]


@pytest.fixture
def climb(portal: Portal, options: Settings) -> Climb:
    def at(issue_time: datetime = END, *, of: Portal = portal) -> Forecast:
        return Ladder(of, portal.series("town"), issue_time=issue_time, settings=options).climb()

    return at


@pytest.fixture
def champion(ingested: Callable[..., None], champion: Champion) -> Champion:
    """A champion of a town whose readings are there."""
    ingested()
    return champion


def test_the_champion_forecasts_the_horizon_from_the_issue_time_on(champion: Champion, climb: Climb) -> None:
    model = champion()
    forecast = climb()
    assert (forecast.rung, forecast.reason, forecast.model_id) == ("champion", "", model.pk)
    assert forecast.data_cutoff == END
    assert list(forecast.table.index) == list(pd.date_range(END, END + DAY, freq="30min", inclusive="left"))
    assert not forecast.table.isna().any(axis=None)


def test_an_issue_time_between_two_intervals_begins_with_the_next_one(champion: Champion, climb: Climb) -> None:
    champion()
    assert climb(END + timedelta(minutes=7)).table.index[0] == END + HALF_HOUR


def test_a_champion_that_has_seen_what_came_after_the_issue_time_does_not_forecast_it(
    champion: Champion, climb: Climb
) -> None:
    earlier, _ = champion(as_of=END - 3 * DAY), champion()
    forecast = climb(END - DAY)
    assert (forecast.rung, forecast.model_id) == ("previous_champion", earlier.pk)
    assert "champion: version 2 was trained on what was known at" in forecast.reason
    assert "after the issue time" in forecast.reason


def test_what_was_rolled_back_from_is_no_previous_champion(champion: Champion, portal: Portal, climb: Climb) -> None:
    oldest, older, drifting = (champion(as_of=END - days * DAY) for days in (5, 3, 2))
    assert roll_back(drifting.pk) == older.pk
    shutil.rmtree(older.artifact_uri.removeprefix("file://"))
    assert (climb().rung, climb().model_id) == ("previous_champion", oldest.pk)


def test_a_damaged_champion_is_stepped_over_with_its_reason(champion: Champion, climb: Climb, tmp_path: Path) -> None:
    champion()
    shutil.rmtree(tmp_path / "artifacts")
    forecast = climb()
    assert (forecast.rung, forecast.model_id) == ("seasonal_naive", None)
    assert forecast.reason.startswith("champion: The artifact file://")
    assert "previous_champion: there was none before" in forecast.reason
    assert "earlier_run: none covers the 12 hours from the issue time on" in forecast.reason


def test_on_data_that_failed_its_checks_the_latest_earlier_run_goes_on_as_long_as_it_reaches(
    champion: Champion, climb: Climb, portal: Portal
) -> None:
    champion()
    publish_by_hand(portal, issue_time=END - timedelta(hours=20))
    publish_by_hand(portal, issue_time=END - timedelta(hours=12))
    failed = portal.record_check_run(check_run(status="failed"))
    forecast = climb()
    assert (forecast.rung, forecast.model_id) == ("earlier_run", None)
    assert forecast.data_cutoff == END - timedelta(hours=12)
    assert (forecast.table.index[0], len(forecast.table)) == (END, 24)
    assert f"champion: check run {failed['id']} of the data as of" in forecast.reason
    assert climb(END + HALF_HOUR).rung == "seasonal_naive", "half an hour later it covers too little"


def test_where_nothing_is_known_every_rung_says_why(town: Callable[..., Path], portal: Portal, climb: Climb) -> None:
    town()
    with pytest.raises(NothingToPublish, match=r"^town at 2024-08-05T14:00:00\+00:00: champion: no model has been"):
        climb()


def test_an_outage_is_no_reason_for_a_worse_forecast(
    champion: Champion, climb: Climb, portal_of: Callable[..., Portal], wire: Wire
) -> None:
    champion()
    through = portal_of("manual__2", url=wire.url)
    wire.script(CUT, CUT, CUT)
    with pytest.raises(PortalUnavailable):
        climb(of=through)


def test_a_fallback_is_published_with_its_reason_and_once(
    ingested: Callable[..., None], portal_of: Callable[..., Portal], options: Settings
) -> None:
    ingested()
    first, again = (publish_series(portal_of(run), "town", as_of=END, settings=options) for run in ("one", "two"))
    assert (first.rung, first.status, again.status) == ("seasonal_naive", "created", "unchanged")
    assert first.id == again.id


def test_a_warning_does_not_hold_the_champion(champion: Champion, climb: Climb, portal: Portal) -> None:
    model = champion()
    (result,) = check_run(status="failed")["results"]
    warned = portal.record_check_run(check_run(results=[{**result, "severity": "warning"}]))
    assert warned["status"] == "warned"
    assert (climb().rung, climb().model_id) == ("champion", model.pk)


def test_an_artifact_with_a_byte_changed_is_stepped_over(champion: Champion, climb: Climb, tmp_path: Path) -> None:
    champion()
    manifest = next((tmp_path / "artifacts").rglob("manifest.json"))
    manifest.write_bytes(manifest.read_bytes().replace(b"seasonal_naive", b"seasonal_naivE"))
    forecast = climb()
    assert forecast.rung == "seasonal_naive"
    assert forecast.reason.startswith("champion: ")


class LockedStore(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """An object store that answers with an error of its own kind, as the client of S3 does without credentials."""

    class NoCredentials(Exception):
        pass

    def ls(self, path: str, detail: bool = True, **_: object) -> list[str]:
        raise self.NoCredentials(f"no credentials for {path}")


def test_a_champion_whose_store_fails_in_a_way_of_its_own_is_stepped_over(
    ingested: Callable[..., None], portal: Portal, climb: Climb
) -> None:
    ingested()
    fsspec.register_implementation("locked", LockedStore, clobber=True)
    approve(portal.register_model(training(artifact_uri="locked://models/town"))["id"])
    forecast = climb()
    assert forecast.rung == "seasonal_naive"
    assert forecast.reason.startswith("champion: NoCredentials: no credentials for models/town; previous_champion: ")


def test_an_earlier_run_says_which_one_goes_on(champion: Champion, climb: Climb, portal: Portal) -> None:
    champion()
    run = publish_by_hand(portal, issue_time=END - timedelta(hours=12))
    portal.record_check_run(check_run(status="failed"))
    assert climb().reason.endswith(f"; run {run}, issued 2024-08-05T02:00:00Z, goes on")


def test_what_the_guard_published_is_not_issued_again(champion: Champion, climb: Climb, portal: Portal) -> None:
    champion()
    guards = published_by_guard(END - timedelta(hours=6))
    portal.record_check_run(check_run(status="failed"))
    assert climb().rung == "seasonal_naive"
    ours = publish_by_hand(portal, issue_time=END - timedelta(hours=12))
    assert ours != guards
    assert climb().reason.endswith(f"; run {ours}, issued 2024-08-05T02:00:00Z, goes on")


def published_by_guard(issue_time: datetime) -> int:
    """A day of half-hours from the deadline guard; returns its id."""
    times = np.arange(48) * 1_800_000_000 + int(issue_time.timestamp()) * 1_000_000
    run = IncomingRun(
        series=Series.objects.get(slug="town"),
        issue_us=int(times[0]),
        model=None,
        cutoff_us=int(times[0]),
        rung="seasonal_naive",
        reason="The deadline neared with nothing published",
        valid_us=times,
        quantiles=np.array([0.1, 0.5, 0.9]),
        values=np.full((48, 3), 50.0),
        publisher="guard",
    )
    with transaction.atomic():
        (stored,) = store_runs([run])
    return stored.pk


def test_an_earlier_run_that_begins_later_leaves_no_gap(champion: Champion, climb: Climb, portal: Portal) -> None:
    champion()
    rows = forecast_rows(issue_time=END - timedelta(hours=1))
    portal.publish(rows[rows["valid_time"] >= END + timedelta(hours=6)])
    portal.record_check_run(check_run(status="failed"))
    assert climb().rung == "seasonal_naive"
