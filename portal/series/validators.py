"""Rules of single values, shared by models, requests and options."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

DAY = timedelta(days=1)


def validate_timezone(name: str) -> None:
    """An IANA zone such as Australia/Melbourne."""
    if name not in available_timezones():
        raise ValidationError(f"{name} is not an IANA timezone such as Australia/Melbourne.", code="timezone")


def validate_resolution(resolution: timedelta) -> None:
    """Whole minutes that divide a day, so that the grid is the same on every day."""
    if resolution <= timedelta(0) or resolution % timedelta(minutes=1) or resolution > DAY or DAY % resolution:
        raise ValidationError("A resolution is a whole number of minutes that divides a day.", code="resolution")


def validate_minutes(duration: timedelta) -> None:
    """Whole minutes, none at least: what the API writes as PT30M."""
    if duration < timedelta(0) or duration % timedelta(minutes=1):
        raise ValidationError(f"{duration} is not a whole number of minutes.", code="minutes")
