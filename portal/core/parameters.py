"""Times in the query string."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from portal.core.columns import EARLIEST, LATEST
from portal.core.problems import Problem


def time_parameter(name: str, description: str) -> OpenApiParameter:
    """The parameter as the OpenAPI page shows it."""
    return OpenApiParameter(name, OpenApiTypes.DATETIME, description=description)


def read_time(request: Request, name: str) -> datetime | None:
    """The aware time of a parameter, in UTC; None where it is not given. Raises Problem, naming it."""
    text = request.query_params.get(name)
    if text is None:
        return None
    # A plus that was not escaped arrives as a space.
    text = text[:11] + text[11:].replace(" ", "+")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _refusal(name, text, "time", "is not a time such as 2014-11-02T00:00:00Z") from None
    if time.tzinfo is None:
        raise _refusal(name, text, "naive", "has no timezone; append Z for UTC")
    if not EARLIEST <= time < LATEST:
        raise _refusal(name, text, "out_of_range", f"is not within {EARLIEST:%Y} and {LATEST:%Y}")
    return time.astimezone(UTC)


def require_parameter(request: Request, name: str) -> str:
    """The text of a parameter that has to be given. Raises Problem."""
    text = request.query_params.get(name, "")
    if not text or "\0" in text:
        raise _refusal(name, text or None, "missing", "is missing")
    return text


def _refusal(name: str, value: Any, rule: str, what: str) -> Problem:
    message = f"{name} {what}."
    return Problem(message, errors=[{"field": name, "value": value, "rule": rule, "message": message}])
