"""Sums of other series, such as the feeders of a zone."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.series.source_kinds.fields import Choice, Number, Strict, Text
from portal.series.source_kinds.kind import DEMAND, LOADS, Column, Kind, Need, Options, many


class Feeder(Strict):
    """One of the series that are summed up."""

    series = Text(max_length=64, help_text="slug of the feeder's series")
    weight = Number(zero=False, required=False, help_text="what its values are multiplied by; 1 by default")


class ZoneColumn(Strict):
    """A zone and what it is the sum of."""

    series = Text(max_length=64, help_text="slug of the zone's series, which is fed")
    feeders = many(Feeder, help_text="the series that are summed up, each with its weight")

    def validate_feeders(self, feeders: list[dict[str, Any]]) -> list[dict[str, Any]]:
        named = [feeder["series"] for feeder in feeders]
        errors = [
            {"series": "comes twice among the feeders of the zone"} if series in named[:number] else {}
            for number, series in enumerate(named)
        ]
        if any(errors):
            raise serializers.ValidationError(errors)
        return feeders


class AggregateOptions(Options):
    """What is summed up, and what a gap in a part means for the sum."""

    columns = many(ZoneColumn, help_text="one zone each, with its feeders")
    missing = Choice(
        "withhold",
        "scale_up",
        required=False,
        help_text="an interval without one of the feeders: “withhold” (default) leaves the sum missing, “scale_up” "
        "estimates it from the others by their share of the weights",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        zones = {column["series"] for column in attrs["columns"]}
        shares = attrs.get("missing") == "scale_up"
        errors = [
            {"feeders": found}
            if any(found := [_fault(feeder, column, zones, shares=shares) for feeder in column["feeders"]])
            else {}
            for column in attrs["columns"]
        ]
        if any(errors):
            raise serializers.ValidationError({"columns": errors})
        return attrs


def _fault(feeder: dict[str, Any], column: dict[str, Any], zones: set[str], *, shares: bool) -> dict[str, str]:
    if feeder["series"] == column["series"]:
        return {"series": "is the zone itself; a zone is no feeder of its own"}
    if feeder["series"] in zones:
        return {"series": "is summed up by this source too; give the sum of sums a source of its own"}
    if shares and feeder.get("weight", 1) < 0:
        return {"weight": "must be positive where missing is “scale_up”: a share is no negative one"}
    return {}


def _quantities(column: Column, feeds: str) -> frozenset[str]:
    return LOADS


AGGREGATE = Kind(
    options=AggregateOptions,
    feeds=(DEMAND,),
    url=Need.REFUSED,
    connection=Need.REFUSED,
    about_connection="none: it reads the portal's own series",
    quantities=_quantities,
    example={
        "feeds": DEMAND,
        "url": "",
        "connection": "",
        "options": {
            "missing": "withhold",
            "columns": [
                {
                    "series": "town",
                    "feeders": [
                        {"series": "feeder-north"},
                        {"series": "feeder-south"},
                        {"series": "solar", "weight": -1},
                    ],
                }
            ],
        },
    },
)
