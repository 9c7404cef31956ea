"""What is asked of Airflow ahead of the deadlines: on the clock of each series, once, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from portal.forecasts.deadlines.ahead import ask_ahead
from portal.forecasts.deadlines.operations import change_deadline, set_deadline
from portal.forecasts.models import PublicationDeadline
from portal.pipeline.models import DagRunRequest
from portal.series.models import Observation, Series
from tests.portal.forecasts.deadlines.conftest import DAY, DEADLINE, GUARD, HOUR, MINUTE

AHEAD = DEADLINE - 2 * HOUR
DEADLINES = "/api/v1/publication-deadlines/"


@pytest.fixture
def live(make_series: Callable[..., Series], operator: User) -> Callable[..., Series]:
    """Makes a series that can be forecast from any time on, with a deadline at noon of its own clock."""

    def make(slug: str, *, timezone: str = "Australia/Melbourne", scheduled: bool = True, **facts: Any) -> Series:
        series = make_series(slug, timezone=timezone, scheduled=scheduled)
        observe(series, DEADLINE + 400 * DAY)
        deadline = {"series": series, "gate_closure": time(12), **facts}
        set_deadline(facts=deadline, by=operator, at=DEADLINE - 2 * DAY)
        return series

    return make


def observe(series: Series, valid_time: datetime) -> None:
    known_at = min(valid_time, DEADLINE - 3 * DAY)
    Observation.objects.create(series=series, valid_time=valid_time, known_at=known_at, value=4000)


def asked_at(*times: datetime) -> list[tuple[datetime, list[str]]]:
    """When something was asked for, and for which series."""
    return [(at, request.conf["series"]) for at in times for request in ask_ahead(at=at)]


def test_the_forecast_is_asked_for_two_hours_ahead_once_and_issued_then(live: Callable[..., Series]) -> None:
    series = live("victoria")
    at = AHEAD + timedelta(seconds=17, microseconds=5)
    assert asked_at(AHEAD - MINUTE, at, at + MINUTE, GUARD - MINUTE, GUARD, DEADLINE) == [(at, ["victoria"])]
    request = DagRunRequest.objects.get()
    assert (request.dag_id, request.series, request.requested_by) == ("publish_forecasts", series, None)
    assert request.run_id == "portal__publish_forecasts__by-20141103T010000Z-1"
    assert request.conf == {"series": ["victoria"], "as_of": "2014-11-02T23:00:17+00:00"}
    assert request.reason == "Ahead of the deadline 2014-11-03 01:00Z of victoria"


def test_series_with_the_same_deadline_are_one_run_and_others_have_their_own_clock(
    live: Callable[..., Series],
) -> None:
    for slug in ("victoria", "tasmania"):
        live(slug, timezone="Australia/Melbourne")
    live("britain", timezone="Europe/London")
    noon_in_london = datetime(2014, 11, 3, 12, tzinfo=UTC)
    found = asked_at(AHEAD, AHEAD + MINUTE, noon_in_london - 2 * HOUR - MINUTE, noon_in_london - 2 * HOUR)
    assert found == [(AHEAD, ["tasmania", "victoria"]), (noon_in_london - 2 * HOUR, ["britain"])]
    assert DagRunRequest.objects.filter(series=None).count() == 1


def test_a_request_for_many_series_names_some_of_them(live: Callable[..., Series]) -> None:
    for number in range(7):
        live(f"zone-{number}")
    ((_, series),) = asked_at(AHEAD)
    assert len(series) == 7
    assert DagRunRequest.objects.get().reason.endswith("of zone-0, zone-1, zone-2, zone-3, zone-4 and 2 more")


def test_a_deadline_that_is_set_or_moved_when_others_were_asked_for_is_asked_for_alone(
    live: Callable[..., Series], operator: User
) -> None:
    victoria = live("victoria")
    assert asked_at(AHEAD) == [(AHEAD, ["victoria"])]
    live("tasmania")
    assert asked_at(AHEAD + MINUTE, AHEAD + 2 * MINUTE) == [(AHEAD + MINUTE, ["tasmania"])]
    deadline = PublicationDeadline.objects.get(series=victoria)
    change_deadline(deadline, changes={"gate_closure": time(13)}, by=operator, at=AHEAD + 3 * MINUTE)
    assert asked_at(AHEAD + 4 * MINUTE, AHEAD + HOUR) == [(AHEAD + HOUR, ["victoria"])]


@pytest.mark.parametrize("facts", [{"scheduled": False}, {"enabled": False}, {"publish_before": None}])
def test_what_is_left_to_others_is_not_asked_for(live: Callable[..., Series], facts: dict[str, Any]) -> None:
    live("victoria", **facts)
    assert asked_at(AHEAD, GUARD - MINUTE, GUARD) == []


def test_a_series_whose_data_are_late_is_asked_for_when_they_come(deadline: PublicationDeadline) -> None:
    observe(deadline.series, AHEAD - 30 * DAY)
    assert asked_at(AHEAD) == [], "an archive is not forecast day by day"
    observe(deadline.series, AHEAD - HOUR)
    assert asked_at(AHEAD + MINUTE) == [(AHEAD + MINUTE, ["victoria"])]


@pytest.mark.parametrize(
    ("zone", "deadline"),
    [
        ("Australia/Melbourne", datetime(2015, 4, 4, 15, 30, tzinfo=UTC)),  # half past two comes twice: the first
        ("Australia/Melbourne", datetime(2015, 10, 3, 16, 0, tzinfo=UTC)),  # does not come: when the clock jumps
        ("America/St_Johns", datetime(2015, 3, 8, 5, 30, tzinfo=UTC)),
        ("Europe/London", datetime(2015, 10, 25, 2, 30, tzinfo=UTC)),
    ],
)
def test_every_day_is_asked_for_once_though_the_clock_changes(
    live: Callable[..., Series], zone: str, deadline: datetime
) -> None:
    live("victoria", timezone=zone, gate_closure=time(2, 30), publish_before=timedelta(hours=3))
    beats = [deadline + number * 30 * MINUTE for number in range(-3 * 48, 3 * 48)]
    found = [at for at, _ in asked_at(*beats)]
    assert deadline - 3 * HOUR in found
    local_days = {(at + 3 * HOUR).astimezone(ZoneInfo(zone)).date() for at in found}
    assert len(found) == len(local_days) == 6


@pytest.mark.django_db(transaction=True)
def test_beats_at_once_ask_once(live: Callable[..., Series]) -> None:
    live("victoria")
    together = Barrier(4)

    def beat(number: int) -> int:
        try:
            together.wait(20)
            return len(ask_ahead(at=AHEAD + number * MINUTE))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(beat, range(4))) == [0, 0, 0, 1]
    assert DagRunRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"publish_before": "PT30M"}, "The forecast is asked for before the guard acts"),
        ({"publish_before": "P1DT1M"}, "at most 24 hours before the deadline"),
        ({"publish_before": "two hours"}, "PT30M"),
    ],
)
def test_a_time_that_leaves_the_pipeline_none_is_refused(
    operator: User,
    series: Series,
    client_of: Callable[[User], APIClient],
    problem: Callable[..., dict[str, Any]],
    facts: dict[str, Any],
    words: str,
) -> None:
    answer = client_of(operator).post(DEADLINES, {"series": "victoria", "gate_closure": "12:00", **facts})
    assert words in str(problem(answer, 400)["errors"])


def test_parts_of_a_minute_are_refused_in_the_form(operator: User, deadline: PublicationDeadline) -> None:
    browser = Client()
    browser.force_login(operator)
    page = reverse("admin:forecasts_publicationdeadline_change", args=(deadline.pk,))
    form = {"gate_closure": "12:00", "days_ahead": "1", "publish_before": "2:00:00", "guard_before": "0:00:30"}
    answer = browser.post(page, {**form, "enabled": "on"})
    assert "0:00:30 is not a whole number of minutes." in answer.content.decode()
    assert browser.post(page, {**form, "guard_before": "0:20:00"}).status_code == 302
    deadline.refresh_from_db()
    assert (deadline.publish_before, deadline.guard_before) == (2 * HOUR, 20 * MINUTE)
