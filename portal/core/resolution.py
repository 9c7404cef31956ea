"""Durations as ISO 8601 writes them, such as PT30M."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(0)S)?)?")


def parse_duration(text: str) -> timedelta:
    """``P1D``, ``PT1H``, ``PT30M`` and their sums; ``PT0S`` is none at all. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration of days, hours and minutes such as PT30M")
    days, hours, minutes, _ = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def format_duration(duration: timedelta) -> str:
    """The shortest form: PT30M, PT1H30M, P1D."""
    minutes, seconds = divmod(duration.days * 86_400 + duration.seconds, 60)
    if seconds or duration.microseconds or minutes < 0:
        raise ValueError(f"{duration} is not a whole number of minutes")
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    return f"P{days}D" * bool(days) + f"T{time}" * bool(time) if days else f"PT{time or '0M'}"


@extend_schema_field(OpenApiTypes.DURATION)
class DurationField(serializers.Field[timedelta, str, str, Any]):
    """A duration such as PT30M."""

    default_error_messages = {"invalid": "Must be a duration of days, hours and minutes such as PT30M."}  # noqa: RUF012

    def to_internal_value(self, data: Any) -> timedelta:
        try:
            return parse_duration(data)
        except (TypeError, ValueError):
            self.fail("invalid")

    def to_representation(self, value: timedelta) -> str:
        return format_duration(value)
