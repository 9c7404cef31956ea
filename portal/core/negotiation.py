"""JSON in and out, strict and fast. Parquet and Arrow are in portal.core.columnar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import IO, Any

import orjson
from django.db.models import QuerySet
from django.utils.functional import Promise
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList

JSON = "application/json"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
ROOM_IN_ANSWERS = 8
"""Levels of nesting that an answer may add to what it gives back."""


def dumps(data: Any) -> bytes:
    """JSON of what views answer; NaN and infinities become null, times are UTC with a Z.

    An integer over 64 bits becomes a float: jsonb writes the 1e30 that came as one of 31 digits.
    """
    try:
        return orjson.dumps(data, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_within_64_bits(data), default=_plain, option=_OPTIONS)


def _within_64_bits(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _within_64_bits(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | QuerySet):
        return [_within_64_bits(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, (ReturnDict, Mapping)):
        return dict(value)
    if isinstance(value, (ReturnList, QuerySet, tuple, set)):
        return list(value)
    if isinstance(value, (ErrorDetail, Promise, Decimal, timedelta, str)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JSONParser(BaseParser):
    """Strict JSON: no NaN, no lone surrogates, no duplicate byte order marks, no nesting that could not be given back;
    anything else is a 400.

    Raises RequestDataTooBig (413), which reading the stream would not: Django limits the body only as a whole.
    """

    media_type = JSON

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            body = orjson.loads(parser_context["request"]._request.body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        # orjson reads deeper than it writes; an answer has the body some levels down, in a page of results say.
        answer = body
        for _ in range(ROOM_IN_ANSWERS):
            answer = [answer]
        try:
            orjson.dumps(answer)
        except orjson.JSONEncodeError:
            raise ParseError("The body is nested too deeply.") from None
        return body


class JSONRenderer(BaseRenderer):
    """JSON; a problem keeps its own content type."""

    media_type = JSON
    format = "json"
    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else dumps(data)
