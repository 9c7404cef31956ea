"""An alert that could not be written is written at a later beat: once, in order, and nothing is published again."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from django.db import connection, connections

from portal.alerts.models import Alert, OutboxMessage
from portal.forecasts.deadlines.operations import guard_deadlines
from portal.forecasts.models import DeadlineNotice, DeadlineRecord, ForecastRun
from portal.pipeline.models import DagRunRequest
from portal.series.models import Series
from tests.portal.forecasts.deadlines.conftest import DAY, DEADLINE, GUARD, HOUR, MINUTE

History = Callable[..., None]
PublishDay = Callable[..., ForecastRun]
pytestmark = pytest.mark.usefixtures("deadline")


def refuse(table: str) -> None:
    """From now on the database takes no new row of a table."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'refused'; END $$"
        )
        cursor.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def accept(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"DROP TRIGGER refuse ON {table}")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def told() -> list[tuple[str, str]]:
    """The kind of each mail and the day that it is about, in order."""
    mails = OutboxMessage.objects.order_by("pk")
    days = [re.search(r"\b(?:for|covers)\s+(2014-11-\d\d)", mail.text) for mail in mails]
    return [(mail.kind, day[1] if day else "") for mail, day in zip(mails, days, strict=True)]


@pytest.mark.parametrize("table", ["alerts_alert", "alerts_outboxmessage"])
def test_it_is_tried_at_each_beat_until_it_is_written_and_the_publication_stands_meanwhile(
    history: History, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    history()
    refuse(table)
    beats = [len(guard_deadlines(at=GUARD + number * MINUTE)) for number in range(3)]
    assert (beats, ForecastRun.objects.count(), Alert.objects.count()) == ([1, 0, 0], 1, 0)
    assert "Nobody could be told: The guard published run" in caplog.text
    assert caplog.text.count("Nobody could be told yet of the deadlines of victoria") == 2
    accept(table)
    guard_deadlines(at=GUARD + 3 * MINUTE)
    alert = Alert.objects.get()
    assert (alert.state, alert.fired_at, alert.occasion) == ("firing", GUARD, "2014-11-04")
    assert f"The guard published run {ForecastRun.objects.get().pk}" in alert.message
    guard_deadlines(at=GUARD + 4 * MINUTE)
    assert told() == [("fired", "2014-11-04")]
    assert ForecastRun.objects.count() == DeadlineRecord.objects.count() == DagRunRequest.objects.count() == 1
    assert not DeadlineNotice.objects.exists()


def test_what_the_pipeline_has_met_by_then_is_told_with_its_end(history: History, publish_day: PublishDay) -> None:
    history()
    refuse("alerts_alert")
    guard_deadlines(at=GUARD)
    run = publish_day(GUARD + MINUTE, start=GUARD + HOUR / 2)
    accept("alerts_alert")
    guard_deadlines(at=GUARD + 2 * MINUTE)
    alert = Alert.objects.get()
    assert (alert.state, alert.resolved_at) == ("resolved", GUARD + 2 * MINUTE)
    assert f"Run {run.pk}" in alert.message
    assert told() == [("fired", "2014-11-04"), ("resolved", "2014-11-04")]


@pytest.mark.parametrize(("start", "hours"), [(GUARD + HOUR / 2, 12), (DEADLINE + HOUR, 5)])
def test_a_run_that_does_not_reach_over_the_day_ends_nothing(
    history: History, publish_day: PublishDay, start: object, hours: float
) -> None:
    history()
    refuse("alerts_alert")
    guard_deadlines(at=GUARD)
    publish_day(GUARD + MINUTE, start=start, hours=hours)
    accept("alerts_alert")
    guard_deadlines(at=GUARD + 2 * MINUTE)
    assert Alert.objects.get().state == "firing"


def test_the_end_of_an_alert_is_tried_again_too(history: History, publish_day: PublishDay) -> None:
    history()
    guard_deadlines(at=GUARD)
    refuse("alerts_outboxmessage")
    publish_day(GUARD + DAY - HOUR)
    assert [record.outcome for record in guard_deadlines(at=GUARD + DAY)] == ["met"]
    assert Alert.objects.get().state == "firing"
    accept("alerts_outboxmessage")
    assert guard_deadlines(at=GUARD + DAY + MINUTE) == []
    assert (Alert.objects.get().state, Alert.objects.get().resolved_at) == ("resolved", GUARD + DAY)


def test_days_that_nobody_could_be_told_of_are_told_in_order(history: History) -> None:
    history()
    refuse("alerts_alert")
    guard_deadlines(at=GUARD)
    guard_deadlines(at=GUARD + DAY)
    accept("alerts_alert")
    guard_deadlines(at=GUARD + DAY + MINUTE)
    assert told() == [("fired", "2014-11-04"), ("fired", "2014-11-05")]
    assert (Alert.objects.get().occasion, Alert.objects.get().state) == ("2014-11-05", "firing")


def test_a_day_that_was_met_is_told_after_the_day_before_it(history: History, publish_day: PublishDay) -> None:
    history()
    refuse("alerts_alert")
    guard_deadlines(at=GUARD)
    accept("alerts_alert")
    publish_day(GUARD + DAY - HOUR)
    guard_deadlines(at=GUARD + DAY)
    assert [mail.kind for mail in OutboxMessage.objects.order_by("pk")] == ["fired", "resolved"]
    assert Alert.objects.get().occasion == "2014-11-04"


def test_where_it_cannot_even_be_kept_the_publication_stands(
    history: History, caplog: pytest.LogCaptureFixture
) -> None:
    history()
    for table in ("alerts_alert", "forecasts_deadlinenotice"):
        refuse(table)
    (record,) = guard_deadlines(at=GUARD)
    assert (record.outcome, record.delivery_day) == ("guarded", date(2014, 11, 4))
    assert "Nor could it be kept to be told later: The guard published run" in caplog.text


def test_a_guard_that_has_nothing_to_publish_yet_tells_once_when_it_can(history: History) -> None:
    history(days=10)
    refuse("alerts_alert")
    guard_deadlines(at=GUARD)
    accept("alerts_alert")
    for number in range(1, 4):
        guard_deadlines(at=GUARD + number * MINUTE)
    assert OutboxMessage.objects.count() == Alert.objects.count() == 1
    assert not DeadlineNotice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_beats_at_once_tell_it_once(series: Series) -> None:
    DeadlineNotice.objects.create(
        series=series,
        delivery_day=date(2014, 11, 3),
        failing=True,
        message="The guard published run 1.",
        at=GUARD - DAY,
    )
    together = Barrier(3)

    def beat(_: int) -> None:
        try:
            together.wait(20)
            guard_deadlines(at=GUARD - MINUTE)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(beat, range(3)))
    assert OutboxMessage.objects.count() == Alert.objects.count() == 1
    assert not DeadlineNotice.objects.exists()
