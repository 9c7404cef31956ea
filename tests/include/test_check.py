"""Checks of the data as it was known: what is stored, what is raised, and what an empty window gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.errors import BatchRefused, ChecksFailed
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.check import check_batch, check_series
from include.tasks.ingest import Ingested
from portal.quality.models import CheckReport, CheckRun
from portal.series.catalog import load_catalog
from tests.include.facts import AIRFLOW
from tests.include.town import DAY, END, HALF_HOUR, START, catalog, readings

HOUR = timedelta(hours=1)


@pytest.fixture
def check(portal: Portal, options: Settings) -> Callable[..., dict[str, Any]]:
    """Checks the town."""

    def run(*, as_of: datetime = END, through: Portal = portal) -> dict[str, Any]:
        return check_series(through, "town", as_of=as_of, settings=options, airflow=AIRFLOW)

    return run


def results(run: CheckRun) -> dict[str, str]:
    """The built-in results of a run by name."""
    return dict(run.results.filter(engine="builtin").values_list("name", "status"))


def frozen() -> pd.DataFrame:
    """The town, whose meter shows one value in the last three days."""
    frame = readings()
    frame.loc[END - 3 * DAY :, "load"] = 55.5
    return frame


def test_good_data_passes_and_every_result_and_report_is_stored(
    ingested: Callable[..., None], check: Callable[..., dict[str, Any]]
) -> None:
    ingested()
    answer = check()
    run = CheckRun.objects.get()
    assert answer == {"id": run.pk, "series": "town", "status": "passed"}
    assert (run.as_of, run.period_start, run.period_end) == (END, END - 14 * DAY, END)
    assert (run.stage, run.airflow) == ("data", AIRFLOW)
    assert set(results(run).values()) == {"passed"}
    assert {"missing_share", "frozen_meter", "temperature_missing_share"} <= set(results(run))
    assert set(run.results.values_list("engine", flat=True)) == {"builtin", "deepchecks", "whylogs"}
    reports = {report.name: report for report in CheckReport.objects.filter(run=run)}
    assert set(reports) == {"deepchecks.html", "whylogs.bin"}
    with reports["deepchecks.html"].file.open() as page:
        assert b"<html" in page.read(10_000).lower()


def test_the_first_window_is_checked_without_an_earlier_one(
    ingested: Callable[..., None], check: Callable[..., dict[str, Any]]
) -> None:
    ingested(readings(start=END - 10 * DAY))
    assert check()["status"] == "passed"


def test_a_fatal_check_that_fails_is_named_after_everything_is_stored(
    ingested: Callable[..., None], check: Callable[..., dict[str, Any]]
) -> None:
    ingested(frozen())
    with pytest.raises(ChecksFailed, match=r"^town: 1 fatal checks failed: frozen_meter: .*55\.5"):
        check()
    run = CheckRun.objects.get()
    assert run.status == "failed"
    assert [name for name, status in results(run).items() if status == "failed"] == ["flatline", "frozen_meter"]
    assert CheckReport.objects.filter(run=run).count() == 2


def test_a_warning_does_not_fail_the_task(ingested: Callable[..., None], check: Callable[..., dict[str, Any]]) -> None:
    frame = readings()
    frame.loc[END - 3 * DAY : END - 3 * DAY + 8 * HOUR, "load"] = None
    ingested(frame)
    assert check()["status"] == "warned"
    assert results(CheckRun.objects.get())["longest_gap"] == "failed"


def test_only_what_was_known_then_is_checked(
    ingested: Callable[..., None], check: Callable[..., dict[str, Any]]
) -> None:
    ingested(frozen())
    assert check(as_of=END - 3 * DAY)["status"] == "passed"
    with pytest.raises(ChecksFailed, match="freshness"):
        check(as_of=END + 3 * DAY)


def test_rows_that_are_missing_stay_missing(
    ingested: Callable[..., None], check: Callable[..., dict[str, Any]]
) -> None:
    frame = readings()
    ingested(frame.drop(frame.loc[END - 6 * DAY : END - 5 * DAY - HALF_HOUR].index))
    with pytest.raises(ChecksFailed, match=r"missing_share: 48 of \d+ intervals"):
        check()


@pytest.mark.parametrize("known", ["nothing", "long ago", "no value"])
def test_a_window_without_a_load_fails_with_a_clear_result(
    town: Callable[..., Path], check: Callable[..., dict[str, Any]], known: str, ingest: Callable[..., Ingested]
) -> None:
    frame = readings(end=START + DAY) if known == "long ago" else readings(start=END - DAY)
    town(frame.assign(load=float("nan")) if known == "no value" else frame)
    if known != "nothing":
        ingest(as_of=END)
    with pytest.raises(ChecksFailed, match=r"town: .*has_observations: 0 loads are observed in \d+ rows"):
        check()
    run = CheckRun.objects.get()
    assert run.status == "failed"
    assert results(run) == {"has_observations": "failed"}


def test_checking_again_in_the_same_run_stores_nothing_more(
    ingested: Callable[..., None], check: Callable[..., dict[str, Any]], portal_of: Callable[..., Portal]
) -> None:
    ingested()
    one, same, other = (check(through=portal_of(run))["id"] for run in ("monday", "monday", "tuesday"))
    assert one == same != other
    assert CheckRun.objects.count() == 2
    assert CheckReport.objects.filter(run=one).count() == 2


def test_a_batch_checks_every_series_though_one_fails(
    ingested: Callable[..., None], new_run: Callable[..., Run]
) -> None:
    ingested(frozen())
    load, weather = catalog()["series"]
    load_catalog({"series": [weather, {**load, "slug": "village"}]})
    batch = {"series": ["village", "town"], "as_of": END.isoformat()}
    with pytest.raises(BatchRefused, match=r"^2 series failed: village: .*has_observations.*; town: .*frozen_meter"):
        check_batch(new_run(), batch)
    assert set(CheckRun.objects.values_list("series__slug", "status")) == {("town", "failed"), ("village", "failed")}
