"""Gate closures and delivery days: from the clock of a series to UTC and back. Pure: no database, no time of day.

A day is [local midnight, next local midnight), so of 23, 24 or 25 hours. A local time that the clock skips is the
moment at which it jumps; one that it shows twice is the first of the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC time at which a clock in `zone` shows `at` on `day`."""
    wall = datetime.combine(day, at)
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Skipped. Fold 1 takes the offset after the jump, which gives a time before it, and fold 0 the reverse.
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery day on the clock of its series; deadline, start and end in UTC. The period is half-open."""

    day: date
    deadline: datetime
    start: datetime
    end: datetime

    @property
    def needed_from(self) -> datetime:
        """From when on a forecast must reach: the day's start, or the deadline where that lies within the day."""
        return max(self.start, self.deadline)


@dataclass(frozen=True, kw_only=True)
class GateClosure:
    """A time of day by which the forecast of the delivery day, `days_ahead` local days later, must be out."""

    at: time
    days_ahead: int
    zone: ZoneInfo

    def delivery(self, day: date) -> Delivery:
        """The delivery of one local day. One that the calendar skipped is empty."""
        return Delivery(
            day=day,
            deadline=moment(day - self.days_ahead * DAY, self.at, self.zone),
            start=moment(day, time(0), self.zone),
            end=moment(day + DAY, time(0), self.zone),
        )

    def next(self, after: datetime) -> Delivery:
        """The delivery whose deadline is the first after a time."""
        return next(each for each in self._from(after) if each.deadline > after)

    def due(self, at: datetime, *, before: timedelta) -> list[Delivery]:
        """The deliveries that are not over at a time, and whose deadline is past or less than `before` ahead."""
        today = at.astimezone(self.zone).date()
        days = [self.delivery(today + number * DAY) for number in range(-1, self.days_ahead + 2)]
        return [each for each in days if each.deadline - before <= at < each.end and each.start < each.end]

    def _from(self, time: datetime) -> Iterator[Delivery]:
        day = time.astimezone(self.zone).date() + (self.days_ahead - 1) * DAY
        while True:
            delivery = self.delivery(day)
            if delivery.start < delivery.end:
                yield delivery
            day += DAY
