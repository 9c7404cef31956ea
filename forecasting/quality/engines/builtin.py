"""The gates: Gridcast's own checks, which need pandas alone."""

from pathlib import Path

from forecasting.contracts import LOAD
from forecasting.quality import clock, completeness, levels, weather
from forecasting.quality.engine import Check, verdict
from forecasting.quality.results import CheckResult
from forecasting.quality.window import CheckedWindow

CHECKS: tuple[Check, ...] = (*completeness.CHECKS, *levels.CHECKS, *clock.CHECKS, *weather.CHECKS)


class BuiltinEngine:
    """Runs every built-in check; a window without a single row on its grid gets one fatal result instead."""

    def run(self, window: CheckedWindow, *, report_directory: Path | None) -> list[CheckResult]:
        """One result per check, in the order of `CHECKS`. It writes no report."""
        observed = int(window.regular[LOAD].notna().sum()) if len(window.regular) else 0
        present = verdict(
            "has_observations",
            failed=observed == 0,
            severity="fatal",
            value=observed,
            threshold=1,
            message=f"{observed} loads are observed in {len(window.history)} rows; at least one is needed",
        )
        return [present] if observed == 0 else [present, *(check(window) for check in CHECKS)]
