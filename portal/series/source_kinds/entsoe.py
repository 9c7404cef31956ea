"""ENTSO-E: load of European areas."""

from __future__ import annotations

from rest_framework import serializers

from portal.series.source_kinds.fields import Choice, Pattern
from portal.series.source_kinds.kind import DEMAND, Column, ColumnOptions, Kind, Need, ReadOptions, many


class AreaColumn(ColumnOptions):
    """The load of an area."""

    area = Pattern(
        r"[A-Z0-9_-]{2,20}",
        form="the code of a bidding zone or country, in capital letters, such as “DE_LU”",
        help_text="code of the bidding zone or country: “DE_LU”, “FR”, “NO_1”",
    )
    type = Choice(
        "load", "load_forecast", help_text="“load”, or “load_forecast”, the operator's own day-ahead forecast of it"
    )


class EntsoeOptions(ReadOptions):
    """What is asked of the service."""

    columns = many(AreaColumn, help_text="the load of one area each")

    def validate_resample(self, resample: str) -> str:
        if resample == "sum":
            raise serializers.ValidationError("must be “mean” or “repeat”: the values are MW, of which a sum is none")
        return resample


def _quantities(column: Column, feeds: str) -> frozenset[str]:
    return frozenset({column["type"]})


ENTSOE = Kind(
    options=EntsoeOptions,
    feeds=(DEMAND,),
    url=Need.REFUSED,
    connection=Need.REQUIRED,
    about_connection="its password is the security token; its host another address than ENTSO-E's, if any",
    quantities=_quantities,
    example={
        "feeds": DEMAND,
        "url": "",
        "connection": "entsoe",
        "options": {
            "resample": "mean",
            "columns": [
                {"area": "DE_LU", "type": "load", "series": "germany", "minimum": 20000, "maximum": 120000},
                {"area": "DE_LU", "type": "load_forecast", "series": "germany-entsoe-forecast"},
            ],
        },
    },
)
