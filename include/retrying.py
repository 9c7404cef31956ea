"""The one way of trying again what may pass: after ever longer pauses, or the one that is asked for."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that say nothing about the request itself."""
LONGEST_PAUSE_SECONDS = 30.0
_Answer = TypeVar("_Answer")


class Again(Exception):
    """An attempt came to nothing, and another may not. `pause` is what the other side asks for, in seconds."""

    def __init__(self, trouble: str, *, pause: float | None = None) -> None:
        super().__init__(trouble)
        self.pause = pause


class GivenUp(Exception):
    """All attempts are used up; says what the last one met."""


def persist(
    attempt: Callable[[], _Answer],
    *,
    what: str,
    attempts: int,
    first_pause_seconds: float,
    log: logging.Logger,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    jitter: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> _Answer:
    """The answer of the first attempt that does not raise `Again`.

    Args:
        attempt: one attempt. Whatever else it raises ends the trying.
        what: is tried, for the log.
        attempts: in all, the first included.
        first_pause_seconds: before the second attempt; it doubles from there, up to the longest.
        log: where each attempt that failed is told.
        longest_pause_seconds: no pause is longer, even if one is asked for.
        jitter: up to this share is added to each pause that nobody asked for, lest all come back at once.
        sleep: waits.

    Raises:
        GivenUp: after the last attempt.
    """

    def pause(state: RetryCallState) -> float:
        asked = _trouble_of(state).pause
        if asked is not None:
            return min(asked, longest_pause_seconds)
        doubled = min(first_pause_seconds * 2.0 ** (state.attempt_number - 1), longest_pause_seconds)
        return doubled * (1 + jitter * random.random())  # noqa: S311 - nothing is kept secret with it

    def tell(state: RetryCallState) -> None:
        log.warning("%s: %s; next try in %.1f s", what, _trouble_of(state), state.upcoming_sleep)

    def give_up(state: RetryCallState) -> _Answer:
        trouble = _trouble_of(state)
        raise GivenUp(f"{what} in {attempts} attempts; last: {trouble}") from trouble

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=pause,
        retry=retry_if_exception_type(Again),
        before_sleep=tell,
        retry_error_callback=give_up,
        sleep=sleep,
    )
    return retrying(attempt)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in seconds: a number, or a time beside that of the answer's own Date; else None."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until, told_at = (parsedate_to_datetime(text) for text in (asked, headers.get("Date", "")))
        return max((until - told_at).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _trouble_of(state: RetryCallState) -> Again:
    trouble = state.outcome.exception() if state.outcome else None
    if not isinstance(trouble, Again):
        raise TypeError("only what asks to be tried again is tried again")
    return trouble
