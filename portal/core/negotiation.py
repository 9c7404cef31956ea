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


def dumps(data: Any) -> bytes:
    """JSON of what views answer; NaN and infinities become null, times are UTC with a Z."""
    return orjson.dumps(
        data, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (ReturnDict, Mapping)):
        return dict(value)
    if isinstance(value, (ReturnList, QuerySet, tuple, set)):
        return list(value)
    if isinstance(value, (ErrorDetail, Promise, Decimal, timedelta, str)):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JSONParser(BaseParser):
    """Strict JSON: no NaN, no lone surrogates, no duplicate byte order marks; anything else is a 400.

    Raises RequestDataTooBig (413), which reading the stream would not: Django limits the body only as a whole.
    """

    media_type = JSON

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(parser_context["request"]._request.body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None


class JSONRenderer(BaseRenderer):
    """JSON; a problem keeps its own content type."""

    media_type = JSON
    format = "json"
    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else dumps(data)
