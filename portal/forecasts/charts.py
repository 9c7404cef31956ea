"""A forecast with its interval and the load before it, as inline SVG: nothing from another host, no script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from numpy.typing import NDArray

from portal.core.columns import to_datetime, to_us

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Scale = Callable[[Any], Any]
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 24, 26


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A forecast: times in microseconds since 1970; values of shape (times, quantiles), quantiles ascending."""

    times_us: Integers
    quantiles: Sequence[float]
    values: Floats

    @property
    def medians(self) -> Floats:
        return self.values[:, len(self.quantiles) // 2]


def forecast_chart(
    curve: Curve,
    *,
    history_us: Integers,
    history: Floats,
    issue_time: datetime | None,
    timezone: str,
    unit: str,
    title: str,
    before: Curve | None = None,
    width: int = 760,
    height: int = 240,
) -> SafeString:
    """Draw `curve` after the load so far (NaN = gap), with local midnights marked. An empty text where nothing is.

    `before` is another forecast of the time, of which the median is drawn.
    """
    if not curve.times_us.size:
        return SafeString("")
    present = history[~np.isnan(history)]
    medians_before = before.medians if before is not None else np.empty(0)
    low, high = _bounds(np.concatenate((present, curve.values.ravel(), medians_before)))
    first = int(min(history_us[0], curve.times_us[0])) if history_us.size else int(curve.times_us[0])
    last = int(curve.times_us[-1])

    def x(times: Integers) -> Floats:
        return LEFT + (times - first) / max(last - first, 1) * (width - LEFT - RIGHT)

    def y(values: Floats) -> Floats:
        return height - BOTTOM - (values - low) / (high - low) * (height - TOP - BOTTOM)

    xs, upper, lower, median = x(curve.times_us), y(curve.values[:, -1]), y(curve.values[:, 0]), y(curve.medians)
    stretches = _stretches(curve.times_us)
    band = format_html_join(
        "",
        '<polygon class="gc-band" points="{}"/>',
        (
            (_points(np.concatenate((xs[at], xs[at][::-1])), np.concatenate((upper[at], lower[at][::-1]))),)
            for at in (stretches if len(curve.quantiles) > 1 else ())
        ),
    )
    lines = format_html_join(
        "", '<polyline class="gc-median" points="{}"/>', ((_points(xs[at], median[at]),) for at in stretches)
    )
    if before is not None:
        lines = format_html(
            '<polyline class="gc-before" points="{}"/>{}', _points(x(before.times_us), y(medians_before)), lines
        )
    grid = format_html_join(
        "",
        '<line class="gc-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text x="{}" y="{}" dy=".32em" text-anchor="end">{}</text>',
        ((LEFT, width - RIGHT, at, at, LEFT - 6, at, f"{value:,.10g}") for value, at in _levels(low, high, y)),
    )
    days = format_html_join(
        "",
        '<line class="gc-grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}">{}</text>',
        (
            (at, at, TOP, height - BOTTOM, f"{float(at) + 4:.1f}", height - 8, name)
            for at, name in _midnights(first, last, timezone, x)
        ),
    )
    return format_html(
        '<svg class="gc-forecast" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}{}{}'
        '<g class="gc-load">{}</g>{}{}<text x="4" y="8" dy=".32em">{}</text></svg>',
        width,
        height,
        title,
        title,
        grid,
        days,
        band,
        _segments(x(history_us), history, y),
        lines,
        _issued(issue_time, x, height) if issue_time is not None else "",
        unit,
    )


def _issued(issue_time: datetime, x: Scale, height: int) -> SafeString:
    at = round(float(x(np.array([to_us(issue_time)]))[0]), 1)
    return format_html(
        '<line class="gc-issued" x1="{}" x2="{}" y1="{}" y2="{}"><title>issued</title></line>',
        at,
        at,
        TOP,
        height - BOTTOM,
    )


def _stretches(times_us: Integers) -> list[Integers]:
    """The places of the times that follow each other without a gap."""
    steps = np.diff(times_us)
    return np.split(np.arange(len(times_us)), np.flatnonzero(steps > steps.min(initial=1 << 62)) + 1)


def _bounds(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * 0.06 or max(abs(high) * 0.06, 1.0)
    return low - margin, high + margin


def _points(xs: Floats, ys: Floats) -> str:
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in zip(xs.tolist(), ys.tolist(), strict=True))


def _segments(xs: Floats, values: Floats, y: Scale) -> SafeString:
    """One polyline per stretch without a gap."""
    present = ~np.isnan(values)
    edges = np.flatnonzero(np.diff(present.astype(np.int8))) + 1
    stretches = [part for part in np.split(np.arange(len(values)), edges) if part.size > 1 and present[part[0]]]
    return format_html_join(
        "",
        '<polyline points="{}"/>',
        ((_points(xs[part], y(values[part])),) for part in stretches),
    )


def _levels(low: float, high: float, y: Scale) -> list[tuple[float, str]]:
    """Three to six round values within the bounds, and where they lie."""
    step = 10.0 ** np.floor(np.log10((high - low) / 3))
    step *= next(factor for factor in (5.0, 2.0, 1.0) if (high - low) / (step * factor) >= 3)
    values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return [(float(value), f"{float(y(value)):.1f}") for value in values]


def _midnights(first: int, last: int, timezone: str, x: Scale) -> list[tuple[str, str]]:
    zone = ZoneInfo(timezone)
    day = to_datetime(first).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    marks = []
    while (at := to_us((day := day + timedelta(days=1)).replace(tzinfo=zone))) < last:
        marks.append((f"{float(x(np.array([at]))[0]):.1f}", f"{day:%a %d %b}"))
    every = max(1, len(marks) // 7)
    return marks[::every]
