"""Gate closures and delivery days on the clocks of the world, days of 23 and 25 hours and skipped times among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.forecasts.deadlines.clock import DAY, GateClosure, moment

ZONES = (
    "UTC",
    "Australia/Melbourne",
    "Australia/Lord_Howe",  # by half an hour
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",  # at midnight, forwards, until 2018
    "America/Havana",  # at midnight, and midnight twice
    "Asia/Kathmandu",  # +05:45
    "Africa/Casablanca",
    "Pacific/Apia",  # has no 30 December 2011
)
gates = st.builds(
    GateClosure,
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    days_ahead=st.integers(0, 7),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
moments = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
days = st.dates(date(2005, 1, 1), date(2030, 1, 1))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(gates, days)
def test_delivery_days_follow_each_other_without_gap_or_overlap(gate: GateClosure, day: date) -> None:
    one, other = gate.delivery(day), gate.delivery(day + DAY)
    assert one.end == other.start
    assert one.start <= one.end
    assert one.end - one.start in {timedelta(hours=hours) for hours in (0, 23, 23.5, 24, 24.5, 25)}
    assert one.deadline <= other.deadline


@given(gates, days)
def test_a_gate_closes_when_the_clock_shows_its_time_or_has_just_jumped_over_it(gate: GateClosure, day: date) -> None:
    deadline = gate.delivery(day).deadline
    shown, wanted = deadline.astimezone(gate.zone), datetime.combine(day - gate.days_ahead * DAY, gate.at)
    if shown.replace(tzinfo=None) == wanted:
        assert shown.fold == 0, "of two such times, the first"
    else:
        before = (deadline - timedelta(seconds=1)).astimezone(gate.zone).replace(tzinfo=None)
        assert before < wanted < shown.replace(tzinfo=None)


@given(gates, moments)
def test_the_next_deadline_is_the_first_one_ahead(gate: GateClosure, at: datetime) -> None:
    found = gate.next(at)
    assert at < found.deadline <= at + timedelta(hours=50)
    before = gate.delivery(found.day - DAY)
    assert before.deadline <= at or before.start == before.end


@given(gates, moments, st.timedeltas(timedelta(minutes=1), timedelta(hours=12)))
def test_what_is_due_is_near_or_past_and_its_day_not_over(gate: GateClosure, at: datetime, before: timedelta) -> None:
    due = gate.due(at, before=before)
    for delivery in due:
        assert delivery.deadline - before <= at < delivery.end
    coming = gate.next(at)
    assert (coming.deadline - at <= before) is (coming in due)


def test_a_gate_at_half_past_midnight_is_of_the_day_that_has_begun() -> None:
    gate = GateClosure(at=time(0, 30), days_ahead=1, zone=ZoneInfo("Australia/Melbourne"))
    delivery = gate.next(utc("2014-11-02T13:10"))
    assert (delivery.day, delivery.deadline) == (date(2014, 11, 4), utc("2014-11-02T13:30"))
    assert (delivery.start, delivery.end) == (utc("2014-11-03T13:00"), utc("2014-11-04T13:00"))


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/London", date(2024, 3, 31), time(1, 30), "2024-03-31T01:00"),  # skipped: the moment of the jump
        ("Europe/London", date(2024, 10, 27), time(1, 30), "2024-10-27T00:30"),  # twice: the first
        ("America/Sao_Paulo", date(2018, 11, 4), time(0), "2018-11-04T03:00"),  # the day begins at 01:00
        ("America/Havana", date(2024, 11, 3), time(0), "2024-11-03T04:00"),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30), time(12), "2011-12-30T10:00"),  # a day that never was
    ],
)
def test_times_that_a_clock_skips_or_repeats_have_one_moment(zone: str, day: date, at: time, expected: str) -> None:
    assert moment(day, at, ZoneInfo(zone)) == utc(expected)


@pytest.mark.parametrize(("day", "hours"), [(date(2014, 10, 5), 23), (date(2014, 4, 6), 25), (date(2014, 7, 1), 24)])
def test_days_have_as_many_hours_as_their_clock_shows(day: date, hours: int) -> None:
    delivery = GateClosure(at=time(12), days_ahead=1, zone=ZoneInfo("Australia/Melbourne")).delivery(day)
    assert delivery.end - delivery.start == timedelta(hours=hours)


def test_a_deadline_within_its_day_needs_only_what_comes_after_it() -> None:
    zone = ZoneInfo("Australia/Melbourne")
    intraday = GateClosure(at=time(6), days_ahead=0, zone=zone).delivery(date(2014, 7, 1))
    assert intraday.needed_from == intraday.deadline > intraday.start
    assert GateClosure(at=time(6), days_ahead=1, zone=zone).delivery(date(2014, 7, 1)).needed_from == intraday.start
