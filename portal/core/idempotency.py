"""Retrying a write is safe: the same Idempotency-Key with the same request gives the first answer again.

The key is claimed by inserting its record in the transaction of the work. A second request with the key waits at the
unique index until the first commits, then finds the answer; if the first fails, its record is rolled back with its work
and the second does the work. Refusals are therefore never replayed: a corrected world may answer differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

import orjson
from django.conf import settings
from django.db import OperationalError, connection, transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from portal.core.models import IdempotencyRecord
from portal.core.negotiation import dumps
from portal.core.problems import Conflict, Problem

View = TypeVar("View", bound=Callable[..., Response])

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255
PATIENCE = timedelta(seconds=30)
"""How long a request waits for another one with its key."""


def idempotent(view: View) -> View:
    """Make a view method that writes repeatable. Its answer, a success, must be JSON; the whole is one transaction.

    It stands above an ``@action``, which would forget the header in the OpenAPI page.
    """

    @extend_schema(
        parameters=[
            OpenApiParameter(
                HEADER,
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="Repeat a request with the same key and body, and the first answer comes again "
                f"({REPLAYED}: true); the same key with another body is a 409.",
            )
        ]
    )
    @wraps(view)
    def once(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return view(self, request, *args, **kwargs)
        if not key or len(key) > LONGEST_KEY or not key.isprintable():
            raise Problem(f"{HEADER} must be 1 to {LONGEST_KEY} printable characters.")
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            record, is_first = _claim(request, key, fingerprint)
            if not is_first:
                return _replay(record, fingerprint)
            response = view(self, request, *args, **kwargs)
            if response.status_code >= 400:
                transaction.set_rollback(True)
            else:
                record.status = response.status_code
                record.answer = dumps(response.data).decode()
                record.save(update_fields=("status", "answer"))
        return response

    return once  # type: ignore[return-value]


def forget_records(*, before: datetime) -> int:
    """Delete the answers recorded before a time; returns how many."""
    return IdempotencyRecord.objects.filter(recorded_at__lt=before).delete()[0]


def retention() -> timedelta:
    """How long answers are kept."""
    return timedelta(days=settings.IDEMPOTENCY_RETENTION_DAYS)


def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256()
    for part in (request.META.get("QUERY_STRING", ""), request.content_type or ""):
        digest.update(f"{len(part)}:{part}".encode())
    digest.update(request._request.body)
    return digest.hexdigest()


def _claim(request: Request, key: str, fingerprint: str) -> tuple[IdempotencyRecord, bool]:
    endpoint = f"{request.method} {request.path}"[:255]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{int(PATIENCE.total_seconds())}s",))
            cursor.execute(
                "INSERT INTO core_idempotencyrecord (user_id, endpoint, key, fingerprint, answer)"
                " VALUES (%s, %s, %s, %s, 'null') ON CONFLICT DO NOTHING",
                (request.user.pk, endpoint, key, fingerprint),
            )
            is_first = cursor.rowcount == 1
            cursor.execute("SELECT set_config('lock_timeout', '0', true)")
    except OperationalError as error:
        raise Conflict(
            f"A request with this {HEADER} is still being worked on; try again later.", headers={"Retry-After": "10"}
        ) from error
    return IdempotencyRecord.objects.get(user=request.user.pk, endpoint=endpoint, key=key), is_first


def _replay(record: IdempotencyRecord, fingerprint: str) -> Response:
    if record.fingerprint != fingerprint:
        raise Conflict(f"This {HEADER} was used for another request at {record.recorded_at:%Y-%m-%dT%H:%M:%SZ}.")
    return Response(orjson.loads(record.answer), status=record.status, headers={REPLAYED: "true"})
