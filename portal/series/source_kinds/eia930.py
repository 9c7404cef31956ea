"""EIA-930: hourly data of the balancing authorities of the United States."""

from __future__ import annotations

from datetime import timedelta

from portal.series.source_kinds.fields import Choice, Pattern
from portal.series.source_kinds.kind import DEMAND, Column, ColumnOptions, Kind, Need, ReadOptions, many


class RespondentColumn(ColumnOptions):
    """One quantity of a balancing authority."""

    respondent = Pattern(
        r"[A-Z0-9]{2,8}",
        form="the code of a balancing authority or region, in capital letters, such as “ERCO”",
        help_text="code of the balancing authority or region: “ERCO”, “CISO”, “PJM”, “US48”",
    )
    type = Choice(
        "D",
        "DF",
        "NG",
        "TI",
        help_text="“D” demand, “DF” the authority's own day-ahead forecast of it, “NG” net generation, “TI” total "
        "interchange",
    )


class Eia930Options(ReadOptions):
    """What is asked of the service."""

    columns = many(RespondentColumn, help_text="one quantity of one balancing authority each")


def _quantities(column: Column, feeds: str) -> frozenset[str]:
    return frozenset({"load_forecast"} if column["type"] == "DF" else {"load"})


EIA930 = Kind(
    options=Eia930Options,
    feeds=(DEMAND,),
    url=Need.REFUSED,
    connection=Need.REQUIRED,
    about_connection="its password is the API key; its host another address than the EIA's, if any",
    quantities=_quantities,
    resolution=timedelta(hours=1),
    example={
        "feeds": DEMAND,
        "url": "",
        "connection": "eia",
        "options": {
            "columns": [
                {"respondent": "ERCO", "type": "D", "series": "texas", "minimum": 10000, "maximum": 100000},
                {"respondent": "ERCO", "type": "DF", "series": "texas-eia-forecast"},
            ]
        },
    },
)
