"""What a kind of source is made of, and the options that kinds have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework import serializers

from portal.series.source_kinds.fields import MOST_COLUMNS, Choice, Duration, Number, Strict, Text
from portal.series.validators import validate_timezone

DEMAND, WEATHER = "demand", "weather"
LOADS = frozenset({"load", "load_forecast"})
WEATHERS = frozenset({"temperature", "weather"})
Column = Mapping[str, Any]


class Need(Enum):
    """Whether a kind of source takes a fact."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of source.

    `quantities` says which quantities a column may feed, in a source that feeds demand or weather. `example` has the
    facts of a whole source. `resolution` is the length of its intervals, where a source of the kind has no other.
    """

    options: type[Options]
    feeds: tuple[str, ...]
    url: Need
    connection: Need
    about_connection: str
    example: Mapping[str, Any]
    quantities: Callable[[Column, str], frozenset[str]]
    resolution: timedelta | None = None


class ColumnOptions(Strict):
    """One of the columns of a source, and the series that it feeds."""

    series = Text(max_length=64, help_text="slug of the series that it feeds")
    scale = Number(zero=False, required=False, help_text="what every value is multiplied by; 1 by default")
    minimum = Number(required=False, help_text="a lower value, once scaled, goes to quarantine")
    maximum = Number(required=False, help_text="a higher value, once scaled, goes to quarantine")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "minimum" in attrs and "maximum" in attrs and attrs["minimum"] > attrs["maximum"]:
            raise serializers.ValidationError({"minimum": "must not be greater than the maximum"})
        return attrs


class Options(Strict):
    """Options with columns, each series fed once."""

    columns: serializers.ListSerializer[Any]

    def validate_columns(self, columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        errors: list[dict[str, str]] = [{} for _ in columns]
        first: dict[str, int] = {}
        for number, column in enumerate(columns):
            if (before := first.setdefault(column["series"], number)) != number:
                errors[number] = {"series": f"is fed by columns[{before}] already; a source feeds a series once"}
        if any(errors):
            raise serializers.ValidationError(errors)
        return columns


class ReadOptions(Options):
    """What all sources that are read from outside have in common."""

    resolution = Duration(
        grid=True,
        required=False,
        help_text="length of the source's own intervals, if it is not that of the series: “PT5M”",
    )
    resample = Choice(
        "mean",
        "sum",
        "repeat",
        required=False,
        help_text="how its intervals become those of the series: “mean” or “sum” of finer ones (whole intervals only), "
        "“repeat” of coarser ones",
    )
    future_tolerance = Duration(
        required=False,
        help_text="a value for later than this after the reading goes to quarantine; “PT1H” by default. Forecasts are "
        "exempt",
    )


class TimedOptions(ReadOptions):
    """What tables with a column of times have in common."""

    time_column = Text(help_text="the column of the times")
    time_zone = Text(
        required=False, help_text="IANA name, for times without an offset: “Europe/Berlin”; without it they are refused"
    )
    labels = Choice(
        "start", "end", required=False, help_text="whether a time is the “start” (default) or the “end” of its interval"
    )
    ambiguous = Choice(
        "reject",
        "earlier",
        "later",
        "in_order",
        required=False,
        help_text="a local time that comes twice, in autumn: “reject” (default), “earlier” (summer time), “later” "
        "(winter time), “in_order” (the first is the earlier)",
    )
    nonexistent = Choice(
        "reject",
        "shift_forward",
        required=False,
        help_text="a local time that does not exist, in spring: “reject” (default) or “shift_forward”",
    )
    issue_time_column = Text(
        required=False, help_text="the column that says when a forecast was made, in a source of weather forecasts"
    )

    def validate_time_zone(self, name: str) -> str:
        try:
            validate_timezone(name)
        except ModelValidationError:
            raise serializers.ValidationError("must be an IANA timezone such as “Europe/Berlin”") from None
        return name

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "resample" in attrs and "resolution" not in attrs:
            raise serializers.ValidationError(
                {"resample": "needs resolution, the length of the source's own intervals, beside it"}
            )
        if "issue_time_column" in attrs and self.context.get("feeds") != WEATHER:
            raise serializers.ValidationError({"issue_time_column": "is for sources that feed weather"})
        return attrs


def many(columns: type[Strict], *, help_text: str) -> Any:
    """A list of at least one of `columns`."""
    return columns(many=True, allow_empty=False, max_length=MOST_COLUMNS, help_text=help_text)  # type: ignore[call-arg]


def quantities_of_tables(column: Column, feeds: str) -> frozenset[str]:
    """A file or a query of demand may hold the weather beside it."""
    return WEATHERS if feeds == WEATHER else LOADS | WEATHERS
