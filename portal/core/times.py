"""Times in JSON bodies: each says its zone, and lies within the years that are no slip of a digit."""

from __future__ import annotations

from datetime import datetime

from rest_framework import serializers

from portal.core.columns import EARLIEST, LATEST


class TimeField(serializers.DateTimeField):
    """An ISO 8601 time with an offset; one without cannot be placed, and is not taken for the server's own."""

    default_error_messages = {  # noqa: RUF012  # as serializer fields have it
        "naive": "The time has no timezone; append Z for UTC.",
        "out_of_range": f"The time is not within {EARLIEST:%Y} and {LATEST:%Y}.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        if not EARLIEST <= value < LATEST:
            self.fail("out_of_range")
        return super().enforce_timezone(value)
