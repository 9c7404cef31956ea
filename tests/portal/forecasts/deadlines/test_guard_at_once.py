"""Two guards, a guard and the pipeline, a guard that is killed: each run is in the ledger once, whole."""

from __future__ import annotations

import datetime
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from portal.alerts.models import Alert
from portal.forecasts.deadlines import operations
from portal.forecasts.deadlines.operations import guard_deadlines
from portal.forecasts.models import DeadlineRecord, ForecastRun, ForecastValue
from portal.forecasts.operations import lock_ledger
from portal.pipeline.models import DagRunRequest
from portal.series.models import Series
from tests.portal.forecasts.deadlines.conftest import GUARD, MINUTE
from tests.portal_environment import portal_environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("deadline")]
# Of this database alone: the server's other ones have waiters of their own.
WAITING = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)
WAITING_VALUES = f"{WAITING} AND relation = 'forecasts_forecastvalue'::regclass"
GUARD_ONCE = """
import django
django.setup()
from datetime import datetime
from portal.forecasts.deadlines.operations import guard_deadlines
guard_deadlines(at=datetime.fromisoformat({at!r}))
"""


def test_two_beats_at_once_publish_once(history: Callable[..., None]) -> None:
    history()
    together = Barrier(4)

    def beat(number: int) -> int:
        try:
            together.wait(120)
            return len(guard_deadlines(at=GUARD + number * MINUTE))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(beat, range(4))) == [0, 0, 0, 1]
    assert ForecastRun.objects.count() == Alert.objects.count() == DagRunRequest.objects.count() == 1


def test_a_guard_that_waits_for_the_pipelines_writing_finds_the_deadline_met(
    series: Series, history: Callable[..., None], publish_day: Callable[..., ForecastRun]
) -> None:
    history()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_ledger([series])
            beat = pool.submit(lambda: (guard_deadlines(at=GUARD), connections.close_all()))
            _wait_for(f"{WAITING} AND locktype = 'advisory'")
            run = publish_day()
        (record,) = beat.result(120)[0]
    assert (record.outcome, record.run) == ("met", run)
    assert ForecastRun.objects.get() == run
    assert not Alert.objects.exists()


def test_a_writer_that_is_stuck_on_one_series_holds_the_guard_up_at_no_other(
    series: Series,
    operator: User,
    make_series: Callable[..., Series],
    history: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history()
    monkeypatch.setattr(operations, "LOCK_TIMEOUT", "200ms")
    stuck = make_series("aurora", timezone="Australia/Melbourne")
    noon = {"series": stuck, "gate_closure": datetime.time(12)}
    operations.set_deadline(facts=noon, by=operator, at=GUARD - MINUTE)
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_ledger([stuck])
        (record,) = pool.submit(lambda: (guard_deadlines(at=GUARD), connections.close_all())).result(120)[0]
    assert (record.series, record.outcome) == (series, "guarded")


def test_a_guard_killed_within_its_transaction_has_done_nothing_and_the_next_beat_does_it_once(
    history: Callable[..., None],
) -> None:
    history()
    environment = portal_environment(PGAPPNAME="guard")
    with transaction.atomic(), connection.cursor() as cursor:
        # Its run is written, its values wait.
        cursor.execute("LOCK TABLE forecasts_forecastvalue IN SHARE MODE")
        once = GUARD_ONCE.format(at=GUARD.isoformat())
        guard = subprocess.Popen([sys.executable, "-c", once], env=environment, cwd=settings.BASE_DIR.parent)
        try:
            _wait_for(WAITING_VALUES)
        finally:
            guard.send_signal(signal.SIGKILL)
            guard.wait()
    # PostgreSQL learns of its death only when what it waited for is over.
    _wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'guard')")
    assert len(guard_deadlines(at=GUARD + MINUTE)) == 1
    assert DeadlineRecord.objects.get().outcome == "guarded"
    assert ForecastValue.objects.count() == ForecastRun.objects.get().value_count
    assert Alert.objects.count() == DagRunRequest.objects.count() == 1


def _wait_for(counting: str) -> None:
    for _ in range(1200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the sessions of its beginning
            cursor.execute(counting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.1)
    raise AssertionError(f"never seen: {counting}")
