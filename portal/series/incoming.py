"""A body of observations, checked column by column at the door: what passes is trusted inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portal.core.columns import Faults, iso, numbers, plain_number, require_columns, texts, times
from portal.series.models import Series

COLUMNS = ("series", "valid_time", "value", "known_at")


@dataclass(kw_only=True)
class Incoming:
    """The rows of a body as arrays of one length.

    `faults` says which must not be stored, `repeated` which say nothing new.
    """

    slugs: list[str | None]
    slug_codes: NDArray[np.int64]
    series_ids: NDArray[np.int64]
    valid_us: NDArray[np.int64]
    known_us: NDArray[np.int64]
    values: NDArray[np.float64]
    faults: Faults
    repeated: NDArray[np.bool_]

    @classmethod
    def of(cls, table: pa.Table) -> Incoming:
        """Check `table`, of the columns COLUMNS. Raises Problem where the columns themselves are wrong.

        A value that is null or NaN is missing, and is stored as such. Rules by row: missing, unknown_series,
        out_of_range, too_fine, off_grid, not_finite, negative_load, known_too_early, contradiction.
        """
        require_columns(table, COLUMNS)
        faults = Faults(table.num_rows)
        codes, slugs = texts(table, "series")
        values = numbers(table, "value")
        known = {
            series.slug: series
            for series in Series.objects.filter(slug__in=[slug for slug in slugs if slug and "\0" not in slug])
        }
        by_code = [known.get(slug or "") for slug in slugs] + [None]  # the last one stands for -1, a null

        faults.mark(codes == -1, field="series", rule="missing", message="series is missing.")
        unknown = _per_row(by_code, codes, lambda series: series is None, bool)
        faults.mark(
            unknown,
            field="series",
            rule="unknown_series",
            message=lambda row: f"There is no series {slugs[codes[row]]!r}.",
        )
        valid_us = times(table, "valid_time", faults)
        known_us = times(table, "known_at", faults)
        resolution_us = _per_row(by_code, codes, lambda series: _us(series.resolution) if series else 1, np.int64)
        is_load = _per_row(by_code, codes, lambda series: bool(series) and series.quantity == "load", bool)
        may_be_negative = _per_row(by_code, codes, lambda series: bool(series) and series.allows_export, bool)

        faults.mark(
            valid_us % resolution_us != 0,
            field="valid_time",
            rule="off_grid",
            message=lambda row: f"valid_time is not on the grid of {resolution_us[row] // 60_000_000} minutes.",
        )
        faults.mark(np.isinf(values), field="value", rule="not_finite", message="value is infinite.")
        faults.mark(
            is_load & ~may_be_negative & (values < 0),
            field="value",
            rule="negative_load",
            message="The load is negative, and the series does not allow export.",
        )
        faults.mark(
            is_load & (known_us < valid_us + resolution_us),
            field="known_at",
            rule="known_too_early",
            message=lambda row: (
                f"A load is not known before its interval is over, at {iso(int(valid_us[row] + resolution_us[row]))}."
            ),
        )
        incoming = cls(
            slugs=slugs,
            slug_codes=codes,
            series_ids=_per_row(by_code, codes, lambda series: series.pk if series else 0, np.int64),
            valid_us=valid_us,
            known_us=known_us,
            values=values,
            faults=faults,
            repeated=np.zeros(table.num_rows, dtype=bool),
        )
        incoming._find_repetitions()
        return incoming

    def accepted(self) -> NDArray[np.int64]:
        """The rows to be stored: without fault, and each (series, valid_time) once."""
        return np.flatnonzero(~self.faults.bad & ~self.repeated)

    def rejected(self) -> list[dict[str, Any]]:
        """The faulty rows as the API answers them, in their order in the body."""
        return [
            {
                "row": row,
                "series": self.slugs[self.slug_codes[row]] if self.slug_codes[row] >= 0 else None,
                "valid_time": iso(int(self.valid_us[row])) if self.valid_us[row] else None,
                "value": plain_number(float(self.values[row])),
                "rule": rule,
                "message": message,
            }
            for row, (_, rule, message) in sorted(self.faults.found.items())
        ]

    def _find_repetitions(self) -> None:
        """A (series, valid_time) that comes again: with one value it counts once, with several all are refused."""
        rows = np.flatnonzero(~self.faults.bad)
        # The earliest known_at of equal rows is kept; a NaN sorts last and equals a NaN here.
        order = rows[np.lexsort((self.known_us[rows], self.valid_us[rows], self.series_ids[rows]))]
        if len(order) < 2:
            return
        same = (self.series_ids[order][1:] == self.series_ids[order][:-1]) & (
            self.valid_us[order][1:] == self.valid_us[order][:-1]
        )
        if not same.any():
            return
        group = np.concatenate(([0], np.cumsum(~same)))
        values = self.values[order]
        differs = ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
        contradictory = np.zeros(int(group[-1]) + 1, dtype=bool)
        contradictory[group[1:][same & differs]] = True
        refused = np.zeros(self.faults.rows, dtype=bool)
        refused[order[contradictory[group]]] = True
        self.faults.mark(
            refused,
            field="value",
            rule="contradiction",
            message="The body holds different values for this series and valid_time; none is stored.",
        )
        self.repeated[order[1:][same & ~contradictory[group[1:]]]] = True


def _us(duration: Any) -> int:
    return int(duration.total_seconds()) * 1_000_000


def _per_row(by_code: list[Series | None], codes: NDArray[np.int64], fact: Any, dtype: Any) -> NDArray[Any]:
    """A fact of each row's series, looked up once per series."""
    return np.array([fact(series) for series in by_code], dtype=dtype)[codes]
