"""HTTP to the portal: one token, retries that cannot write twice, pages followed to their end."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from include.portal.errors import PortalUnavailable, problem_of
from include.retrying import BUSY, Again, GivenUp, asked_pause, persist

API = "/api/v1/"
_log = logging.getLogger(__name__)


class PortalHTTP:
    """Calls below ``/api/v1/``, repeated with the same Idempotency-Key while they get no answer of the portal.

    That is: none at all, a 5xx or 429, or a success of another type than was asked for, such as the page of a proxy.

    Args:
        url: scheme, host and port of the portal.
        token: of the service account.
        timeout_seconds: for one answer.
        attempts: in all, the first included.
        first_pause_seconds: before the second attempt; it doubles from there.
        scope: goes into every Idempotency-Key, such as the id of the run. The key is the SHA-256 of scope and request,
            so a repeated task gets the first answer and another run asks anew.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        timeout_seconds: float = 60.0,
        attempts: int = 5,
        first_pause_seconds: float = 0.5,
        scope: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._attempts = attempts
        self._pause = first_pause_seconds
        self._scope = scope
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=url.rstrip("/") + API, headers={"Authorization": f"Token {token}"}, timeout=timeout_seconds
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, *, params: Mapping[str, Any] | None = None, accept: str = "application/json") -> bytes:
        """The body of an answer. Raises PortalError."""
        return self._call("GET", path, params=params, headers={"Accept": accept}).content

    def get_json(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """The answer as JSON. Raises PortalError."""
        return json.loads(self.get(path, params=params))

    def pages(self, path: str, *, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The entries of a list, page after page. Raises PortalError."""
        page = self.get_json(path, params=params)
        yield from page["results"]
        while page["next"]:
            # Only the query is taken: behind a proxy the portal may call itself by another name.
            page = self.get_json(path, params=dict(httpx.URL(page["next"]).params.multi_items()))
            yield from page["results"]

    def post_json(self, path: str, body: object) -> Any:
        """Write, once however often it is tried. Raises PortalError."""
        return self.post(path, content=_json(body), content_type="application/json")

    def send_json(self, method: str, path: str, body: object) -> Any:
        """Say how things are: the same again changes nothing, so no earlier answer is asked for. Raises PortalError."""
        return self._call(method, path, content=_json(body), headers={"Content-Type": "application/json"}).json()

    def post(self, path: str, *, content: bytes, content_type: str, params: Mapping[str, Any] | None = None) -> Any:
        """Write a body of any type, once however often it is tried. Raises PortalError."""
        digest = hashlib.sha256()
        for part in (self._scope, path, json.dumps(dict(params or {}), sort_keys=True)):
            digest.update(f"{len(part)}:{part}".encode())
        digest.update(content)
        headers = {"Content-Type": content_type, "Idempotency-Key": digest.hexdigest()}
        return self._call("POST", path, content=content, headers=headers, params=params).json()

    def put(self, path: str, *, content: bytes) -> Any:
        """Store bytes under a name; the same again changes nothing. Raises PortalError."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._call("PUT", path, content=content, headers=headers).json()

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return persist(
                lambda: self._once(method, path, **options),
                what=f"{method} {path}",
                attempts=self._attempts,
                first_pause_seconds=self._pause,
                log=_log,
                sleep=self._sleep,
            )
        except GivenUp as error:
            raise PortalUnavailable(f"The portal at {self._http.base_url} gave no answer to {error}") from error

    def _once(self, method: str, path: str, **options: Any) -> httpx.Response:
        wanted = options.get("headers", {}).get("Accept", "application/json")
        try:
            response = self._http.request(method, path, **options)
        except httpx.RequestError as error:
            raise Again(f"{type(error).__name__}: {error}") from error
        kind = response.headers.get("Content-Type", "")
        if response.is_success and kind.startswith(wanted):
            return response
        if not response.is_success and response.status_code not in BUSY:
            raise problem_of(response)
        trouble = f"{response.status_code} {response.reason_phrase}"
        if response.is_success:
            trouble += f" with {kind or 'no content type'}: something else than the portal answers"
        raise Again(trouble, pause=asked_pause(response.headers))


def _json(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, allow_nan=False).encode()
