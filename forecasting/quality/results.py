"""What a check says."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Status = Literal["passed", "failed", "skipped", "error"]
Severity = Literal["fatal", "warning"]
Value = float | int | str | bool | None


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check of one window.

    `severity` is what a failure means: `fatal` makes the window unusable, `warning` makes it imperfect. `value` is what
    was measured and `threshold` what is allowed, both in the unit that the message names. `report` is the path of the
    HTML report or profile that this result belongs to.
    """

    engine: str
    name: str
    status: Status
    severity: Severity
    value: Value = None
    threshold: Value = None
    message: str = ""
    report: Path | None = None

    def to_dict(self) -> dict[str, Value]:
        """The result as JSON-able values; `report` becomes text."""
        return asdict(self) | {"report": None if self.report is None else str(self.report)}
