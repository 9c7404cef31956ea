"""The kinds by name."""

from __future__ import annotations

from collections.abc import Mapping

from portal.series.source_kinds.aggregate import AGGREGATE
from portal.series.source_kinds.eia930 import EIA930
from portal.series.source_kinds.entsoe import ENTSOE
from portal.series.source_kinds.file import FILE
from portal.series.source_kinds.kind import Kind
from portal.series.source_kinds.open_meteo import OPEN_METEO
from portal.series.source_kinds.sql import SQL

KINDS: Mapping[str, Kind] = {
    "file": FILE,
    "eia930": EIA930,
    "entsoe": ENTSOE,
    "open_meteo": OPEN_METEO,
    "sql": SQL,
    "aggregate": AGGREGATE,
}
