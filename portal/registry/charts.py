"""Lines as inline SVG: no script and nothing from another host, so they work under the strictest policy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal.core.line_svg import LEFT, RIGHT, STYLES, TOP, WIDTH, along, legend, levels

HEIGHT, BOTTOM = 280, 46
HOURS = (1, 2, 3, 6, 12, 24, 48, 96, 168)
"""Steps of an axis of hours."""


@dataclass(frozen=True)
class Line:
    """A named line of points, such as (lead time in hours, MAE); `joined` or only marked."""

    name: str
    points: Sequence[tuple[float, float]]
    joined: bool = True


def lead_time_chart(lines: Sequence[Line], *, title: str, unit: str) -> SafeString:
    """Up to three lines of MAE in `unit` over the lead time in hours; empty if there are no points."""
    return line_chart(lines, title=title, x_label="Lead time, hours", x_steps=HOURS, y_label=f"MAE, {unit}")


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_steps: Sequence[float] = (1, 2, 5, 10, 20, 50),
    from_zero: bool = True,
) -> SafeString:
    """Up to three lines of points that are not negative; empty if there are none.

    The axis of x begins at 0, and so does that of y unless `from_zero` is false.
    """
    lines = [line for line in lines if line.points][: len(STYLES)]
    if not lines:
        return mark_safe("")
    xs, ys = zip(*(point for line in lines for point in line.points), strict=True)
    x_ticks = _ticks(0.0, max(xs), steps=(*x_steps, *_round_steps(from_power=2)), most=12)
    y_ticks = _ticks(0.0 if from_zero else min(ys), max(ys), steps=_round_steps(from_power=-6), most=5)
    x_high, y_low, y_high = x_ticks[-1], y_ticks[0], y_ticks[-1]

    def x_at(x: float) -> str:
        return f"{LEFT + x / x_high * (WIDTH - LEFT - RIGHT):.1f}"

    def y_at(y: float) -> str:
        return f"{HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM):.1f}"

    marks = along(((x_at(x), _label(x)) for x in x_ticks), y=HEIGHT - BOTTOM + 18)
    grid = levels((y_at(y), _label(y)) for y in y_ticks) + marks
    drawn = format_html_join(
        "",
        '<polyline fill="none" stroke="{}" stroke-width="2" stroke-dasharray="{}" points="{}"/>{}',
        (
            (
                colour,
                dashes,
                " ".join(f"{x_at(x)},{y_at(y)}" for x, y in line.points) if line.joined else "",
                format_html_join(
                    "",
                    '<circle cx="{}" cy="{}" r="{}" fill="{}"><title>{}: {} at {}</title></circle>',
                    ((x_at(x), y_at(y), 2.5, colour, line.name, f"{y:.4g}", f"{x:g}") for x, y in line.points),
                ),
            )
            for line, (colour, dashes) in zip(lines, STYLES, strict=False)
        ),
    )
    return format_html(
        '<svg class="gc-chart" viewBox="0 0 {w} {h}" role="img" font-size="12" fill="currentColor">'
        "<title>{title}</title>{grid}{drawn}{legend}"
        '<text x="{xm}" y="{xy}" text-anchor="middle">{x_label}</text>'
        '<text transform="translate(14 {ym}) rotate(-90)" text-anchor="middle">{y_label}</text></svg>',
        w=WIDTH,
        h=HEIGHT,
        title=title,
        grid=grid,
        drawn=drawn,
        legend=legend([line.name for line in lines]),
        xm=(LEFT + WIDTH - RIGHT) // 2,
        xy=HEIGHT - 8,
        ym=(TOP + HEIGHT - BOTTOM) // 2,
        x_label=x_label,
        y_label=y_label,
    )


def _round_steps(*, from_power: int) -> Iterator[float]:
    """1, 2, 2.5, 5 times every power of ten that a load's error may have."""
    return (digit * 10.0**power for power in range(from_power, 12) for digit in (1, 2, 2.5, 5))


def _ticks(low: float, high: float, *, steps: Iterable[float], most: int) -> list[float]:
    """Multiples of the smallest of `steps` that covers `low` to `high` in at most `most` of them; at least two."""
    least = abs(high) * 1e-9  # finer than that, floats have no steps
    step = next((step for step in steps if step * most >= high - low and step > least), max(high - low, abs(high) / 10))
    first = math.floor(low / step)
    return [i * step for i in range(first, max(first + 1, math.ceil(high / step)) + 1)]


def _label(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
