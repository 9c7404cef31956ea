"""The guard: what it records, what it publishes where the pipeline has not, and when it leaves a deadline alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection

from portal.alerts.models import Alert, OutboxMessage
from portal.core.columns import to_datetime
from portal.forecasts.deadlines.operations import change_deadline, guard_deadlines, set_deadline
from portal.forecasts.models import DeadlineRecord, ForecastRun, ForecastValue, PublicationDeadline
from portal.forecasts.queries import latest_run, run_values
from portal.pipeline.models import DagRunRequest
from portal.series.models import Series
from tests.portal.forecasts.deadlines.conftest import DAY, DEADLINE, GUARD, HOUR, MINUTE, START

History = Callable[..., None]
PublishDay = Callable[..., ForecastRun]
REFUSE_MAILS = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON alerts_outboxmessage FOR EACH ROW EXECUTE FUNCTION refuse();
"""
pytestmark = pytest.mark.usefixtures("deadline")


def the_record() -> DeadlineRecord:
    return DeadlineRecord.objects.get()


def test_a_day_that_the_pipeline_has_published_is_met_and_nothing_is_added(publish_day: PublishDay) -> None:
    run = publish_day()
    guard_deadlines(at=GUARD)
    record = the_record()
    assert (record.outcome, record.run, record.deadline) == ("met", run, DEADLINE)
    assert (record.delivery_day, record.recorded_at) == (date(2014, 11, 4), GUARD)
    assert record.reason == "Published on the rung seasonal naive."
    assert ForecastRun.objects.count() == 1
    assert not Alert.objects.exists()
    assert not DagRunRequest.objects.exists()


def test_nothing_is_done_before_the_guards_time_and_nothing_twice(publish_day: PublishDay, history: History) -> None:
    history()
    assert guard_deadlines(at=GUARD - MINUTE) == []
    assert len(guard_deadlines(at=GUARD)) == 1
    assert guard_deadlines(at=GUARD + MINUTE) == []
    assert ForecastRun.objects.count() == DagRunRequest.objects.count() == OutboxMessage.objects.count() == 1


def test_without_any_run_the_guard_publishes_a_whole_seasonal_naive(series: Series, history: History) -> None:
    history()
    guard_deadlines(at=GUARD + timedelta(seconds=12, microseconds=34))
    run = ForecastRun.objects.get()
    assert (run.publisher, run.rung, run.model) == ("guard", "seasonal_naive", None)
    assert run.issue_time == run.data_cutoff == GUARD + timedelta(seconds=12)
    assert (run.valid_from, run.valid_until) == (GUARD + 30 * MINUTE, START + DAY)
    assert run.value_count == ForecastValue.objects.filter(run=run).count() == 72 * 3
    assert run.reason == (
        "the pipeline had published nothing for 2014-11-04 before the deadline 2014-11-03 12:00 AEDT; "
        "earlier_run: none covers the day"
    )
    values = run_values(run)
    times = [to_datetime(us) for us in values.column("valid_time").cast("int64").to_pylist()][::3]
    medians = values.column("value").to_numpy().reshape(-1, 3)[:, 1]
    week_ago = np.array([4000 + (at - 7 * DAY).hour * 10 + (at - 7 * DAY).day for at in times], dtype=float)
    assert np.abs(medians - week_ago).max() < 40, "a week ago, moved by the median of the changes"
    assert (the_record().outcome, the_record().run) == ("guarded", run)


def test_an_earlier_run_that_still_covers_the_day_goes_before_a_naive(
    publish_day: PublishDay, history: History
) -> None:
    history()
    earlier = publish_day(DEADLINE - 26 * HOUR, hours=72)
    guard_deadlines(at=GUARD)
    run = ForecastRun.objects.get(publisher="guard")
    assert (run.rung, run.data_cutoff, run.valid_until) == ("earlier_run", earlier.data_cutoff, earlier.valid_until)
    assert run.valid_from == GUARD
    assert f"; run {earlier.pk}, issued 2014-11-01 23:00Z, goes on" in run.reason
    assert set(run_values(run).column("value").to_pylist()) == {4900.0, 5000.0, 5100.0}


def test_the_naive_has_the_levels_of_the_last_run(publish_day: PublishDay, history: History) -> None:
    history()
    last = publish_day(DEADLINE - 26 * HOUR, hours=24)
    guard_deadlines(at=GUARD)
    assert ForecastRun.objects.get(publisher="guard").quantiles == last.quantiles


@pytest.mark.parametrize("hours", [12, 36])
def test_a_run_that_covers_a_part_of_the_day_does_not_meet_the_deadline(
    publish_day: PublishDay, history: History, hours: int
) -> None:
    history()
    publish_day(hours=hours)
    guard_deadlines(at=GUARD)
    assert the_record().outcome == "guarded"


def test_the_alert_fires_with_a_mail_and_airflow_is_asked_for_a_newer_run(series: Series, history: History) -> None:
    history()
    guard_deadlines(at=GUARD)
    alert, request = Alert.objects.get(), DagRunRequest.objects.get()
    assert (alert.series, alert.engine, alert.severity, alert.state) == (series, "publication", "fatal", "firing")
    assert "The guard published run" in alert.message
    assert request.run_id == "portal__publish_forecasts__deadline-victoria-2014-11-04"
    assert request.conf == {"series": ["victoria"], "as_of": (GUARD + MINUTE).isoformat()}
    assert OutboxMessage.objects.get().subject == ("[Gridcast] Fatal: victoria, nothing published before the deadline")


def test_the_pipelines_run_that_comes_after_all_is_the_latest_and_resolves_the_alert(
    series: Series, history: History, publish_day: PublishDay
) -> None:
    history()
    guard_deadlines(at=GUARD)
    run = publish_day(GUARD + MINUTE, start=GUARD + 30 * MINUTE)
    assert latest_run(series) == run
    assert Alert.objects.get().state == "resolved"
    fired, resolved = OutboxMessage.objects.order_by("pk")
    assert (resolved.kind, resolved.in_reply_to) == ("resolved", fired.message_id)
    assert f"Run {run.pk}" in Alert.objects.get().message
    assert the_record().outcome == "guarded", "what was there at the time stays recorded"


@pytest.mark.parametrize(
    ("issued", "hours"), [(GUARD + MINUTE, 24), (DEADLINE - 2 * DAY, 96)], ids=["too short", "a backfill"]
)
def test_a_run_that_is_not_of_the_day_resolves_nothing(
    history: History, publish_day: PublishDay, issued: datetime, hours: int
) -> None:
    history()
    guard_deadlines(at=GUARD)
    publish_day(issued, hours=hours, start=issued.replace(minute=0) + HOUR)
    assert Alert.objects.get().state == "firing"


def test_where_nothing_is_possible_the_deadline_is_missed_and_the_alert_says_why(history: History) -> None:
    history(days=10)
    guard_deadlines(at=DEADLINE)
    record = the_record()
    assert (record.outcome, record.run) == ("missed", None)
    assert record.reason.endswith("seasonal_naive: less than two weeks of the load are known")
    assert Alert.objects.get().message == f"Nothing could be published for 2014-11-04: {record.reason}."
    assert DagRunRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("start", "title"),
    [(None, "published after all"), (START + DAY, "published in time again")],
    ids=["the rest of the day before too", "the next day alone"],
)
def test_the_next_day_in_order_resolves_the_alert_of_the_day_before(
    history: History, publish_day: PublishDay, start: datetime | None, title: str
) -> None:
    history()
    guard_deadlines(at=GUARD)
    Alert.objects.update(fired_at=GUARD)
    publish_day(GUARD + DAY - HOUR, hours=12)
    assert Alert.objects.get().state == "firing"
    publish_day(GUARD + DAY - HOUR / 2, start=start)
    guard_deadlines(at=GUARD + DAY)
    assert Alert.objects.get().state == "resolved"
    assert OutboxMessage.objects.get(kind="resolved").subject.endswith(title)


def test_a_second_guarded_day_mails_again(history: History) -> None:
    history()
    guard_deadlines(at=GUARD)
    guard_deadlines(at=GUARD + DAY)
    assert [record.outcome for record in DeadlineRecord.objects.all()] == ["guarded", "guarded"]
    assert "2014-11-05" in Alert.objects.get().message
    assert [mail.kind for mail in OutboxMessage.objects.all()] == ["fired", "fired"]


def test_while_the_deadline_is_ahead_a_guard_with_nothing_to_publish_tells_once_and_tries_on(history: History) -> None:
    history(days=10)
    beats = [guard_deadlines(at=GUARD + number * MINUTE) for number in range(3)]
    assert beats == [[], [], []]
    assert Alert.objects.get().message.startswith("Nothing could be published for 2014-11-04")
    assert OutboxMessage.objects.count() == DagRunRequest.objects.count() == 1
    (record,) = guard_deadlines(at=DEADLINE + MINUTE)
    assert record.outcome == "missed"
    assert OutboxMessage.objects.count() == DagRunRequest.objects.count() == 1, "it is the same day"


def test_load_that_comes_before_the_deadline_lets_the_guard_publish_after_all(history: History) -> None:
    guard_deadlines(at=GUARD)
    history()
    (record,) = guard_deadlines(at=GUARD + MINUTE)
    assert record.outcome == "guarded"
    assert "The guard published run" in Alert.objects.get().message


def test_a_run_of_the_pipeline_before_the_deadline_meets_it_though_the_guard_had_nothing(
    publish_day: PublishDay,
) -> None:
    guard_deadlines(at=GUARD)
    run = publish_day(GUARD + MINUTE, start=GUARD + 30 * MINUTE)
    guard_deadlines(at=GUARD + 2 * MINUTE)
    assert (the_record().outcome, the_record().run) == ("met", run)
    assert Alert.objects.get().state == "resolved"
    assert OutboxMessage.objects.get(kind="resolved").subject.endswith("published after all")


def test_the_run_of_yesterday_does_not_resolve_an_alert_about_tomorrow(
    history: History, publish_day: PublishDay
) -> None:
    history()
    guard_deadlines(at=GUARD)
    Alert.objects.update(occasion="2014-11-05")
    publish_day(GUARD + MINUTE, start=GUARD + 30 * MINUTE)
    assert Alert.objects.get().state == "firing"


def test_the_reason_says_how_far_the_pipeline_reaches_where_that_is_too_short(
    publish_day: PublishDay, history: History
) -> None:
    history()
    run = publish_day(hours=24)
    guard_deadlines(at=GUARD)
    assert f"; the pipeline's newest run, {run.pk}, covers only until 2014-11-04 10:30 AEDT" in the_record().reason


def test_a_mail_that_cannot_be_written_keeps_neither_the_fallback_nor_the_request_back(
    history: History, caplog: pytest.LogCaptureFixture
) -> None:
    history()
    with connection.cursor() as cursor:
        cursor.execute(REFUSE_MAILS)
    guard_deadlines(at=GUARD)
    assert (the_record().outcome, DagRunRequest.objects.count()) == ("guarded", 1)
    assert not Alert.objects.exists()
    assert "Nobody could be told: The guard published run" in caplog.text


def test_a_mail_that_cannot_be_written_keeps_neither_the_pipelines_run_nor_its_record_back(
    history: History, publish_day: PublishDay
) -> None:
    history()
    guard_deadlines(at=GUARD)
    with connection.cursor() as cursor:
        cursor.execute(REFUSE_MAILS)
    publish_day(GUARD + DAY - HOUR)
    assert ForecastRun.objects.count() == 2
    assert [record.outcome for record in guard_deadlines(at=GUARD + DAY)] == ["met"]
    assert Alert.objects.get().state == "firing"


def test_a_guard_that_was_away_acts_late_and_says_so(history: History) -> None:
    history()
    guard_deadlines(at=DEADLINE + 20 * HOUR)
    run = ForecastRun.objects.get()
    assert "nor by 2014-11-04 08:00 AEDT, when the guard looked" in run.reason
    assert (run.valid_from, run.valid_until) == (DEADLINE + 20 * HOUR, START + DAY)
    assert the_record().outcome == "guarded"


def test_what_was_published_only_after_the_deadline_is_missed_though_it_is_there(publish_day: PublishDay) -> None:
    run = publish_day()  # by the clock of this test's machine, so years after the deadline
    guard_deadlines(at=DEADLINE + HOUR)
    record = the_record()
    assert (record.outcome, record.run) == ("missed", run)
    assert "after the deadline" in record.reason
    assert record.reason in Alert.objects.get().message
    assert OutboxMessage.objects.get().kind == "fired"


def test_a_day_that_is_over_is_left_alone_and_those_that_are_not_come_beat_by_beat(history: History) -> None:
    history()
    late = START + 2 * DAY - HOUR
    days = [[record.delivery_day for record in guard_deadlines(at=late + number * MINUTE)] for number in range(3)]
    assert days == [[date(2014, 11, 5)], [date(2014, 11, 6)], []]
    assert ForecastRun.objects.count() == 2


@pytest.mark.parametrize("change", [{"enabled": True}, {"guard_before": HOUR}])
def test_a_deadline_before_the_last_change_is_left_alone(
    deadline: PublicationDeadline, operator: User, history: History, change: dict[str, object]
) -> None:
    history()
    change_deadline(deadline, changes=change, by=operator, at=DEADLINE + MINUTE)
    assert guard_deadlines(at=DEADLINE + HOUR) == []
    change_deadline(deadline, changes={"enabled": False}, by=operator, at=DEADLINE + 2 * HOUR)
    assert guard_deadlines(at=GUARD + DAY) == []


def test_a_series_that_stumbles_holds_up_no_other(
    make_series: Callable[..., Series], operator: User, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    history()
    broken = make_series("atlantis", timezone="Australia/Melbourne")
    set_deadline(facts={"series": broken, "gate_closure": DEADLINE.time()}, by=operator, at=DEADLINE - DAY)
    Series.objects.filter(pk=broken.pk).update(timezone="Atlantis/Capital")
    (record,) = guard_deadlines(at=GUARD)
    assert record.series.slug == "victoria"
    assert "The guard could not see to atlantis" in caplog.text
