"""What the charts of lines have in common, as inline SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

WIDTH = 760
LEFT, RIGHT, TOP = 64, 16, 34
STYLES = (("#2563eb", ""), ("#d97706", "7 4"), ("#64748b", "2 4"))
"""Colour and dashes per line: they differ in both, for print and for eyes that see few colours."""
_NAMED_AT = (LEFT, LEFT + 220, LEFT + 440)


def levels(marks: Iterable[tuple[str, str]]) -> SafeString:
    """A thin line over the whole width per mark: where it lies, from above, and its label."""
    return format_html_join(
        "",
        '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="currentColor" stroke-opacity=".15"/>'
        '<text x="{}" y="{}" dy=".32em" text-anchor="end">{}</text>',
        ((LEFT, WIDTH - RIGHT, at, at, LEFT - 8, at, label) for at, label in marks),
    )


def along(marks: Iterable[tuple[str, str]], *, y: int) -> SafeString:
    """Labels along the axis of x: where each lies, from the left, and its text."""
    return format_html_join(
        "", '<text x="{}" y="{}" text-anchor="middle">{}</text>', ((at, y, label) for at, label in marks)
    )


def legend(names: Sequence[str]) -> SafeString:
    """The names of up to three lines, each beside a piece of it in its style."""
    return format_html_join(
        "",
        '<line x1="{}" x2="{}" y1="14" y2="14" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>'
        '<text x="{}" y="14" dy=".32em">{}</text>',
        (
            (at, at + 26, colour, dashes, at + 32, name)
            for at, name, (colour, dashes) in zip(_NAMED_AT, names, STYLES, strict=False)
        ),
    )
