"""Sources of every kind on their whole way: from the service, by the connection that Airflow keeps, into the portal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from include.errors import SourceError, SourceUnavailable
from include.portal import Portal
from include.settings import Settings
from include.sources import eia930, open_meteo
from include.tasks import reading
from include.tasks.ingest import Ingested
from portal.series.catalog import load_catalog
from portal.series.models import IngestRun, Observation, QuarantinedRow, WeatherForecast
from tests.include.sources.eia import Eia, open_eia
from tests.include.sources.meteo import Meteo
from tests.include.sources.meteo import open_meteo as open_weather_service
from tests.include.sources.requests import SECRET
from tests.include.town import DAY
from tests.include.wire import CUT, PASS

HOUR = timedelta(hours=1)
Ingest = Callable[..., Ingested]


def series(slug: str, quantity: str = "load", **facts: Any) -> dict[str, Any]:
    unit = "°C" if quantity == "temperature" else "MW"
    place = {"timezone": "America/Chicago", "resolution": "PT1H", "country": "US", "subdivision": "TX"}
    return {"slug": slug, "name": slug, "quantity": quantity, "unit": unit, **place, **facts}


def source(slug: str, kind: str, *columns: dict[str, Any], **facts: Any) -> dict[str, Any]:
    options = {"columns": list(columns), **facts.pop("options", {})}
    return {"slug": slug, "name": slug, "kind": kind, "url": "", "options": options, "connection": kind, **facts}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes the Airflow connection to a service: its address as host, its key as password."""

    def make(name: str, host: str) -> None:
        facts = {"conn_type": "http", "host": host, "password": SECRET}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(facts))

    return make


@pytest.fixture
def quick(options: Settings) -> Settings:
    return options.model_copy(update={"source_attempts": 1, "source_pause_seconds": 0.01})


@pytest.fixture
def texas(token: str, monkeypatch: pytest.MonkeyPatch) -> Eia:
    """Demand of Texas and its own forecast, in a service that may be asked as often as one likes."""
    monkeypatch.setattr(eia930, "SECONDS_BETWEEN", 0)
    columns = [
        {"respondent": "ERCO", "type": "D", "series": "texas"},
        {"respondent": "ERCO", "type": "DF", "series": "texas-day-ahead"},
    ]
    load_catalog(
        {
            "series": [series("texas"), series("texas-day-ahead", "load_forecast")],
            "sources": [source("texas", "eia930", *columns)],
        }
    )
    eia = Eia()
    eia.add("ERCO", "D", "2026-01-01T01", 45 * 24, value=1)
    eia.add("ERCO", "DF", "2026-01-01T01", 46 * 24, value=2)
    return eia


def test_demand_and_the_operators_own_forecast_become_observations(
    texas: Eia, connect: Callable[[str, str], None], ingest: Ingest, portal: Portal, quick: Settings
) -> None:
    as_of = datetime(2026, 2, 15, tzinfo=UTC)
    with open_eia(texas) as wire:
        connect("eia930", f"{wire.url}/v2")
        done = ingest("texas", as_of=as_of, start=datetime(2026, 1, 1, tzinfo=UTC), settings=quick)
    assert done.quarantined == 0
    load, ahead = (portal.observations(slug, as_of=as_of)["value"] for slug in ("texas", "texas-day-ahead"))
    assert (load.index[0], load.index[-1]) == (pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp(as_of) - HOUR)
    assert ahead.index[-1] == pd.Timestamp(as_of) + 23 * HOUR, "a forecast is known before its time comes"
    assert set(Observation.objects.values_list("known_at", flat=True)) == {as_of}
    assert SECRET not in json.dumps(list(IngestRun.objects.values("error", "position", "notes")))


def test_a_reading_that_broke_off_goes_on_behind_the_month_that_is_stored(
    texas: Eia, connect: Callable[[str, str], None], ingest: Ingest, quick: Settings
) -> None:
    when = {"as_of": datetime(2026, 2, 15, tzinfo=UTC), "start": datetime(2026, 1, 1, tzinfo=UTC), "settings": quick}
    with open_eia(texas) as wire:
        connect("eia930", f"{wire.url}/v2")
        wire.script(PASS, PASS, CUT)  # both types of January; then the line is cut
        with pytest.raises(SourceUnavailable) as broken:
            ingest("texas", **when)
        assert SECRET not in str(broken.value)
        half = IngestRun.objects.get()
        assert (half.state, half.received) == ("running", 2 * 31 * 24)
        seen = len(wire.seen)
        done = ingest("texas", **when)
        assert all(each.query["start"] >= "2026-02" for each in wire.seen[seen:]), "January is not asked for again"
    assert done.received == (45 + 46) * 24 - 24 + 24
    assert IngestRun.objects.get().state == "done"


def test_what_the_portal_refuses_of_a_service_is_kept_once_however_often_it_is_read(
    texas: Eia, connect: Callable[[str, str], None], ingest: Ingest, quick: Settings
) -> None:
    next(row for row in texas.rows if (row["type"], row["period"]) == ("D", "2026-01-03T05"))["value"] = "-7"
    facts = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2026, 1, 10, tzinfo=UTC), "settings": quick}
    with open_eia(texas) as wire:
        connect("eia930", f"{wire.url}/v2")
        for run_id in ("one", "two"):
            ingest("texas", run_id=run_id, as_of=datetime(2026, 2, 15, tzinfo=UTC), **facts)
    (row,) = QuarantinedRow.objects.all()
    assert (row.row, row.rule, row.status) == (0, "negative_load", "open")
    assert json.loads(row.raw)["period"] == "2026-01-03T05"


def test_notes_beyond_what_a_run_can_keep_are_counted_together(
    texas: Eia, connect: Callable[[str, str], None], ingest: Ingest, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    texas.rows = []
    monkeypatch.setattr(reading, "MOST_NOTES", 1)
    with open_eia(texas) as wire:
        connect("eia930", f"{wire.url}/v2")
        ingest("texas", as_of=datetime(2026, 2, 15, tzinfo=UTC), start=datetime(2026, 1, 1, tzinfo=UTC), settings=quick)
    first, others = IngestRun.objects.get().notes
    assert (first["count"], others["count"], others["message"]) == (1, 3, reading.OTHERS)


def test_a_connection_that_there_is_not_is_named(texas: Eia, ingest: Ingest, quick: Settings) -> None:
    with pytest.raises(SourceError, match="Source texas needs the Airflow connection 'eia930', which there is not"):
        ingest("texas", as_of=datetime(2026, 2, 15, tzinfo=UTC), settings=quick)
    assert IngestRun.objects.get().state == "failed"


def test_a_weather_forecast_is_stored_by_its_issue_time_and_known_from_then_on(
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    connect: Callable[[str, str], None],
    ingest: Ingest,
    portal: Portal,
    quick: Settings,
) -> None:
    monkeypatch.setattr(open_meteo, "SECONDS_BETWEEN", 0)
    places = [
        {"latitude": lat, "longitude": -97.0, "variable": "temperature_2m", "series": slug}
        for slug, lat in (("austin", 30.3), ("dallas", 32.8))
    ]
    options = {"dataset": "forecast"}
    load_catalog(
        {
            "series": [series("austin", "temperature"), series("dallas", "temperature")],
            "sources": [source("weather", "open_meteo", *places, options=options, feeds="weather")],
        }
    )
    morning = datetime(2026, 1, 10, 6, 20, tzinfo=UTC)
    with open_weather_service(Meteo()) as wire:
        connect("open_meteo", wire.url)
        for number in range(2):
            at = morning + number * 6 * HOUR
            done = ingest(
                "weather", run_id=f"run-{number}", as_of=at, started_at=at + timedelta(seconds=9), settings=quick
            )
            assert (done.series, done.inserted) == ([], done.received), "no observations, so no news for the checks"
    assert set(WeatherForecast.objects.values_list("issue_time", "known_at")) == {
        (morning + number * 6 * HOUR, morning + number * 6 * HOUR) for number in range(2)
    }
    day = {"start": morning + DAY, "end": morning + 2 * DAY}
    early, late = (portal.weather_forecasts("dallas", as_of=morning + hours * HOUR, **day) for hours in (5, 7))
    assert set(early["issue_time"]) == {pd.Timestamp(morning)}
    assert set(late["issue_time"]) == {pd.Timestamp(morning) + 6 * HOUR}


def test_a_zone_is_summed_up_from_what_was_known_of_its_feeders(
    token: str, ingest: Ingest, portal: Portal, quick: Settings
) -> None:
    feeders = [{"series": "north"}, {"series": "south", "weight": 0.5}]
    load_catalog(
        {
            "series": [series("city"), series("north"), series("south")],
            "sources": [source("city", "aggregate", {"series": "city", "feeders": feeders}, connection="")],
        }
    )
    start, as_of = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)
    times = pd.date_range(start, periods=24, freq="h")
    for slug, load in (("north", 30.0), ("south", 20.0)):
        rows = pd.DataFrame({"series": slug, "valid_time": times, "value": load, "known_at": as_of})
        portal.record_observations(rows.iloc[: 24 if slug == "north" else 20], recorded_at=as_of)
    done = ingest("city", as_of=as_of, start=start, settings=quick)
    city = portal.observations("city", as_of=as_of)["value"]
    assert done.series == ["city"]
    assert city.iloc[:20].eq(40.0).all()
    assert city.iloc[20:].isna().all(), "withheld where a feeder is missing"
    assert IngestRun.objects.get().notes[0]["rule"] == "feeder_missing"
