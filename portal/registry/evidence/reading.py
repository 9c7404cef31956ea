"""Reading JSON of which nothing is certain: what is missing or malformed is None or empty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard


def part(evidence: object, name: str) -> Mapping[str, Any]:
    """An object within the evidence; empty where there is none."""
    found = evidence.get(name) if isinstance(evidence, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def rows(evidence: object, name: str) -> list[Any] | None:
    """A list within the evidence, its items as they came; None where there is none."""
    found = evidence.get(name) if isinstance(evidence, Mapping) else None
    return found if isinstance(found, list) else None


def objects(evidence: object, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list within the evidence; what else is in the list is left out."""
    return [row for row in rows(evidence, name) or [] if isinstance(row, Mapping)]


def finite(value: object) -> TypeGuard[float]:
    """Whether this is a number that a float can hold."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # JSON knows integers of any length
        return False


def number_of(found: Mapping[str, Any], key: str, *, scale: float = 1.0) -> float | None:
    """A finite number, scaled."""
    value = found.get(key)
    scaled = float(value) * scale if finite(value) else math.nan
    return scaled if math.isfinite(scaled) else None


def identifier(found: Mapping[str, Any], key: str) -> int | None:
    """A whole number that can be the id or the number of a row."""
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def text_of(found: Mapping[str, Any], key: str, *, longest: int = 200) -> str:
    """A text, cut where it is longer than any page needs; empty where there is none."""
    value = found.get(key)
    return (
        value
        if isinstance(value, str) and len(value) <= longest
        else f"{value[:longest]}…"
        if isinstance(value, str)
        else ""
    )
