"""What an engine is, and how a check of the built-in one reports."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from forecasting.quality.results import CheckResult, Severity, Value
from forecasting.quality.window import CheckedWindow

Check = Callable[[CheckedWindow], CheckResult]


class Engine(Protocol):
    """Runs its checks on a window. `report_directory` exists, or is None when no report is wanted."""

    def run(self, window: CheckedWindow, *, report_directory: Path | None) -> list[CheckResult]:
        """One result per check, in a fixed order; names are unique within an engine."""
        ...


def verdict(
    name: str, *, failed: bool, severity: Severity, value: Value, threshold: Value, message: str
) -> CheckResult:
    """A result of the built-in engine."""
    return CheckResult(
        engine="builtin",
        name=name,
        status="failed" if failed else "passed",
        severity=severity,
        value=value,
        threshold=threshold,
        message=message,
    )


def skipped(name: str, *, severity: Severity, message: str) -> CheckResult:
    """A result of the built-in engine for a check that does not apply."""
    return CheckResult(engine="builtin", name=name, status="skipped", severity=severity, message=message)
