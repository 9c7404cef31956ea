"""Files: CSV or Parquet."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.series.source_kinds.fields import Choice, Text, Texts
from portal.series.source_kinds.kind import (
    DEMAND,
    WEATHER,
    ColumnOptions,
    Kind,
    Need,
    TimedOptions,
    many,
    quantities_of_tables,
)


class NamedColumn(ColumnOptions):
    """A column of a table."""

    column = Text(help_text="its name in the header")


class FileOptions(TimedOptions):
    """How files are read."""

    columns = many(NamedColumn, help_text="one of the value columns each, with the series that it feeds")
    format = Choice("csv", "parquet", required=False, help_text="“csv” or “parquet”; by the file's name by default")
    delimiter = Choice(
        ",",
        ";",
        "\t",
        "|",
        required=False,
        help_text="what is between the fields of a CSV; found in the header by default",
    )
    decimal = Choice(
        ".",
        ",",
        required=False,
        help_text="the decimal mark of a CSV, “.” by default; 1,5 without “,” here is refused, and not read as 15",
    )
    missing = Texts(
        required=False, help_text="texts that stand for a missing value, such as “-999”, beside the usual ones"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("decimal") == "," and attrs.get("delimiter") == ",":
            raise serializers.ValidationError({"delimiter": "cannot be the decimal mark too"})
        if attrs.get("format") == "parquet":
            csv_only = [name for name in ("delimiter", "decimal") if name in attrs]
            if csv_only:
                raise serializers.ValidationError(dict.fromkeys(csv_only, "is for CSV; a Parquet file has none"))
        return super().validate(attrs)


FILE = Kind(
    options=FileOptions,
    feeds=(DEMAND, WEATHER),
    url=Need.REQUIRED,
    connection=Need.OPTIONAL,
    about_connection="of storage with a login: its extra has what fsspec takes, such as {“key”: …, “secret”: …}",
    quantities=quantities_of_tables,
    example={
        "feeds": DEMAND,
        "url": "meters/town-*.csv",
        "connection": "",
        "options": {
            "time_column": "Zeit",
            "time_zone": "Europe/Berlin",
            "labels": "end",
            "delimiter": ";",
            "decimal": ",",
            "ambiguous": "in_order",
            "resolution": "PT15M",
            "resample": "mean",
            "columns": [{"column": "Last [kW]", "series": "town", "scale": 0.001, "minimum": 0, "maximum": 900}],
        },
    },
)
