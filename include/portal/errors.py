"""The portal's refusals (RFC 9457 problem documents) as exceptions that read like a sentence."""

from __future__ import annotations

from typing import Any

import httpx

from include.errors import PipelineError, Refusal

ERRORS_IN_MESSAGE = 5


class PortalError(PipelineError):
    """The portal did not do what it was asked."""


class PortalUnavailable(PortalError):
    """No answer, or a 5xx, after all attempts."""


class Problem(PortalError, Refusal):
    """A refusal: `status`, `detail`, and `errors`, the rows or fields at fault."""

    def __init__(self, message: str, *, status: int, detail: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.errors = errors


class InvalidRequest(Problem):
    """400, 413 or another answer that is no success (a redirect: the address is wrong)."""


class NotPermitted(Problem):
    """401 or 403."""


class NotFound(Problem):
    """404."""


class Conflict(Problem):
    """409: what is stored says otherwise."""


_BY_STATUS: dict[int, type[Problem]] = {401: NotPermitted, 403: NotPermitted, 404: NotFound, 409: Conflict}


def problem_of(response: httpx.Response) -> Problem:
    """The exception for an answer that is no success, whether or not it is a problem document."""
    detail, errors = _read(response)
    request = response.request
    message = f"The portal refused {request.method} {request.url.path} with {response.status_code}: {detail}"
    for error in errors[:ERRORS_IN_MESSAGE]:
        place = ", ".join(f"{name} {error[name]}" for name in ("row", "field", "value") if error.get(name) is not None)
        message += f"\n  {place or 'request'}: {error.get('message', '')} ({error.get('rule', '?')})"
    if len(errors) > ERRORS_IN_MESSAGE:
        message += f"\n  and {len(errors) - ERRORS_IN_MESSAGE} more"
    kind = _BY_STATUS.get(response.status_code, InvalidRequest)
    return kind(message, status=response.status_code, detail=detail, errors=errors)


def _read(response: httpx.Response) -> tuple[str, list[dict[str, Any]]]:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return response.text[:300] or response.reason_phrase, []
    errors = [error for error in document.get("errors") or [] if isinstance(error, dict)]
    return str(document.get("detail") or document.get("title") or response.reason_phrase), errors
