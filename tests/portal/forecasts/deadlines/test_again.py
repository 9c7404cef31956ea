"""``python -m portal reproduce``: what the guard published is made again, whatever became known or changed since."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pyarrow as pa
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from portal.forecasts.deadlines.operations import guard_deadlines, set_deadline
from portal.forecasts.models import ForecastRun, ForecastValue, PublicationDeadline
from portal.forecasts.overrides.operations import override_run
from portal.series.models import Observation, Series
from portal.series.recording import record_observations
from tests.portal.forecasts.deadlines.conftest import DAY, DEADLINE, GUARD, HOUR, START, UTC_TIME
from tests.portal.forecasts.ledgers import put_run

History = Callable[..., None]
PublishDay = Callable[..., ForecastRun]
KNOWN = "from what was known at 2014-11-03T00:30:00Z"


@pytest.fixture
def reproduce(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process: its exit status, its verdicts and its complaints."""

    def run(*runs: object) -> tuple[int, str, str]:
        status = 0
        try:
            call_command("reproduce", *runs)
        except SystemExit as ended:
            status = int(str(ended.code))
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def naive(deadline: PublicationDeadline, history: History) -> ForecastRun:
    """What the guard computed for Tuesday, at half past eleven."""
    history()
    guard_deadlines(at=GUARD)
    return ForecastRun.objects.get()


def correct_everything(series: Series, *, by: User, at: datetime = GUARD + DAY) -> None:
    """Each load is corrected, and two more weeks arrive."""
    times = list(Observation.objects.order_by("valid_time").values_list("valid_time", flat=True))
    times += [times[-1] + number * HOUR / 2 for number in range(1, 14 * 48)]
    table = pa.table(
        {
            "series": ["victoria"] * len(times),
            "valid_time": pa.array(times, UTC_TIME),
            "value": pa.array([5000.0 + number for number in range(len(times))]),
            "known_at": pa.array([max(time + HOUR, at) for time in times], UTC_TIME),
        }
    )
    assert record_observations(table, recorded_at=at, by=by).corrected > 4000


def tamper(run: ForecastRun, **change: object) -> None:
    """Change the value of the second valid time's median, as who may turn the triggers off."""
    median = ForecastValue.objects.filter(run=run, valid_time=run.valid_from + run.series.resolution, quantile=0.5)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE forecasts_forecastvalue DISABLE TRIGGER USER")
        assert (median.update(**change) if change else median.delete()[0]) == 1
        cursor.execute("ALTER TABLE forecasts_forecastvalue ENABLE TRIGGER USER")


def test_a_naive_is_reproduced_after_all_loads_were_corrected_and_runs_of_other_levels_came(
    naive: ForecastRun, series: Series, make_user: Callable[..., User], reproduce: Callable[..., tuple[int, str, str]]
) -> None:
    correct_everything(series, by=make_user("service", "ingest"))
    put_run(series, [1.0] * 4, issued=GUARD - HOUR, quantiles=(0.05, 0.5, 0.95))
    put_run(series, [1.0] * 4, issued=GUARD + HOUR, quantiles=(0.05, 0.5, 0.95))
    status, said, complaints = reproduce(naive.pk)
    assert said == f"run {naive.pk} of victoria, seasonal_naive: reproduced 219 values {KNOWN}; largest difference 0\n"
    assert (status, complaints) == (0, "")


@pytest.mark.parametrize(
    ("guard", "intervals"),
    [(datetime(2014, 10, 4, 1, 30, 12, 34, tzinfo=UTC), 70), (datetime(2014, 4, 5, 0, 30, 59, tzinfo=UTC), 74)],
    ids=["23 hours", "25 hours"],
)
def test_so_is_one_that_reaches_over_a_change_of_the_clock(
    series: Series,
    operator: User,
    make_user: Callable[..., User],
    reproduce: Callable[..., tuple[int, str, str]],
    guard: datetime,
    intervals: int,
) -> None:
    set_deadline(facts={"series": series, "gate_closure": time(12)}, by=operator, at=guard - HOUR)
    first = guard.replace(minute=0, second=0, microsecond=0) - 98 * DAY
    Observation.objects.bulk_create(
        Observation(series=series, valid_time=at, known_at=at + HOUR, value=4000 + number**2 % 977)
        for number, at in enumerate(first + step * HOUR / 2 for step in range(98 * 48))
    )
    guard_deadlines(at=guard)
    run = ForecastRun.objects.get()
    assert run.value_count == 3 * intervals
    correct_everything(series, by=make_user("service", "ingest"), at=guard + timedelta(seconds=1))
    status, said, _ = reproduce(run.pk)
    assert (status, said.endswith("; largest difference 0\n")) == (0, True), said


def test_a_copy_is_compared_with_the_run_that_was_copied_though_it_was_adjusted_since(
    deadline: PublicationDeadline,
    publish_day: PublishDay,
    make_user: Callable[..., User],
    reproduce: Callable[..., tuple[int, str, str]],
) -> None:
    earlier = publish_day(DEADLINE - 26 * HOUR, hours=72)
    guard_deadlines(at=GUARD)
    copy = ForecastRun.objects.get(publisher="guard")
    period = {"start": START, "end": START + HOUR}
    override_run(earlier, by=make_user("forecaster"), at=GUARD, reason="A fair", percentage=5.0, **period)
    expected = f"reproduced 279 values as a copy of run {earlier.pk}; largest difference 0\n"
    assert reproduce(copy.pk) == (0, f"run {copy.pk} of victoria, earlier_run: {expected}", "")
    tamper(copy, value=5001.0)
    status, said, _ = reproduce(copy.pk)
    assert status == 1
    assert said.endswith("quantile 0.5: published 5001, made again 5000\n")


def test_a_copy_of_what_a_person_adjusted_is_compared_with_the_adjustment(
    deadline: PublicationDeadline,
    publish_day: PublishDay,
    make_user: Callable[..., User],
    reproduce: Callable[..., tuple[int, str, str]],
) -> None:
    earlier = publish_day(DEADLINE - 26 * HOUR, hours=72)
    period = {"start": START, "end": START + HOUR}
    adjusted = override_run(earlier, by=make_user("forecaster"), at=GUARD, reason="A fair", percentage=5.0, **period)
    guard_deadlines(at=GUARD)
    status, said, _ = reproduce(ForecastRun.objects.get(publisher="guard").pk)
    assert (status, f"as a copy of run {adjusted.pk}; largest difference 0" in said) == (0, True)


def test_a_tampered_value_is_named_with_both_values_and_the_other_runs_are_still_tried(
    naive: ForecastRun, reproduce: Callable[..., tuple[int, str, str]]
) -> None:
    guard_deadlines(at=GUARD + DAY)
    other = ForecastRun.objects.latest("pk")
    was = ForecastValue.objects.get(run=naive, valid_time=GUARD + HOUR, quantile=0.5).value
    tamper(naive, value=was + 0.001)
    status, said, _ = reproduce(naive.pk, other.pk)
    assert status == 1
    differs, same = said.splitlines()
    assert differs == (
        f"run {naive.pk}: NOT reproduced: Run {naive.pk} of victoria, issued 2014-11-03T00:30:00Z by seasonal_naive, "
        "cannot be reproduced: 1 of 219 values differ, the first at 2014-11-03T01:00:00+00:00, quantile 0.5: "
        f"published {was + 0.001:.12g}, made again {was:.12g}; the clock, Australia/Melbourne, and export, not "
        "allowed, are those of the series now, and loads stored later that count as known at the cut-off are in it"
    )
    assert same.startswith(f"run {other.pk} of victoria, seasonal_naive: reproduced ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "is not whole: of its 219 values of the quantiles [0.1, 0.5, 0.9] the ledger has 218"),
        ({"quantile": 0.6}, "is not whole"),
        ({"valid_time": START + 9 * DAY}, "is not whole"),
    ],
    ids=["removed", "of another quantile", "of another time"],
)
def test_a_value_that_is_gone_or_elsewhere_is_noticed(
    naive: ForecastRun, reproduce: Callable[..., tuple[int, str, str]], change: dict[str, object], words: str
) -> None:
    tamper(naive, **change)
    status, said, _ = reproduce(naive.pk)
    assert (status, words in said) == (1, True), said


def test_a_load_stored_later_as_known_by_then_makes_a_difference_and_the_verdict_says_what_may_be(
    deadline: PublicationDeadline, history: History, series: Series, reproduce: Callable[..., tuple[int, str, str]]
) -> None:
    history()
    a_week_ago = GUARD - 7 * DAY
    late = {"series": series, "valid_time": a_week_ago, "value": 9000.0}
    Observation.objects.create(known_at=a_week_ago + 2 * HOUR, **{**late, "value": None})
    guard_deadlines(at=GUARD)
    Observation.objects.create(known_at=a_week_ago + 3 * HOUR, **late)
    status, said, _ = reproduce(ForecastRun.objects.get().pk)
    assert (status, "loads stored later that count as known" in said) == (1, True)
    assert "the first at 2014-11-03T00:30:00+00:00" in said


def test_the_series_counts_as_it_is_now(naive: ForecastRun, reproduce: Callable[..., tuple[int, str, str]]) -> None:
    Series.objects.update(timezone="Europe/London", allows_export=True)
    status, said, _ = reproduce(naive.pk)
    assert (status, "the clock, Europe/London, and export, allowed, are those of the series now" in said) == (1, True)


def test_what_the_guard_did_not_make_is_left_to_the_command_that_is_named(
    publish_day: PublishDay, reproduce: Callable[..., tuple[int, str, str]]
) -> None:
    run = publish_day()
    status, said, _ = reproduce(run.pk)
    assert status == 1
    assert said == (
        f"run {run.pk}: NOT reproduced: the pipeline published it, as seasonal_naive; it is made again by "
        f"`python -m include reproduce {run.pk}`, where the pipeline runs\n"
    )


def test_a_copy_without_its_original_cannot_be_compared(
    series: Series,
    reproduce: Callable[..., tuple[int, str, str]],
    deadline: PublicationDeadline,
    publish_day: PublishDay,
) -> None:
    earlier = publish_day(DEADLINE - 26 * HOUR, hours=72)
    guard_deadlines(at=GUARD)
    copy = ForecastRun.objects.get(publisher="guard")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("forecasts_forecastvalue", "forecasts_forecastrun"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        ForecastValue.objects.filter(run=earlier).delete()
        ForecastRun.objects.filter(pk=earlier.pk).delete()
        for table in ("forecasts_forecastvalue", "forecasts_forecastrun"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    status, said, _ = reproduce(copy.pk)
    assert (status, "the run that it copied is not in the ledger any more" in said) == (1, True)


def test_a_run_that_is_none_ends_in_2_and_the_others_are_still_tried(
    naive: ForecastRun, reproduce: Callable[..., tuple[int, str, str]]
) -> None:
    status, said, complaints = reproduce(10**30, naive.pk + 1, naive.pk)
    assert status == 2
    assert said.startswith(f"run {naive.pk} of victoria")
    assert complaints.splitlines()[1] == f"error: run {naive.pk + 1}: there is no such run in the ledger"


@pytest.mark.django_db(transaction=True)
def test_as_a_process_it_ends_in_its_status_and_without_a_database_in_2(naive: ForecastRun) -> None:
    database = settings.DATABASES["default"]

    def process(*runs: object, port: object = database["PORT"]) -> subprocess.CompletedProcess[str]:
        user = f"{database['USER']}:{database['PASSWORD']}"
        return subprocess.run(
            [sys.executable, "-m", "portal", "reproduce", *map(str, runs)],
            env={**os.environ, "DATABASE_URL": f"postgres://{user}@{database['HOST']}:{port}/{database['NAME']}"},
            cwd=settings.BASE_DIR.parent,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = process(naive.pk)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith(f"run {naive.pk} of victoria, seasonal_naive: reproduced 219 values {KNOWN}; ")
    without = process(1, port=1)
    assert (without.returncode, without.stdout) == (2, "")
    assert without.stderr.startswith("error: run 1: ")
