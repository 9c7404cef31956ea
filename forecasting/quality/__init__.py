"""Checks of a history before anything is trained on it or published from it.

The built-in checks are the gates. Deepchecks and whylogs add drift, profiles and reports beside them; they are imported
only when they run, and a broken or missing one is reported, never relied on.
"""

from forecasting.quality.results import CheckResult, Severity, Status
from forecasting.quality.runner import ENGINES, run_checks
from forecasting.quality.settings import CheckSettings

__all__ = ["ENGINES", "CheckResult", "CheckSettings", "Severity", "Status", "run_checks"]
