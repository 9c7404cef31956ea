"""A deletion that is killed in the middle leaves no half of anything, and the next run goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from portal.forecasts.models import ForecastRun, ForecastScore, ForecastValue
from portal.retention import operations
from portal.retention.kinds import Kind
from portal.retention.models import RetentionRun
from portal.retention.records import RECORDS
from portal.series.models import Series
from tests.portal.retention.conftest import DAY, HOUR, NOW
from tests.portal_environment import portal_environment

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[3]
WORKER = """
import sys
from datetime import datetime
import django
django.setup()
from django.contrib.auth.models import User
from portal.retention import operations
from portal.retention.models import RetentionRun
run = RetentionRun.objects.get(pk=int(sys.argv[1]))
operations.advance_run(run, by=User.objects.get(username="airflow"), at=datetime.fromisoformat(sys.argv[2]), seconds=60)
"""
WORKER_NAME = "retention worker"
RUNS = 2 * RECORDS[Kind.FORECAST_RUNS].batch + 50


@contextmanager
def worker(run: RetentionRun) -> Iterator[subprocess.Popen[bytes]]:
    """A process that advances the run."""
    command = [sys.executable, "-c", WORKER, str(run.pk), NOW.isoformat()]
    with subprocess.Popen(command, cwd=ROOT, env=portal_environment(PGAPPNAME=WORKER_NAME)) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_until(holds: Callable[[], bool], *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE NOT granted AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


def the_workers_session_is_over() -> bool:
    """PostgreSQL goes on with what a killed process asked for last, and learns of its death only then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (WORKER_NAME,))
        return cursor.fetchone() == (0,)


def halves() -> int:
    """Runs without all of their values, and values or scores without their run."""
    runs = dict(ForecastRun.objects.values_list("pk", "value_count"))
    values = Counter(ForecastValue.objects.values_list("run", flat=True))
    scores = ForecastScore.objects.values_list("forecast_run", flat=True)
    return sum(values[pk] != count for pk, count in runs.items()) + sum(pk not in runs for pk in (*values, *scores))


@pytest.fixture
def old_runs(series: Series, publish_run: Callable[..., ForecastRun]) -> None:
    newest = publish_run(series, 1)
    facts = {name: value for name, value in vars(newest).items() if name not in ("_state", "id", "issue_time")}
    with transaction.atomic():
        runs = ForecastRun.objects.bulk_create(
            ForecastRun(**{**facts, "issue_time": NOW - (500 + number) * DAY, "values_sha256": f"{number:064x}"})
            for number in range(RUNS)
        )
        for table, rows in (
            (ForecastValue, [{"valid_time": NOW + hour * HOUR, "quantile": 0.5, "value": 4000.0} for hour in (0, 1)]),
            (ForecastScore, [{"as_of": NOW, "n": 2}]),
        ):
            key = "run" if table is ForecastValue else "forecast_run"
            table._default_manager.bulk_create(table(**{key: run}, **row) for run in runs for row in rows)


@pytest.mark.usefixtures("old_runs")
def test_a_worker_killed_between_a_runs_row_and_its_scores_leaves_the_run_whole(
    keep: Callable[..., None], begin: Callable[..., RetentionRun], people: dict[str, User]
) -> None:
    keep(forecast_runs=400)
    run = begin(confirmed=True)
    with psycopg.connect(portal_environment()["DATABASE_URL"]) as other, worker(run) as process:
        # Runs and values are deleted by then, the scores come next: here the worker stands and waits.
        other.execute("LOCK TABLE forecasts_forecastscore IN SHARE MODE")
        wait_until(somebody_waits_for_a_lock)
        process.send_signal(signal.SIGKILL)
        process.wait()
        other.rollback()
    wait_until(the_workers_session_is_over)
    assert ForecastRun.objects.count() == RUNS + 1
    assert halves() == 0
    assert run.outcomes.get().deleted == 0
    done = operations.advance_run(run, by=people["airflow"], at=NOW, seconds=60)
    assert (done.state, done.outcomes.get().deleted) == ("done", RUNS)
    assert (ForecastRun.objects.count(), halves()) == (1, 0)


@pytest.mark.usefixtures("old_runs")
def test_a_worker_killed_between_two_batches_is_gone_on_with(
    keep: Callable[..., None], begin: Callable[..., RetentionRun], people: dict[str, User]
) -> None:
    keep(forecast_runs=400)
    run = begin(confirmed=True)
    with worker(run) as process:
        wait_until(lambda: run.outcomes.get().deleted > 0 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(the_workers_session_is_over)
    assert halves() == 0
    noted = run.outcomes.get().deleted
    assert noted == RUNS + 1 - ForecastRun.objects.count(), "what is noted is what is gone"
    done = operations.advance_run(run, by=people["airflow"], at=NOW, seconds=60)
    assert (done.state, done.outcomes.get().deleted) == ("done", RUNS)
    assert (ForecastRun.objects.count(), halves()) == (1, 0)


@pytest.mark.usefixtures("old_runs")
def test_a_slice_ends_in_its_time_and_the_next_goes_on(
    keep: Callable[..., None], begin: Callable[..., RetentionRun], people: dict[str, User]
) -> None:
    keep(forecast_runs=400)
    run = begin(confirmed=True)
    counts = []
    while run.state == "running":
        run = operations.advance_run(run, by=people["airflow"], at=NOW, seconds=0)
        counts.append(run.outcomes.get().deleted)
    batch = (RUNS - 50) // 2
    assert counts == [batch, 2 * batch, RUNS, RUNS]


@pytest.mark.usefixtures("old_runs")
def test_two_at_once_delete_each_run_once(
    keep: Callable[..., None], begin: Callable[..., RetentionRun], people: dict[str, User]
) -> None:
    keep(forecast_runs=400)
    runs, together, errors = [begin(confirmed=True), begin(confirmed=True)], Barrier(2), []

    def advance(run: RetentionRun) -> None:
        try:
            together.wait()
            operations.advance_run(run, by=people["airflow"], at=NOW, seconds=60)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test tells
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=advance, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for run in runs:  # what one skipped since the other held it is gone by now, or comes with the next
        operations.advance_run(run, by=people["airflow"], at=NOW, seconds=60)
    assert sum(run.outcomes.get().deleted for run in runs) == RUNS
    assert (ForecastRun.objects.count(), halves()) == (1, 0)


@pytest.mark.usefixtures("old_runs")
def test_a_run_that_another_transaction_holds_is_left_for_the_next(
    keep: Callable[..., None], begin: Callable[..., RetentionRun], people: dict[str, User]
) -> None:
    keep(forecast_runs=400)
    held = ForecastRun.objects.order_by("issue_time").first()
    assert held is not None
    with psycopg.connect(portal_environment()["DATABASE_URL"]) as other:
        other.execute("SELECT FROM forecasts_forecastrun WHERE id = %s FOR KEY SHARE", (held.pk,))
        operations.advance_run(begin(confirmed=True), by=people["airflow"], at=NOW, seconds=60)
        assert set(ForecastRun.objects.filter(issue_time__lt=NOW - 400 * DAY)) == {held}
    operations.advance_run(begin(confirmed=True), by=people["airflow"], at=NOW, seconds=60)
    assert ForecastRun.objects.count() == 1
