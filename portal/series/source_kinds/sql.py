"""A query on a PostgreSQL database."""

from __future__ import annotations

import re

from rest_framework import serializers

from portal.series.source_kinds.fields import Text
from portal.series.source_kinds.file import NamedColumn
from portal.series.source_kinds.kind import DEMAND, WEATHER, Kind, Need, TimedOptions, many, quantities_of_tables

_PLACES = ("%(start)s", "%(end)s")
_PERCENT = re.compile(r"%(?!%|\(start\)s|\(end\)s)")


class SqlOptions(TimedOptions):
    """What is asked of the database."""

    query = Text(
        max_length=20_000,
        help_text="a SELECT with %(start)s and %(end)s, the bounds of the period; any other % is written %%",
    )
    columns = many(NamedColumn, help_text="one of the value columns of the answer each, with the series that it feeds")

    def validate_ambiguous(self, ambiguous: str) -> str:
        if ambiguous == "in_order":
            raise serializers.ValidationError(
                "must be “reject”, “earlier” or “later”: rows of a database have no order"
            )
        return ambiguous

    def validate_query(self, query: str) -> str:
        missing = [place for place in _PLACES if place not in query]
        if missing:
            raise serializers.ValidationError(f"must bound the times by {' and '.join(missing)}")
        if _PERCENT.search(query.replace("%%", "")):
            raise serializers.ValidationError(f"must have no other % than {' and '.join(_PLACES)}; write %% for one")
        return query


SQL = Kind(
    options=SqlOptions,
    feeds=(DEMAND, WEATHER),
    url=Need.REFUSED,
    connection=Need.REQUIRED,
    about_connection="of type Postgres, with a login that may only read",
    quantities=quantities_of_tables,
    example={
        "feeds": DEMAND,
        "url": "",
        "connection": "meter_database",
        "options": {
            "query": "SELECT at, load_kw FROM readings WHERE at >= %(start)s AND at < %(end)s",
            "time_column": "at",
            "columns": [{"column": "load_kw", "series": "town", "scale": 0.001}],
        },
    },
)
