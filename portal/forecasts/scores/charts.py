"""Errors by day as inline SVG: no script and nothing from another host."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.core.line_svg import LEFT, RIGHT, STYLES, TOP, WIDTH, along, legend, levels

HEIGHT, BOTTOM = 240, 30
MOST_DATES = 8


@dataclass(frozen=True)
class Daily:
    """A named line: an error per day, None where there is none."""

    name: str
    errors: Sequence[float | None]


def daily_chart(days: Sequence[date], lines: Sequence[Daily], *, title: str, unit: str) -> SafeString:
    """Up to three lines of mean absolute errors in `unit` over `days`; an empty text where there is no error."""
    lines = [line for line in lines if any(error is not None for error in line.errors)][: len(STYLES)]
    if not lines:
        return SafeString("")
    highest = max(error for line in lines for error in line.errors if error is not None)
    step = _step(highest)
    high = max(math.ceil(highest / step), 1) * step

    def x(number: int) -> str:
        return f"{LEFT + (number + 0.5) / len(days) * (WIDTH - LEFT - RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT - BOTTOM - value / high * (HEIGHT - TOP - BOTTOM):.1f}"

    ticks = [number * step for number in range(round(high / step) + 1)]
    dates = along(((x(number), f"{days[number]:%d %b}") for number in _dated(len(days))), y=HEIGHT - 8)
    grid = levels((y(tick), f"{tick:,.6g}") for tick in ticks) + dates
    drawn = format_html_join(
        "",
        "{}{}",
        (_drawn(line, style, days, x, y) for line, style in zip(lines, STYLES, strict=False)),
    )
    return format_html(
        '<svg class="gc-chart" viewBox="0 0 {} {}" role="img" font-size="12" fill="currentColor"><title>{}</title>'
        '{}{}{}<text x="4" y="14" dy=".32em">{}</text></svg>',
        WIDTH,
        HEIGHT,
        title,
        grid,
        drawn,
        legend([line.name for line in lines]),
        unit,
    )


def _drawn(
    line: Daily, style: tuple[str, str], days: Sequence[date], x: Callable[[int], str], y: Callable[[float], str]
) -> tuple[SafeString, SafeString]:
    """One polyline per stretch without a gap, and a dot with its value per day."""
    colour, dashes = style
    known = [(number, error) for number, error in enumerate(line.errors) if error is not None]
    stretches = [list(group) for _, group in groupby(enumerate(known), key=lambda each: each[1][0] - each[0])]
    lines = format_html_join(
        "",
        '<polyline fill="none" stroke="{}" stroke-width="2" stroke-dasharray="{}" points="{}"/>',
        ((colour, dashes, " ".join(f"{x(n)},{y(error)}" for _, (n, error) in part)) for part in stretches),
    )
    dots = format_html_join(
        "",
        '<circle cx="{}" cy="{}" r="2.5" fill="{}"><title>{}, {}: {}</title></circle>',
        ((x(n), y(error), colour, line.name, days[n].isoformat(), f"{error:,.4g}") for n, error in known),
    )
    return lines, dots


def _step(highest: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that covers the errors in at most five."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * 5 >= highest)


def _dated(count: int) -> range:
    return range(0, count, max(1, math.ceil(count / MOST_DATES)))
