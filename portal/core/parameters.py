"""Times and durations in the query string."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import django_filters
from django import forms
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from portal.core.problems import Problem
from portal.core.resolution import parse_duration
from portal.core.times import Unplaced, require_placed


def time_parameter(name: str, description: str) -> OpenApiParameter:
    """The parameter as the OpenAPI page shows it."""
    return OpenApiParameter(name, OpenApiTypes.DATETIME, description=description)


def read_time(request: Request, name: str) -> datetime | None:
    """The aware time of a parameter, in UTC; None where it is not given. Raises Problem, naming it."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return _placed(text)
    except Unplaced as unplaced:
        raise _refusal(name, text, unplaced.rule, unplaced.what) from None


def duration_parameter(name: str, description: str) -> OpenApiParameter:
    """The parameter as the OpenAPI page shows it."""
    return OpenApiParameter(name, OpenApiTypes.DURATION, description=description)


def read_duration(request: Request, name: str) -> timedelta:
    """The duration of a parameter; none at all where it is not given. Raises Problem, naming it."""
    text = request.query_params.get(name)
    if text is None:
        return timedelta(0)
    try:
        return parse_duration(text)
    except ValueError:
        raise _refusal(name, text, "duration", "is not a duration of days, hours and minutes such as PT24H") from None


def read_period(request: Request, *, longest: timedelta) -> tuple[datetime, datetime]:
    """The half-open period of the parameters start and end, both required, in UTC. Raises Problem, naming one."""
    for name in ("start", "end"):
        require_parameter(request, name)
    start, end = read_time(request, "start"), read_time(request, "end")
    assert start is not None and end is not None, "both are given"  # noqa: S101, PT018
    if end <= start:
        raise _refusal("end", request.query_params["end"], "empty_period", "is not after start")
    if end - start > longest:
        raise _refusal("end", request.query_params["end"], "too_long", f"is more than {longest.days} days after start")
    return start, end


def read_flag(request: Request, name: str) -> bool:
    """A parameter that is true or false; false where it is not given. Raises Problem, naming it."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise _refusal(name, text, "boolean", "is neither true nor false")
    return text == "true"


def read_number(request: Request, name: str, *, default: float, lowest: float, highest: float) -> float:
    """A number within bounds; `default` where it is not given. Raises Problem, naming it."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        raise _refusal(name, text, "number", "is not a number") from None
    if not lowest <= number <= highest:
        raise _refusal(name, text, "out_of_range", f"is not between {lowest:g} and {highest:g}")
    return number


def _placed(text: str) -> datetime:
    # A plus that was not escaped arrives as a space.
    text = text[:11] + text[11:].replace(" ", "+")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Unplaced("time", "is not a time such as 2014-11-02T00:00:00Z") from None
    require_placed(time)
    return time.astimezone(UTC)


class _TimeFormField(IsoDateTimeField):
    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return _placed(value)
        except Unplaced as unplaced:
            raise forms.ValidationError(f"The time {unplaced.what}.", code=unplaced.rule) from None


class TimeFilter(django_filters.IsoDateTimeFilter):
    """A time to filter by, held to the same rules as those that `read_time` reads."""

    field_class = _TimeFormField


def require_parameter(request: Request, name: str) -> str:
    """The text of a parameter that has to be given. Raises Problem."""
    text = request.query_params.get(name, "")
    if not text or "\0" in text:
        raise _refusal(name, text or None, "missing", "is missing")
    return text


def _refusal(name: str, value: Any, rule: str, what: str) -> Problem:
    message = f"{name} {what}."
    return Problem(message, errors=[{"field": name, "value": value, "rule": rule, "message": message}])
