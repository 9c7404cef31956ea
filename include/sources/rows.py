"""What every reader returns: good rows in one long frame, and the bad ones as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class BadRow:
    """A row that breaks a rule. `row` is its line in the file, the header being line 1."""

    row: int
    raw: dict[str, Any]
    rule: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """As the portal's quarantine takes it."""
        return {"row": self.row, "raw": self.raw, "rule": self.rule, "message": self.message}


@dataclass(frozen=True)
class SourceRows:
    """The content of one file of a source.

    `rows` has the columns row (line in the file), series (slug), valid_time (UTC) and value (NaN = missing), in the
    order of the file.
    """

    file: str
    rows: pd.DataFrame
    bad: list[BadRow]
    raw: dict[int, dict[str, Any]]
    """The rows as they came, by line: what quarantine keeps of one that the portal refuses."""
