"""What the demo replays: two archives as of dates near their ends, so that they hold what came after the forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


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
    def everything_known(self) -> datetime:
        """A time by which the archive's last value has become known."""
        return self.archive_end + timedelta(days=1)


REPLAYS = (
    Replay(
        series="victoria",
        source="victoria-2014",
        timezone="Australia/Melbourne",
        first_day=datetime(2014, 12, 24),  # noqa: DTZ001 - a local date
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
