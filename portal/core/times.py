"""Times from outside: each says its zone, and lies within the years that are no slip of a digit."""

from __future__ import annotations

from datetime import datetime

from rest_framework import serializers

from portal.core.columns import EARLIEST, LATEST


class Unplaced(ValueError):
    """Why something is no time that can be used: the rule, and how a sentence about it ends."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule, self.what = rule, what


def require_placed(time: datetime) -> None:
    """Raise Unplaced for a time without a zone, which is not taken for the server's own, or of a distant year."""
    if time.tzinfo is None:
        raise Unplaced("naive", "has no timezone; append Z for UTC")
    if not EARLIEST <= time < LATEST:
        raise Unplaced("out_of_range", f"is not within {EARLIEST:%Y} and {LATEST:%Y}")


class TimeField(serializers.DateTimeField):
    """A time in a JSON body, ISO 8601 with an offset."""

    def enforce_timezone(self, value: datetime) -> datetime:
        try:
            require_placed(value)
        except Unplaced as unplaced:
            raise serializers.ValidationError(f"The time {unplaced.what}.", code=unplaced.rule) from None
        return super().enforce_timezone(value)
