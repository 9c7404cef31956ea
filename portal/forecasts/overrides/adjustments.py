"""A forecast changed in a period, by a percentage or by values: the rules, and what becomes of each quantile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.core.columns import iso, to_us

LOWEST_PERCENTAGE, HIGHEST_PERCENTAGE = -100.0, 1000.0
MEDIAN = 0.5
TIMES_NAMED = 5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class AdjustmentRefused(ValueError):
    """An adjustment breaks a rule; says which field and which rule."""

    def __init__(self, field: str, rule: str, message: str) -> None:
        super().__init__(message)
        self.field, self.rule = field, rule


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A percentage of every quantile, or values of the median, in [start, end), in the unit of the series."""

    start: datetime
    end: datetime
    percentage: float | None = None
    values: tuple[float, ...] | None = None

    def facts(self) -> dict[str, Any]:
        """As the ledger keeps it: enough to make the adjusted run again from the one that it adjusts."""
        period = {"start": iso(to_us(self.start)), "end": iso(to_us(self.end))}
        if self.percentage is not None:
            return {"kind": "percentage", **period, "percentage": self.percentage}
        return {"kind": "values", **period, "values": list(self.values or ())}


def applied(
    adjustment: Adjustment,
    *,
    valid_us: Integers,
    quantiles: Sequence[float],
    values: Floats,
    step: timedelta,
    allows_export: bool,
) -> Floats:
    """The forecast with the adjustment; outside its period nothing differs.

    `values` has the shape (valid times, quantiles), quantiles ascending. A percentage p multiplies every quantile by
    1 + p / 100, which is positive, so that they keep their order where the load is negative too. Values replace the
    median, and the other quantiles move by as much as it does; one value alone is for every interval.

    Raises AdjustmentRefused.
    """
    inside = _inside(adjustment, valid_us, step)
    if (adjustment.percentage is None) == (adjustment.values is None):
        raise AdjustmentRefused("percentage", "either_or", "Give a percentage or values, one of the two.")
    changed = values.copy()
    if adjustment.percentage is not None:
        with np.errstate(over="ignore"):
            changed[inside] = values[inside] * _factor(adjustment.percentage)
    else:
        medians = _medians(adjustment.values or (), valid_us[inside], allows_export=allows_export)
        changed[inside] = _moved(values[inside], quantiles, medians)
    if not np.isfinite(changed).all():
        raise AdjustmentRefused("percentage", "not_finite", "The adjusted forecast would not be finite.")
    if np.array_equal(changed, values):
        raise AdjustmentRefused("period", "no_change", "The adjustment changes nothing: the forecast says so already.")
    return changed


def _inside(adjustment: Adjustment, valid_us: Integers, step: timedelta) -> NDArray[np.bool_]:
    step_us = step // timedelta(microseconds=1)
    start, end = to_us(adjustment.start), to_us(adjustment.end)
    for name, at in (("start", start), ("end", end)):
        if at % step_us:
            raise AdjustmentRefused(name, "off_grid", f"{name} is not on the {step_us // 60_000_000}-minute grid.")
    if end <= start:
        raise AdjustmentRefused("end", "empty_period", "The period is empty: end is not after start.")
    first, last = int(valid_us[0]), int(valid_us[-1]) + step_us
    for name, outside in (("start", start < first), ("end", end > last)):
        if outside:
            period = f"{iso(first)} to {iso(last)}"
            raise AdjustmentRefused(name, "outside_run", f"{name} is outside the forecast, which is for {period}.")
    inside: NDArray[np.bool_] = (valid_us >= start) & (valid_us < end)
    return inside


def _factor(percentage: float) -> float:
    if not LOWEST_PERCENTAGE < percentage <= HIGHEST_PERCENTAGE:
        raise AdjustmentRefused(
            "percentage",
            "out_of_range",
            f"The percentage is above {LOWEST_PERCENTAGE:g} and at most {HIGHEST_PERCENTAGE:g}.",
        )
    return 1.0 + percentage / 100.0


def _medians(given: Sequence[float], times: Integers, *, allows_export: bool) -> Floats:
    medians = np.array(given, dtype=np.float64)
    if len(medians) == 1:
        medians = np.repeat(medians, len(times))
    if len(medians) < len(times):
        names = _named(times[len(medians) :])
        raise AdjustmentRefused(
            "values", "too_few", f"{len(medians)} values for {len(times)} intervals: none for {names}."
        )
    if len(medians) > len(times):
        step = times[-1] - times[-2] if len(times) > 1 else 0
        extra = f"{len(medians) - len(times)} too many, from {iso(int(times[-1] + step))} on" if step else "too many"
        raise AdjustmentRefused("values", "too_many", f"{len(medians)} values for {len(times)} intervals: {extra}.")
    for wrong, rule, what in (
        (~np.isfinite(medians), "not_finite", "is not finite"),
        ((medians < 0) & (not allows_export), "negative", "is negative, which the load of this series cannot be"),
    ):
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise AdjustmentRefused("values", rule, f"The value for {iso(int(times[at]))}, {medians[at]:g}, {what}.")
    return medians


def _moved(values: Floats, quantiles: Sequence[float], medians: Floats) -> Floats:
    if MEDIAN not in quantiles:
        raise AdjustmentRefused("values", "no_median", "The forecast has no median: adjust it by a percentage.")
    middle = list(quantiles).index(MEDIAN)
    moved = values + (medians - values[:, middle])[:, None]
    moved[:, middle] = medians
    # A sum is rounded: without this a neighbour could cross the median by its last bit.
    moved[:, :middle] = np.minimum(moved[:, :middle], medians[:, None])
    moved[:, middle:] = np.maximum(moved[:, middle:], medians[:, None])
    return moved


def _named(times: Integers) -> str:
    names = ", ".join(iso(time) for time in times[:TIMES_NAMED].tolist())
    more = len(times) - TIMES_NAMED
    return f"{names} and {more} more" if more > 0 else names
