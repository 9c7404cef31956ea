"""Errors as RFC 9457 problem details: every answer of the API that is no success has this form.

`errors` names each bad row or field: ``{row?, field?, value?, rule, message}``. Unless a refusal says its value, it is
looked up here in what the request gave; portal.core.given says how it is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal.core.given import NOTHING, as_text, given_at, shown, texts_with_nul, without

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
    if isinstance(error, DataError):
        detail, errors = str(known.detail), _unstorable(context["request"])
    elif isinstance(known, Problem):
        detail, headers = str(known.detail), dict(known.headers)
        given = _given(context["request"])
        errors = [_completed(each, given) for each in known.errors[:ERRORS_SHOWN]] + known.errors[ERRORS_SHOWN:]
    elif isinstance(known, exceptions.ValidationError):
        errors = list(_flatten(known.get_full_details(), _given(context["request"])))
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


def _unstorable(request: Request) -> list[dict[str, Any]]:
    """The texts of a body with a NUL, where PostgreSQL has refused a value and does not say which."""
    message = "A text is without NUL characters: PostgreSQL cannot hold them."
    body = _body(request)
    return [
        _told(_at(path, rule="nul", message=message), given_at(body, path))
        for path in islice(texts_with_nul(body), ERRORS_SHOWN)
    ]


def _given(request: Request) -> tuple[Any, Any]:
    """Where the value of a refusal is looked for: the body, then the query."""
    return _body(request), request.query_params


def _body(request: Request) -> Any:
    try:
        return request.data
    except (exceptions.APIException, RequestDataTooBig):
        return None  # what was refused before it was read


def _flatten(details: Any, given: Sequence[Any], path: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """DRF's nested details as flat errors, each with what was `given` at its place (in the body, in the query)."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        place = tuple(name for name in path if name != "non_field_errors")
        error = _at(place, rule=str(details["code"]), message=str(details["message"]))
        yield _told(error, _first_given(given, place))
    elif isinstance(details, dict):
        for name, value in details.items():
            yield from _flatten(value, given, (*path, str(name)))
    elif isinstance(details, list):
        leaves = all(isinstance(item, dict) and set(item) == {"message", "code"} for item in details)
        for index, item in enumerate(details):
            yield from _flatten(item, given, path if leaves else (*path, str(index)))


def _at(place: tuple[str, ...], **facts: str) -> dict[str, Any]:
    """An error at a place in a body; an index in a list of bodies is a row."""
    row: dict[str, Any] = {"row": int(place[0])} if place and place[0].isdigit() else {}
    field = ".".join(place[1:] if row else place)
    return {**row, **({"field": field} if field else {}), **facts}


def _told(error: dict[str, Any], value: Any) -> dict[str, Any]:
    """The error with the value that it is about, where one was given."""
    if value is NOTHING:
        return error
    before = {name: each for name, each in error.items() if name not in ("value", "rule", "message")}
    message = without(str(error["message"]), value)
    return {**before, "value": shown(value), "rule": error["rule"], "message": message}


def _first_given(given: Sequence[Any], place: Sequence[str]) -> Any:
    return next((value for data in given if (value := given_at(data, place)) is not NOTHING), NOTHING)


def _completed(error: dict[str, Any], given: Sequence[Any]) -> dict[str, Any]:
    """An error that an operation or a view has made, with its value."""
    if "value" in error:
        return _told(error, error["value"])
    row = [str(error["row"])] if "row" in error else []
    return _told(error, _first_given(given, [*row, *str(error.get("field", "")).split(".")]))


def _summary(errors: Sequence[dict[str, Any]]) -> str:
    if len(errors) != 1:
        return f"{len(errors)} things are wrong with the request."
    (error,) = errors
    place = [f"row {error['row']}"] if "row" in error else []
    place += [error["field"]] if "field" in error else []
    summary = ": ".join([", ".join(place), error["message"]]) if place else error["message"]
    if "value" in error and str(error["value"]) not in summary:
        summary += f" Given: {as_text(error['value'])}."
    return summary


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
