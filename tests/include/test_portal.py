"""The portal's resources as tasks ask for them: what is written comes back exactly, and refusals keep their kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken

from include.portal import Conflict, InvalidRequest, NotFound, NotPermitted, Portal, api
from portal.quality.models import CheckReport
from portal.series.catalog import load_catalog
from portal.series.models import QuarantinedRow
from tests.include.facts import AIRFLOW, approve, check_run, forecast_rows, publish_by_hand, training
from tests.include.town import DAY, END, HALF_HOUR, START, catalog

HOUR = timedelta(hours=1)


@pytest.fixture
def town(town: Callable[..., Path]) -> None:
    """The town is in every portal of this module."""
    town()


def rows(*values: tuple[datetime, float | None, datetime], slug: str = "town") -> pd.DataFrame:
    """Rows of (valid_time, value, known_at)."""
    return pd.DataFrame(values, columns=["valid_time", "value", "known_at"]).assign(series=slug)


@pytest.mark.usefixtures("town")
def test_observations_come_back_exactly_as_they_were_known(portal: Portal) -> None:
    later = START + HALF_HOUR
    answer = portal.record_observations(
        rows((START, 0.1 + 0.2, later), (START + HALF_HOUR, None, START + HOUR), (START + HOUR, 41.0, END)),
        recorded_at=END,
    )
    assert {name: answer[name] for name in ("received", "inserted", "rejected")} == {
        "received": 3,
        "inserted": 3,
        "rejected": [],
    }
    known = portal.observations("town", as_of=END)
    assert known.index.equals(pd.date_range(START, periods=3, freq="30min", name="valid_time"))
    np.testing.assert_array_equal(known["value"], [0.1 + 0.2, np.nan, 41.0])
    assert list(known["known_at"]) == [later, START + HOUR, END]
    assert len(portal.observations("town", as_of=END - HALF_HOUR)) == 2
    assert list(portal.observations("town", start=START, end=START + HALF_HOUR, as_of=END).index) == [START]
    nothing = portal.observations("town", as_of=START)
    assert nothing.empty
    assert nothing.index.dtype == known.index.dtype


@pytest.mark.usefixtures("town")
def test_bad_rows_are_answered_one_by_one_and_the_good_ones_stored(portal: Portal) -> None:
    answer = portal.record_observations(
        rows((START, 41.0, END), (START + timedelta(minutes=7), 41.0, END), (START + HALF_HOUR, -1.0, END)),
        recorded_at=END,
    )
    assert answer["inserted"] == 1
    assert [(bad["row"], bad["rule"]) for bad in answer["rejected"]] == [(1, "off_grid"), (2, "negative_load")]


@pytest.mark.usefixtures("town")
def test_only_what_is_scheduled_and_enabled_is_taken_by_scheduled_runs(portal: Portal) -> None:
    (load, _), (source,) = catalog()["series"], catalog()["sources"]
    load_catalog(
        {
            "series": [{**load, "slug": "village", "scheduled": False}],
            "sources": [{**source, "slug": "off", "enabled": False}, {**source, "slug": "by-hand", "scheduled": False}],
        }
    )
    assert [series["slug"] for series in portal.loads()] == ["town", "village"], "the weather is no load"
    assert [series["slug"] for series in portal.loads(scheduled=True)] == ["town"]
    assert [source["slug"] for source in portal.scheduled_sources(feeds="demand")] == ["town-file"]
    assert portal.scheduled_sources(feeds="weather") == []
    assert portal.source("off")["enabled"] is False


@pytest.mark.usefixtures("town")
def test_quarantine_keeps_each_row_once_however_many_requests_it_takes(
    portal: Portal, portal_of: Callable[..., Portal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "QUARANTINE_ROWS_PER_REQUEST", 2)
    bad = [
        {"row": line, "raw": {"load": "x"}, "rule": "not_a_number", "message": "x is no number"} for line in range(5)
    ]
    whole = {"as_of": END.isoformat(), "period_start": None, "period_end": None}
    begun = [
        client.begin_ingest({"source": "town-file", "airflow": {**AIRFLOW, "run_id": run}, **whole})["id"]
        for run, client in (("one", portal), ("two", portal_of("another run")))
    ]
    assert portal.quarantine("town-file", file="town.csv", rows=bad[:3], ingest_run=begun[0]) == 3
    assert portal_of("another run").quarantine("town-file", file="town.csv", rows=bad, ingest_run=begun[1]) == 2
    assert sorted(QuarantinedRow.objects.values_list("row", flat=True)) == [0, 1, 2, 3, 4]
    assert portal.quarantine("town-file", file="town.csv", rows=[], ingest_run=begun[0]) == 0


@pytest.mark.usefixtures("town")
def test_the_newest_check_run_is_the_last_recorded_of_the_latest_as_of_until_then(portal: Portal) -> None:
    assert portal.newest_check_run("town", as_of=END) is None
    old, first, second, future = (
        portal.record_check_run(check_run(as_of=as_of, status=status))["id"]
        for as_of, status in ((END - DAY, "passed"), (END, "passed"), (END, "failed"), (END + DAY, "passed"))
    )
    newest = {
        as_of: portal.newest_check_run("town", as_of=as_of) for as_of in (END - DAY, END - HOUR, END, END + 2 * DAY)
    }
    assert [run and run["id"] for run in newest.values()] == [old, old, second, future]
    assert first < second
    assert newest[END]["status"] == "failed"  # type: ignore[index]
    assert portal.newest_check_run("town", as_of=END - 2 * DAY) is None
    assert portal.newest_check_run("town-temperature", as_of=END) is None


@pytest.mark.usefixtures("town")
def test_a_report_is_stored_byte_for_byte_and_once(portal: Portal, live_server: Any, token: str) -> None:
    run = portal.record_check_run(check_run())["id"]
    for _ in range(2):
        portal.store_report(run, name="suite.html", content=b"<html>\x00\xff</html>")
    (report,) = CheckReport.objects.all()
    url = f"{live_server.url}/api/v1/check-runs/{run}/reports/suite.html"
    answer = httpx.get(url, headers={"Authorization": f"Token {token}"})
    assert answer.content == b"<html>\x00\xff</html>"
    with pytest.raises(InvalidRequest, match="no name for a report"):
        portal.store_report(run, name="suite.exe", content=b"x")
    assert report.size == 15


@pytest.mark.usefixtures("town")
def test_models_are_found_by_status_kind_and_training_newest_first(
    portal: Portal, portal_of: Callable[..., Portal]
) -> None:
    one, two = (portal.register_model(training(key)) for key in ("key-1", "key-2"))
    again = portal_of("another run").register_model(training("key-1", code_version="a later one"))
    assert (again["id"], again["version"], again["code_version"]) == (one["id"], 1, "")
    approve(one["id"])
    assert [model["version"] for model in portal.models("town")] == [2, 1]
    assert [model["id"] for model in portal.models("town", status="champion")] == [one["id"]]
    assert [model["id"] for model in portal.models("town", training_key="key-2")] == [two["id"]]
    assert portal.models("town", kind="arima") == []
    assert portal.model(one["id"])["status"] == "champion"
    assert portal.series("town")["champion"] == {"id": one["id"], "version": 1, "kind": "seasonal_naive"}


@pytest.mark.usefixtures("town")
def test_a_published_run_comes_back_whole_and_another_run_changes_nothing(portal_of: Callable[..., Portal]) -> None:
    portal = portal_of("monday")
    first, again, other = (each.publish(forecast_rows())[0] for each in (portal, portal, portal_of("tuesday")))
    assert [run["status"] for run in (first, again, other)] == ["created", "created", "unchanged"]
    assert first["id"] == again["id"] == other["id"]
    values = portal.forecast_values(first["id"])
    assert list(values.columns) == [0.1, 0.5, 0.9]
    assert values.index.equals(pd.date_range(END, periods=48, freq="30min", name="valid_time"))
    assert values.drop_duplicates().to_numpy().tolist() == [[40.0, 50.0, 60.0]]


@pytest.mark.usefixtures("town")
def test_the_ledger_is_read_by_issue_time_newest_first_without_its_end(portal: Portal) -> None:
    ids = [publish_by_hand(portal, issue_time=END + n * HOUR) for n in range(3)]
    found = portal.forecast_runs("town", issued_from=END, issued_to=END + 2 * HOUR)
    assert [run["id"] for run in found] == [ids[1], ids[0]]


@pytest.mark.usefixtures("town")
def test_refusals_keep_their_kind(portal: Portal, live_server: Any) -> None:
    portal.publish(forecast_rows())
    with pytest.raises(Conflict, match="another forecast of town") as conflict:
        portal.publish(forecast_rows(value=45.0))
    assert (conflict.value.status, conflict.value.errors[0]["rule"]) == (409, "published_differently")
    with pytest.raises(NotFound, match=r"series/nowhere/ with 404"):
        portal.series("nowhere")
    with pytest.raises(InvalidRequest, match=r"field forecast_run, value 77: .* \(unknown_run\)"):
        portal.record_scores([{"forecast_run": 77, "as_of": END.isoformat(), "n": 0}])
    with Portal(live_server.url, token="of nobody") as stranger, pytest.raises(NotPermitted, match="401"):
        stranger.series("town")
    reader_token = AuthToken.objects.create(User.objects.get(username="forecaster"))[1]
    with Portal(live_server.url, token=reader_token) as reader:
        assert reader.series("town")["slug"] == "town"
        with pytest.raises(NotPermitted, match="403"):
            reader.record_check_run(check_run())
