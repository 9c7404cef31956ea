"""What a task learns of its run from Airflow, and what its errors become there. No scheduler is needed for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRun
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor, set_current_context

from include.errors import BadArtifact, NothingToDo
from include.portal import PortalUnavailable
from include.run import Run, airflow_run
from include.settings import Settings, get_settings
from include.tasks.ingest import ingest_batch
from portal.quality.models import CheckRun
from tests.include.facts import check_run
from tests.include.town import DAY, END, START

HOUR = timedelta(hours=1)
RUN_ID = "scheduled__2024-08-05"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A connection to a portal that nobody has started."""
    monkeypatch.setenv("AIRFLOW_CONN_PORTAL_DEFAULT", "http://:secret@127.0.0.1:9/http")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, live_server: Any, token: str, options: Settings) -> None:
    """Airflow's connection leads to this test's portal."""
    address = f"{live_server.thread.host}:{live_server.thread.port}"
    monkeypatch.setenv("AIRFLOW_CONN_PORTAL_DEFAULT", f"http://:{token}@{address}/http")
    monkeypatch.setenv("GRIDCAST_DATA_URL", options.data_url)


def dag_run(**facts: Any) -> DagRun:
    """A scheduled run of a day's interval, as Airflow hands it to a task."""
    given = {
        "dag_id": "some_dag",
        "run_id": RUN_ID,
        "run_type": "scheduled",
        "state": "running",
        "logical_date": END,
        "data_interval_start": END - DAY,
        "data_interval_end": END,
        "run_after": END + HOUR,
        "start_date": END + 2 * HOUR,
        "end_date": None,
        "consumed_asset_events": [],
        "partition_key": None,
    }
    return DagRun.model_validate({**given, **facts})


def event(name: str, **extra: Any) -> AssetEventDagRunReferenceResult:
    """An event of an asset, as Airflow hands it to a run that it started."""
    source = dict.fromkeys(("source_task_id", "source_dag_id", "source_run_id", "source_map_index"))
    asset = {"name": name, "uri": f"gridcast://portal/{name}", "extra": {}}
    return AssetEventDagRunReferenceResult.model_validate(
        {"asset": asset, "extra": extra, "timestamp": END, "source_aliases": [], **source}
    )


def in_task(*events: Any, params: Any = None, **facts: Any) -> AbstractContextManager[Any]:
    """Enters the task of a run; `events` are those that started it."""
    context: Any = {
        "dag_run": dag_run(**facts),
        "params": params or {},
        "triggering_asset_events": TriggeringAssetEventsAccessor.build(events),
    }
    return set_current_context(context)


def seen(*events: Any, **facts: Any) -> Run:
    with in_task(*events, **facts), airflow_run() as run:
        return run


def test_a_scheduled_run_works_for_the_end_of_its_interval() -> None:
    run = seen()
    assert (run.dag_id, run.run_id, run.as_of, run.interval_start) == ("some_dag", RUN_ID, END, END - DAY)
    assert run.triggered_by == ""
    assert run.events == []
    assert run.airflow == {"dag_id": "some_dag", "run_id": RUN_ID}


@pytest.mark.parametrize(
    ("facts", "as_of"),
    [
        ({"params": {"as_of": "2024-08-01T00:00:00+10:00"}}, START + 30 * DAY),
        ({"params": {"as_of": None}}, END),
        ({"data_interval_start": None, "data_interval_end": None}, END + HOUR),
    ],
)
def test_as_of_is_the_param_else_the_end_of_the_interval_else_when_the_run_was_due(
    facts: dict[str, Any], as_of: datetime
) -> None:
    assert seen(**facts).as_of == as_of


def test_a_run_knows_when_it_began_by_the_clock_and_whether_a_try_is_the_last() -> None:
    run = seen()
    assert (run.started_at, run.is_last_try) == (END + 2 * HOUR, True)
    assert seen(start_date=None).started_at == END + HOUR


@pytest.mark.parametrize(
    ("run_type", "start"),
    [("scheduled", END - DAY), ("backfill", END - DAY), ("manual", None), ("asset_triggered", None)],
)
def test_only_runs_of_the_schedule_have_an_interval_of_their_own(run_type: str, start: datetime | None) -> None:
    assert seen(run_type=run_type).interval_start == start


def test_who_triggered_a_run_is_known() -> None:
    assert seen(run_type="manual", triggering_user_name="forecaster").triggered_by == "forecaster"


def test_the_events_of_all_assets_are_seen() -> None:
    run = seen(event("load", series=["town"]), event("weather", series=["mine"]), event("load", series=["village"]))
    assert sorted(each["series"] for each in run.events) == [["mine"], ["town"], ["village"]]


@pytest.mark.usefixtures("connected")
def test_the_portal_of_a_run_is_that_of_the_connection_and_remembers_its_writes_by_run(
    town: Callable[..., Path],
) -> None:
    town()
    for run_id in ("one", "one", "two"):
        with in_task(run_id=run_id), airflow_run() as run:
            run.portal.record_check_run(check_run())
    assert CheckRun.objects.count() == 2


@pytest.mark.parametrize(
    ("batch", "label"),
    [
        ({"sources": ["town-file"]}, "town-file"),
        ({"series": ["town", "mine"]}, "town, mine"),
        ({}, ""),
        ({"series": ["village"] * 40}, f"{'village, ' * 26}… (40)"),
    ],
)
def test_a_mapped_task_is_named_after_its_batch(batch: dict[str, Any], label: str) -> None:
    with in_task() as context:
        with airflow_run(batch):
            pass
        assert context["batch_label"] == label


@pytest.mark.usefixtures("connected")
def test_a_refusal_of_the_portal_fails_the_task_for_good_in_its_words() -> None:
    refused = pytest.raises(AirflowFailException, match=r"^NotFound: .*series/nowhere/ with 404")
    with in_task(), refused, airflow_run() as run:
        run.portal.series("nowhere")


@pytest.mark.usefixtures("connected")
def test_nothing_to_do_skips_the_task(town: Callable[..., Path]) -> None:
    town()
    batch = {"sources": ["town-file"], "as_of": START.isoformat(), "start": None, "end": None}
    with in_task(), pytest.raises(AirflowSkipException, match="Of town-file no row") as skipped, airflow_run() as run:
        ingest_batch(run, batch)
    assert isinstance(skipped.value.__cause__, NothingToDo)


@pytest.mark.parametrize("error", [PortalUnavailable("503"), BadArtifact("damaged"), ZeroDivisionError("a bug")])
def test_any_other_error_is_left_to_airflows_retries(error: Exception) -> None:
    with in_task(), pytest.raises(type(error)) as raised, airflow_run():
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GRIDCAST_BATCH_SIZE", "0", "SettingsInvalid: .*GRIDCAST_BATCH_SIZE='0'"),
        ("AIRFLOW_CONN_PORTAL_DEFAULT", "http://127.0.0.1:8000", "'portal_default' has no password: it needs"),
        ("AIRFLOW_CONN_PORTAL_DEFAULT", "http://", "'portal_default' has no host and no password: it needs"),
    ],
)
def test_a_run_with_wrong_settings_fails_for_good(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with in_task(), pytest.raises(AirflowFailException, match=words), airflow_run():
        pass


def test_an_as_of_that_is_yet_to_come_fails_for_good() -> None:
    refused = pytest.raises(AirflowFailException, match=r"NotYet: as_of is 2124-08-05.* that is yet to come")
    with in_task(params={"as_of": "2124-08-05T00:00:00Z"}), refused, airflow_run():
        pass


def test_an_as_of_without_an_offset_fails_for_good() -> None:
    refused = pytest.raises(AirflowFailException, match="TimeUnclear: as_of is '2024-08-01'")
    with in_task(params={"as_of": "2024-08-01"}), refused, airflow_run():
        pass
