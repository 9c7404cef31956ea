"""A broken input and what becomes of it: what is stored, what goes to quarantine, or why the file is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HEADER = "time,load\n"
PORTAL_RULES = {"negative_load", "off_grid"}
"""Rules that only the portal can tell."""


def lines(*texts: str, header: str = HEADER) -> str:
    """A whole file of these lines."""
    return header + "".join(f"{text}\n" for text in texts)


@dataclass(frozen=True)
class Case:
    """`stored` has the loads by the minute of 1 July 2024 UTC, or a whole time; `bad` line and rule; `refused` words.

    `content` is the file named `file`; `options` are added to those of a source with the column load.
    """

    name: str
    content: str | bytes
    stored: Mapping[str, float | None] = field(default_factory=dict)
    bad: tuple[tuple[int, str], ...] = ()
    noted: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""
    file: str = "town.csv"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def octets(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content
