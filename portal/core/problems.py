"""Errors as RFC 9457 problem details: every answer of the API that is no success has this form.

`errors` names each bad row or field: ``{row?, field?, value?, rule, message}``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
ERRORS_SHOWN = 1000
"""A body of a million bad rows is answered with the first thousand of them."""


class Problem(exceptions.APIException):
    """A refusal with a status, a sentence that says what and why, and the rows or fields at fault."""

    status_code: int = status.HTTP_400_BAD_REQUEST

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[dict[str, Any]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.errors = list(errors)
        self.headers = headers or {}
        if status is not None:
            self.status_code = status


class Conflict(Problem):
    """The request contradicts what is stored."""

    status_code = status.HTTP_409_CONFLICT


class TooLarge(Problem):
    """A body over the limits."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


def describe(code: int, detail: str, errors: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The members of a problem document."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": detail,
    }
    if errors:
        problem["errors"] = list(errors[:ERRORS_SHOWN])
        if len(errors) > ERRORS_SHOWN:
            problem["detail"] = f"{detail} The first {ERRORS_SHOWN} of {len(errors)} errors are listed."
    return problem


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: turn whatever a view raised into a problem; None for a bug, which becomes a logged 500."""
    known = _known(error)
    if known is None:
        return None
    headers: dict[str, str] = {}
    errors: list[dict[str, Any]] = []
    if isinstance(known, Problem):
        detail, errors, headers = str(known.detail), known.errors, dict(known.headers)
    elif isinstance(known, exceptions.ValidationError):
        errors = list(_flatten(known.get_full_details()))
        detail = _summary(errors)
    else:
        detail = str(known.detail)
    if wait := getattr(known, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if authenticate := getattr(known, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    set_rollback()
    return Response(
        describe(known.status_code, detail, errors),
        status=known.status_code,
        headers=headers,
        content_type=CONTENT_TYPE,
    )


def _known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound(str(error) or None)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, RequestDataTooBig):
        return TooLarge(f"The body has more than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes; send it in parts.")
    if isinstance(error, ModelValidationError):
        return exceptions.ValidationError(getattr(error, "message_dict", error.messages))
    if isinstance(error, DataError):
        # A value that has the right type but that PostgreSQL cannot hold: a NUL in a text, a number out of range.
        logger.warning("PostgreSQL refused a value of a request: %s", error)
        return Problem(f"A value cannot be stored: {str(error).splitlines()[0]}")
    return None


def _flatten(details: Any, path: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """DRF's nested details as flat errors; an index in a list of bodies is a row."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        error: dict[str, Any] = {}
        fields = list(path)
        if fields and fields[0].isdigit():
            error["row"] = int(fields.pop(0))
        fields = [name for name in fields if name != "non_field_errors"]
        if fields:
            error["field"] = ".".join(fields)
        yield {**error, "rule": str(details["code"]), "message": str(details["message"])}
    elif isinstance(details, dict):
        for name, value in details.items():
            yield from _flatten(value, (*path, str(name)))
    elif isinstance(details, list):
        leaves = all(isinstance(item, dict) and set(item) == {"message", "code"} for item in details)
        for index, item in enumerate(details):
            yield from _flatten(item, path if leaves else (*path, str(index)))


def _summary(errors: Sequence[dict[str, Any]]) -> str:
    if len(errors) != 1:
        return f"{len(errors)} things are wrong with the request."
    field = errors[0].get("field")
    return f"{field}: {errors[0]['message']}" if field else errors[0]["message"]


def _page_or_problem(request: HttpRequest, page: HttpResponse, detail: str) -> HttpResponse:
    if not request.path.startswith("/api/"):
        return page
    return JsonResponse(describe(page.status_code, detail), status=page.status_code, content_type=CONTENT_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return _page_or_problem(request, defaults.bad_request(request, exception), "The request is malformed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return _page_or_problem(request, defaults.permission_denied(request, exception), "This is not permitted.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return _page_or_problem(
        request, defaults.page_not_found(request, exception), f"There is nothing at {request.path}."
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: the cause is in the log, not in the answer."""
    return _page_or_problem(request, defaults.server_error(request), "The portal failed; its log says why.")
