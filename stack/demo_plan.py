"""What the demo replays: two archives as of dates inside them, so that they hold what came after the forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

HORIZON = timedelta(hours=48)
"""How far the pipeline forecasts, by default."""


@dataclass(frozen=True)
class Replay:
    """One series' part of the demo. ``first_day`` is the first day that is forecast, at its local midnight."""

    series: str
    source: str
    timezone: str
    first_day: datetime
    days: int
    archive_end: datetime

    def __post_init__(self) -> None:
        if self.archive_end.tzinfo is None or self.first_day.tzinfo is not None:
            raise ValueError("archive_end is an aware time; first_day is a local date without timezone")
        if self.issue_times[-1] + HORIZON > self.archive_end:
            raise ValueError(f"the last forecast of {self.series} ends after its archive, at {self.archive_end}")

    @property
    def issue_times(self) -> list[datetime]:
        """Successive local midnights, as UTC; days of 23 and 25 hours keep them at midnight."""
        zone = ZoneInfo(self.timezone)
        days = [self.first_day + timedelta(days=number) for number in range(self.days)]
        return [day.replace(tzinfo=zone).astimezone(UTC) for day in days]

    @property
    def trained_as_of(self) -> datetime:
        """Training knows nothing from the first issue time on."""
        return self.issue_times[0]

    @property
    def scored_as_of(self) -> datetime:
        """A time by which the loads of the last forecast have become known."""
        return self.issue_times[-1] + HORIZON + timedelta(days=1)


REPLAYS = (
    Replay(
        series="victoria",
        source="victoria-2014",
        timezone="Australia/Melbourne",
        first_day=datetime(2014, 12, 1),  # noqa: DTZ001 - a local date
        days=7,
        archive_end=datetime(2014, 12, 31, 14, tzinfo=UTC),
    ),
    Replay(
        series="england-wales",
        source="england-wales-2000",
        timezone="Europe/London",
        first_day=datetime(2000, 8, 20),  # noqa: DTZ001 - a local date
        days=7,
        archive_end=datetime(2000, 8, 27, 23, tzinfo=UTC),
    ),
)
