"""Bodies of observations and weather forecasts, checked column by column at the door: what passes is trusted inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portal.core.columns import Faults, iso, numbers, plain_number, require_columns, texts, times
from portal.series.models import Series

OBSERVATION_COLUMNS = ("series", "valid_time", "value", "known_at")
FORECAST_COLUMNS = ("series", "issue_time", "valid_time", "known_at", "value")
WEATHER = (Series.Quantity.TEMPERATURE, Series.Quantity.WEATHER)


@dataclass(kw_only=True)
class Incoming:
    """The rows of a body as arrays of one length.

    `issue_us` is there for forecasts only. `faults` says which must not be stored, `repeated` which say nothing new.
    """

    slugs: list[str | None]
    slug_codes: NDArray[np.int64]
    series: list[Series | None]
    """By code; the last one stands for -1, a null."""
    valid_us: NDArray[np.int64]
    known_us: NDArray[np.int64]
    values: NDArray[np.float64]
    faults: Faults
    repeated: NDArray[np.bool_]
    issue_us: NDArray[np.int64] | None = None

    @classmethod
    def observations(cls, table: pa.Table) -> Self:
        """Check `table`, of the columns OBSERVATION_COLUMNS. Raises Problem where the columns themselves are wrong.

        A value that is null or NaN is missing, and is stored as such. Rules by row: missing, unknown_series,
        out_of_range, too_fine, off_grid, not_finite, negative_load, known_too_early, contradiction.
        """
        incoming = cls._checked(table, OBSERVATION_COLUMNS)
        is_load = incoming._fact(lambda series: series.quantity == Series.Quantity.LOAD, default=False)
        may_be_negative = incoming._fact(lambda series: series.allows_export, default=False)
        incoming.faults.mark(
            is_load & ~may_be_negative & (incoming.values < 0),
            field="value",
            rule="negative_load",
            message="The load is negative, and the series does not allow export.",
        )
        known_from = incoming.valid_us + incoming._resolution_us()
        incoming.faults.mark(
            is_load & (incoming.known_us < known_from),
            field="known_at",
            rule="known_too_early",
            message=lambda row: (
                f"A load is not known before its interval is over, at {iso(int(known_from[row]))}; "
                f"known_at is {iso(int(incoming.known_us[row]))}."
            ),
        )
        incoming._find_repetitions()
        return incoming

    @classmethod
    def weather_forecasts(cls, table: pa.Table) -> Self:
        """Check `table`, of the columns FORECAST_COLUMNS. Raises Problem where the columns themselves are wrong.

        Rules by row: missing, unknown_series, out_of_range, too_fine, off_grid, not_finite, not_weather,
        known_too_early, contradiction. A forecast without a value says nothing, and is refused as missing.
        """
        incoming = cls._checked(table, FORECAST_COLUMNS)
        faults = incoming.faults
        issue_us = incoming.issue_us = times(table, "issue_time", faults)
        faults.mark(
            ~incoming._fact(lambda series: series.quantity in WEATHER, default=True),
            field="series",
            rule="not_weather",
            message="The series is not of the weather; only such series have weather forecasts.",
        )
        faults.mark(np.isnan(incoming.values), field="value", rule="missing", message="value is missing.")
        faults.mark(
            incoming.known_us < issue_us,
            field="known_at",
            rule="known_too_early",
            message=lambda row: (
                f"A forecast is not known before it is issued, at {iso(int(issue_us[row]))}; "
                f"known_at is {iso(int(incoming.known_us[row]))}."
            ),
        )
        incoming._find_repetitions()
        return incoming

    @classmethod
    def _checked(cls, table: pa.Table, columns: tuple[str, ...]) -> Self:
        """What the two kinds of bodies have in common."""
        require_columns(table, columns)
        faults = Faults(table.num_rows)
        codes, slugs = texts(table, "series")
        values = numbers(table, "value")
        known = Series.objects.in_bulk([slug for slug in slugs if slug and "\0" not in slug], field_name="slug")
        series = [known.get(slug or "") for slug in slugs] + [None]
        faults.mark(codes == -1, field="series", rule="missing", message="series is missing.")
        faults.mark(
            np.array([each is None for each in series])[codes],
            field="series",
            rule="unknown_series",
            message=lambda row: f"There is no series {slugs[codes[row]]!r}.",
        )
        incoming = cls(
            slugs=slugs,
            slug_codes=codes,
            series=series,
            valid_us=times(table, "valid_time", faults),
            known_us=times(table, "known_at", faults),
            values=values,
            faults=faults,
            repeated=np.zeros(table.num_rows, dtype=bool),
        )
        resolution_us = incoming._resolution_us()
        faults.mark(
            incoming.valid_us % resolution_us != 0,
            field="valid_time",
            rule="off_grid",
            message=lambda row: f"valid_time is not on the grid of {resolution_us[row] // 60_000_000} minutes.",
        )
        faults.mark(np.isinf(values), field="value", rule="not_finite", message="value is infinite.")
        return incoming

    @cached_property
    def series_ids(self) -> NDArray[np.int64]:
        """0 for a series that there is not."""
        return self._fact(lambda series: series.pk, default=0)

    @property
    def resolutions_us(self) -> dict[int, int]:
        """Length of an interval by series."""
        return {series.pk: _us(series) for series in self.series if series is not None}

    def accepted(self) -> NDArray[np.int64]:
        """The rows to be stored: without fault, and each key once."""
        return np.flatnonzero(~self.faults.bad & ~self.repeated)

    def rejected(self) -> list[dict[str, Any]]:
        """The faulty rows as the API answers them, in their order in the body."""
        return [
            {"row": row, **self._told(row), "rule": rule, "message": message}
            for row, (_, rule, message) in sorted(self.faults.found.items())
        ]

    def _told(self, row: int) -> dict[str, Any]:
        told: dict[str, Any] = {"series": self.slugs[self.slug_codes[row]] if self.slug_codes[row] >= 0 else None}
        if self.issue_us is not None:
            told["issue_time"] = iso(int(self.issue_us[row])) if self.issue_us[row] else None
        told["valid_time"] = iso(int(self.valid_us[row])) if self.valid_us[row] else None
        return {**told, "value": plain_number(float(self.values[row]))}

    def _fact(self, fact: Callable[[Series], Any], *, default: Any) -> NDArray[Any]:
        """A fact of each row's series, looked up once per series."""
        return np.array([default if series is None else fact(series) for series in self.series])[self.slug_codes]

    def _resolution_us(self) -> NDArray[np.int64]:
        return self._fact(_us, default=1)

    def _find_repetitions(self) -> None:
        """A key that comes again: with one value it counts once, with several all its rows are refused."""
        rows = np.flatnonzero(~self.faults.bad)
        keys = [self.series_ids[rows], self.valid_us[rows]]
        if self.issue_us is not None:
            keys.append(self.issue_us[rows])
        if _increases(keys):
            return
        # The earliest known_at of equal rows is kept.
        order = np.lexsort((self.known_us[rows], *keys[::-1]))
        if len(order) < 2:
            return
        same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
        if not same.any():
            return
        order = rows[order]
        group = np.concatenate(([0], np.cumsum(~same)))
        values = self.values[order]
        differs = ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
        contradictory = np.zeros(int(group[-1]) + 1, dtype=bool)
        contradictory[group[1:][same & differs]] = True
        refused = np.zeros(self.faults.rows, dtype=bool)
        refused[order[contradictory[group]]] = True
        key = "series and valid_time" if self.issue_us is None else "series, valid_time and issue_time"
        self.faults.mark(
            refused,
            field="value",
            rule="contradiction",
            message=f"The body holds different values for this {key}; none is stored.",
        )
        self.repeated[order[1:][same & ~contradictory[group[1:]]]] = True


def _us(series: Series) -> int:
    return int(series.resolution.total_seconds()) * 1_000_000


def _increases(keys: list[NDArray[np.int64]]) -> bool:
    """True where each row's key is greater than that of the row before: none comes twice."""
    greater = np.zeros(max(len(keys[0]) - 1, 0), dtype=bool)
    same = ~greater
    for key in keys:
        greater |= same & (key[1:] > key[:-1])
        same &= key[1:] == key[:-1]
    return bool(greater.all())
