"""Bad rows as a page shows them: the row as it came, and what was read or stored of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.series.models import QuarantinedRow, Series
from portal.series.quarantine.readings import local_text, read_moment

NOTHING = "–"


def raw_table(row: QuarantinedRow) -> SafeString:
    """The row as it came, a line per column where it has columns."""
    raw = orjson.loads(row.raw)
    if isinstance(raw, dict):
        cells: Iterable[tuple[str, Any]] = raw.items()
    elif isinstance(raw, list):
        cells = ((str(number), cell) for number, cell in enumerate(raw, start=1))
    else:
        return format_html('<code class="gc-cell">{}</code>', _plain(raw))
    lines = format_html_join(
        "", '<tr><th scope="row">{}</th><td><code class="gc-cell">{}</code></td></tr>',
        ((name, _plain(cell)) for name, cell in cells),
    )  # fmt: skip
    return format_html('<table class="gc-values gc-raw"><tbody>{}</tbody></table>', lines)


def readings_table(readings: Iterable[Mapping[str, Any]]) -> SafeString:
    """Readings, complete or not, with times by the clock of their series."""
    readings = list(readings)
    if not readings:
        return SafeString(NOTHING)
    slugs = {reading["series"] for reading in readings if reading["series"] and "\0" not in reading["series"]}
    known = Series.objects.in_bulk(list(slugs), field_name="slug")
    forecasts = any("issue_time" in reading for reading in readings)
    head = ("Series", *(("Issue time",) if forecasts else ()), "Valid time", "Value")
    lines = []
    for reading in readings:
        series = known.get(reading["series"])
        names = ("issue_time", "valid_time") if forecasts else ("valid_time",)
        times = [_time(reading.get(name), series) for name in names]
        lines.append((reading["series"] or NOTHING, *times, _value(reading["value"], series)))
    return format_html(
        '<table class="gc-values"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        format_html_join("", '<th scope="col">{}</th>', ((name,) for name in head)),
        format_html_join(
            "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in line)),) for line in lines)
        ),
    )


def _plain(cell: Any) -> str:
    if cell is None:
        return "(empty)"
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()


def _time(text: str | None, series: Series | None) -> str:
    if text is None:
        return NOTHING
    return local_text(read_moment(text), series.timezone if series else "UTC")


def _value(value: float | None, series: Series | None) -> str:
    if value is None:
        return NOTHING
    text = repr(float(value)).removesuffix(".0")
    return f"{text} {series.unit}" if series else text
