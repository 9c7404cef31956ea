"""Sources that are read in one batch: one that fails holds up no other, and what a killed task had stored stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.errors import BatchFailed, BatchRefused, SourceError, SourceUnavailable
from include.portal import Portal
from include.run import Run
from include.tasks.ingest import Ingested, confirm_batches, ingest_batch
from portal.alerts.models import Alert
from portal.alerts.operations import ensure_default_rules
from portal.series.catalog import load_catalog
from portal.series.models import IngestRun, Observation, QuarantinedRow
from tests.include.town import DAY, END, START, catalog, readings

BATCH = {"sources": ["broken", "town-file"], "as_of": END.isoformat(), "start": None, "end": None}


@pytest.fixture
def two_sources(town: Callable[..., Path]) -> Path:
    """The town's file, and another source whose file is empty; gives the folder of the files."""
    folder = town(readings(end=START + DAY)).parent
    ensure_default_rules()
    (folder / "broken.csv").touch()
    (source,) = catalog()["sources"]
    load_catalog({"sources": [{**source, "slug": "broken", "url": "broken.csv"}]})
    return folder


def states() -> dict[str, str]:
    return {run.source.slug: run.state for run in IngestRun.objects.select_related("source")}


@pytest.mark.usefixtures("two_sources")
def test_what_the_others_brought_is_told_before_the_run_fails(new_run: Callable[..., Run]) -> None:
    ingested = ingest_batch(new_run(), BATCH)
    assert ingested["series"] == ["town", "town-temperature"]
    assert [each["source"] for each in ingested["sources"]] == ["town-file"]
    assert set(ingested["refused"]) == {"broken"}
    assert states() == {"broken": "failed", "town-file": "done"}
    with pytest.raises(BatchRefused, match=r"1 sources were refused, the others are read: broken: .*broken\.csv"):
        confirm_batches([ingested, {"refused": {}}])
    confirm_batches([{"refused": {}}])
    confirm_batches([])


@pytest.mark.usefixtures("two_sources")
def test_a_batch_of_which_all_were_refused_fails_itself(new_run: Callable[..., Run]) -> None:
    with pytest.raises(SourceError, match=r"broken\.csv"):
        ingest_batch(new_run(), {**BATCH, "sources": ["broken"]})


def test_a_source_that_is_refused_alerts_and_one_that_is_read_again_ends_the_alert(
    two_sources: Path, new_run: Callable[..., Run]
) -> None:
    ingest_batch(new_run(run_id="one"), BATCH)
    (alert,) = Alert.objects.all()
    assert (alert.source.slug, alert.state) == ("broken", "firing")
    (two_sources / "broken.csv").write_text((two_sources / "town.csv").read_text())
    ingest_batch(new_run(run_id="two"), BATCH)
    alert.refresh_from_db()
    assert alert.state == "resolved"


@pytest.fixture
def away(two_sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that nobody has started, as a source beside the town's file."""
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", "postgres://nobody:secret@127.0.0.1:9/nowhere")
    (source,) = catalog()["sources"]
    query = "SELECT * FROM readings WHERE time >= %(start)s AND time < %(end)s"
    options = {**source["options"], "query": query}
    entry = {**source, "slug": "broken", "kind": "sql", "url": "", "connection": "away", "options": options}
    load_catalog({"sources": [entry]})


@pytest.mark.usefixtures("away")
def test_a_source_that_does_not_answer_is_tried_again_after_the_others_are_read(
    new_run: Callable[..., Run], options: Any
) -> None:
    quick = options.model_copy(update={"source_attempts": 1})
    with pytest.raises((SourceUnavailable, BatchFailed)) as failed:
        ingest_batch(new_run(settings=quick), BATCH)
    assert "secret" not in str(failed.value)
    assert states() == {"broken": "running", "town-file": "done"}, "no alert before the last try"
    with pytest.raises((SourceUnavailable, BatchFailed)):
        ingest_batch(new_run(settings=quick, is_last_try=True), BATCH)
    assert states() == {"broken": "failed", "town-file": "done"}
    assert Observation.objects.filter(series__slug="town").count() == 48


def test_a_file_that_is_repaired_and_read_again_by_the_same_run_settles_its_rows(
    town: Callable[..., Path], ingest: Callable[..., Ingested], portal: Portal
) -> None:
    """Airflow's way: the file is repaired, and the task cleared."""
    frame = readings(end=START + DAY)
    path = town(frame)
    good = path.read_text()
    path.write_text(good.replace(str(frame["load"].iloc[7]), "n.a.", 1))
    assert ingest().quarantined == 1
    assert QuarantinedRow.objects.get().status == "open"
    path.write_text(good)
    assert ingest().quarantined == 0
    assert QuarantinedRow.objects.get().status == "passed"
    assert len(portal.observations("town", as_of=END)) == 48


def test_a_file_beside_a_broken_one_is_counted_once_when_the_run_is_cleared(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    path = town(readings(end=START + DAY), url="*.csv")
    broken = path.with_name("zz.csv")
    broken.write_text("time,load\n")
    with pytest.raises(SourceError, match=r"zz\.csv"):
        ingest()
    broken.write_text(path.read_text())
    done = ingest()
    assert (done.received, IngestRun.objects.get().state) == (192, "done")


def test_what_the_files_beside_a_broken_one_brought_is_told(
    town: Callable[..., Path], new_run: Callable[..., Run]
) -> None:
    town(readings(end=START + DAY), url="*.csv").with_name("zz.csv").touch()
    ingested = ingest_batch(new_run(), {**BATCH, "sources": ["town-file"]})
    assert ingested["series"] == ["town", "town-temperature"]
    assert set(ingested["refused"]) == {"town-file"}
    assert states() == {"town-file": "failed"}


def test_a_part_of_a_period_settles_no_row_that_it_did_not_judge(
    town: Callable[..., Path], ingest: Callable[..., Ingested]
) -> None:
    frame = readings(end=START + DAY)
    frame.iloc[3, 0] = -5.0
    town(frame)
    assert ingest(run_id="whole").quarantined == 1
    assert ingest(run_id="later", start=START + DAY / 2).quarantined == 0
    assert QuarantinedRow.objects.get().status == "open"
