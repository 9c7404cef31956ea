"""HTTP to the service of a source: patient while it is busy, clear when it refuses, and silent about its key."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, quote_plus

import httpx

from include.errors import SourceError, SourceUnavailable
from include.retrying import BUSY, Again, GivenUp, asked_pause, persist
from include.settings import Settings

LARGEST_ANSWER_BYTES = 64 * 2**20
LONGEST_PAUSE_SECONDS = 90.0
"""Who is asked for more patience leaves the rest to the next try of the task."""
LONGEST_ANSWER = 5
"""An answer that still trickles in after so many times the longest silence is given up."""
LONGEST_WORDS = 300
JITTER = 0.25
JSON = ("application/json",)
# What writes the whole address of a request, and so the key within it, into its log.
_LOGS_WITH_ADDRESSES = ("httpx", "entsoe.entsoe", "urllib3.connectionpool")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a service answers. `words` is what it says where it refuses."""

    status: int
    body: bytes
    headers: httpx.Headers

    @property
    def words(self) -> str:
        """The message of an error body, in JSON, XML or HTML, in one short line."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            document = None
        page = self.body[:10_000].decode("utf-8", "replace")
        reason = re.search(r"<text>(.*?)</text>", page, re.DOTALL)
        said = _message_in(document) or (reason[1] if reason else re.sub(r"<[^>]*>", " ", page))
        line = " ".join(said.split())
        return line if len(line) <= LONGEST_WORDS else f"{line[: LONGEST_WORDS - 1]}…"


class Service:
    """Asks one service, one request after another.

    Args:
        name: as messages call it.
        url: its address, scheme and host and the path before those of `get`.
        settings: time-outs and attempts.
        secret: the key that some parameter or header carries; it is masked in messages and logs.
        seconds_between: the least time between two requests, which keeps within the service's limits.
        pause_of: reads from the words of an answer how many seconds it asks for, where no Retry-After says so.
        is_passing: tells of an answer that is no success whether it may be another later; BUSY by its status otherwise.
        sleep: waits.

    The methods raise:
        SourceError: the service refuses, in its own words; or answers more than LARGEST_ANSWER_BYTES.
        SourceUnavailable: no answer after all attempts, or one that asks for more patience than there is.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        settings: Settings,
        secret: str = "",
        seconds_between: float = 0.0,
        is_passing: Callable[[Answer], bool] = lambda answer: answer.status in BUSY,
        pause_of: Callable[[Answer], float | None] = lambda answer: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        self._spellings = {text for text in (secret, quote(secret, safe=""), quote_plus(secret)) if text}
        self._between = seconds_between
        self._asked_at: float | None = None
        self._is_passing = is_passing
        self._pause_of = pause_of
        self._sleep = sleep
        self._http = httpx.Client(base_url=url, timeout=settings.source_timeout_seconds)

    def __enter__(self) -> Self:
        for log in _LOGS_WITH_ADDRESSES:
            logging.getLogger(log).addFilter(self._mask_record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for log in _LOGS_WITH_ADDRESSES:
            logging.getLogger(log).removeFilter(self._mask_record)
        self._http.close()

    def get_json(self, path: str, params: Mapping[str, Any]) -> Any:
        """The answer as JSON; one that is cut, or none at all, is asked for again."""

        def read(answer: Answer) -> Any:
            try:
                return json.loads(answer.body)
            except (ValueError, RecursionError) as error:
                raise Again(f"an answer that is no JSON: {error}") from error

        return self.get(path, params, kinds=JSON, read=read)

    def get(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        kinds: Collection[str],
        read: Callable[[Answer], Any] = lambda answer: answer,
        allowed: Callable[[Answer], bool] = lambda answer: False,
    ) -> Any:
        """What `read` makes of the answer, which it may refuse by raising Again.

        Args:
            path: below the address.
            params: of the query.
            kinds: content types of an answer; one of another type, such as a proxy's page, is none.
            read: makes something of an answer.
            allowed: tells of an answer that is no success that it is an answer all the same.
        """
        try:
            return persist(
                lambda: read(self._once(path, params, kinds=kinds, allowed=allowed)),
                what=f"GET {self._http.base_url.join(path).path} of {self.name}",
                attempts=self._settings.source_attempts,
                first_pause_seconds=self._settings.source_pause_seconds,
                log=_log,
                longest_pause_seconds=LONGEST_PAUSE_SECONDS,
                jitter=JITTER,
                sleep=self._sleep,
            )
        except GivenUp as error:
            raise SourceUnavailable(
                f"{self.name} at {self._http.base_url.host} gave no answer to {self.mask(str(error))}"
            ) from None

    def _once(
        self, path: str, params: Mapping[str, Any], *, kinds: Collection[str], allowed: Callable[[Answer], bool]
    ) -> Answer:
        self._keep_apart()
        try:
            answer = self._read(path, params)
        except httpx.RequestError as error:
            raise Again(self.mask(f"{type(error).__name__}: {error}")) from None
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status < 300 and kind in kinds:
            return answer
        if answer.status < 300:
            raise Again(f"{answer.status} with {kind or 'no content type'} instead of {' or '.join(kinds)}")
        if allowed(answer):
            return answer
        said = self.mask(f"{answer.status}: {answer.words or 'no reason'}")
        if 300 <= answer.status < 400:
            raise SourceError(f"{self.name} is elsewhere ({answer.status}); put its new address into the connection")
        if not self._is_passing(answer):
            raise SourceError(f"{self.name} refused the request with {said}")
        pause = asked_pause(answer.headers)
        pause = self._pause_of(answer) if pause is None else pause
        if pause is not None and pause > LONGEST_PAUSE_SECONDS:
            raise SourceUnavailable(f"{self.name} asks to come back in {pause:.0f} s; it said {said}")
        raise Again(said, pause=pause)

    def _read(self, path: str, params: Mapping[str, Any]) -> Answer:
        begun = time.monotonic()
        with self._http.stream("GET", path, params=dict(params)) as response:
            parts, size = [], 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER_BYTES:
                    raise SourceError(f"{self.name} answers more than {LARGEST_ANSWER_BYTES // 2**20} MiB at once")
                if time.monotonic() - begun > LONGEST_ANSWER * self._settings.source_timeout_seconds:
                    raise Again("an answer that does not come to an end")
            return Answer(response.status_code, b"".join(parts), response.headers)

    def _keep_apart(self) -> None:
        if self._asked_at is not None:
            wait = self._asked_at + self._between - time.monotonic()
            if wait > 0:
                self._sleep(wait)
        self._asked_at = time.monotonic()

    def mask(self, text: str) -> str:
        """A text without the secret, however it is spelled in an address."""
        for secret in self._spellings:
            text = text.replace(secret, "***")
        return text

    def _mask_record(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.mask(record.getMessage()), ()
        return True


def _message_in(document: Any) -> str:
    """The words of the error bodies that services give: {error: {message}}, {error: text}, {reason}, {message}."""
    if not isinstance(document, dict):
        return ""
    for name in ("reason", "error", "message", "detail", "description"):
        found = document.get(name)
        if isinstance(found, dict):
            code, message = found.get("code"), _message_in(found)
            return f"{code}: {message}" if code else message
        if isinstance(found, str) and found:
            return found
    return ""
