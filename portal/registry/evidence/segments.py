"""The error by segment: lead time, kind of day, holiday, hour; beside the champion's on the same forecasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.registry.evidence.figures import Comparison, shown
from portal.registry.evidence.reading import finite, identifier, number_of, objects, text_of


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One way in which the evidence is broken down."""

    key: str
    title: str
    name: Callable[[Mapping[str, Any]], str]


def _lead_time(row: Mapping[str, Any]) -> str:
    start, end = number_of(row, "lead_time_from"), number_of(row, "lead_time_to")
    return "" if start is None or end is None else f"{start:g} to {end:g} h"


def _day_type(row: Mapping[str, Any]) -> str:
    return text_of(row, "day_type", longest=40).replace("_", " ")


def _holiday(row: Mapping[str, Any]) -> str:
    return f"{text_of(row, 'holiday', longest=80)} {text_of(row, 'date', longest=10)}".strip()


def _hour(row: Mapping[str, Any]) -> str:
    hour = 0 if row.get("hour") == 0 and finite(row.get("hour")) else identifier(row, "hour")
    return "" if hour is None or hour > 23 else f"{hour:02d}:00"


LEAD_TIME = Segment(key="by_lead_time", title="Lead time", name=_lead_time)
DAY_TYPE = Segment(key="by_day_type", title="Day type", name=_day_type)
HOLIDAY = Segment(key="by_holiday", title="Holiday", name=_holiday)
HOUR = Segment(key="by_hour", title="Hour of the day", name=_hour)
SEGMENTS = (LEAD_TIME, DAY_TYPE, HOLIDAY, HOUR)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One part of a segment: the MAE of the model, and by how much it is below that of the others."""

    name: str
    n: int | None
    model: float | None
    baseline: float | None
    champion: float | None
    against_baseline: Comparison | None
    against_champion: Comparison | None

    @property
    def texts(self) -> dict[str, str]:
        return {"model": shown(self.model), "baseline": shown(self.baseline), "champion": shown(self.champion)}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A segment with its rows, as it stands on a page."""

    segment: Segment
    rows: list[Row]

    @property
    def against_champion(self) -> bool:
        return any(row.against_champion is not None for row in self.rows)


def segment_name(segment: Segment, row: object) -> str:
    """How a part of a segment is called, such as ``day type saturday``."""
    name = segment.name(row) if isinstance(row, Mapping) else ""
    return f"{segment.title.lower()} {name or '?'}"


def table(evidence: object, segment: Segment) -> Table:
    """The parts that have a name and an error, in the order in which they came."""
    found = [_row(segment, row) for row in objects(evidence, segment.key)]
    return Table(segment=segment, rows=[row for row in found if row.name and row.model is not None])


def error_points(evidence: object, segment: Segment, *, of: str) -> list[tuple[float, float]]:
    """Points (hour of the day, or middle of a block of lead times; MAE) of *model*, *baseline* or *champion*."""
    points = []
    for row in objects(evidence, segment.key):
        if segment is LEAD_TIME:
            start, end = number_of(row, "lead_time_from"), number_of(row, "lead_time_to")
            place = None if start is None or end is None or min(start, end) < 0 else (start + end) / 2
        else:
            place = number_of(row, "hour")
        error = _error(row, of)
        if place is not None and 0 <= place < 1e6 and error is not None:
            points.append((place, error))
    return sorted(points)


def errors_by_lead_time(evidence: object) -> list[tuple[float, float]]:
    """Points (middle of a block of lead times in hours, MAE in the unit of the load); empty where there are none."""
    return error_points(evidence, LEAD_TIME, of="model")


def _row(segment: Segment, row: Mapping[str, Any]) -> Row:
    return Row(
        name=segment.name(row),
        n=identifier(row, "n"),
        model=_error(row, "model"),
        baseline=_error(row, "baseline"),
        champion=_error(row, "champion"),
        against_baseline=_comparison(row, "skill"),
        against_champion=_comparison(row, "skill_against_champion"),
    )


def _error(row: Mapping[str, Any], of: str) -> float | None:
    """The other's MAE follows from the model's and from the skill, which is 1 - MAE / MAE of the other."""
    error = number_of(row, "mae")
    if error is None or error < 0:
        return None
    if of == "model":
        return error
    skill = number_of(row, {"baseline": "skill", "champion": "skill_against_champion"}[of])
    if skill is None or skill >= 1:
        return None
    return number_of({"error": error / (1 - skill)}, "error")


def _comparison(row: Mapping[str, Any], key: str) -> Comparison | None:
    skill = number_of(row, key)
    return None if skill is None else Comparison(-skill)
