"""Runs the engines on one window."""

import importlib
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

import pandas as pd

from forecasting.calendar import check_timezone, checked_duration
from forecasting.contracts import LOAD
from forecasting.errors import DataContractError, SettingsError
from forecasting.quality.engine import Engine
from forecasting.quality.results import CheckResult
from forecasting.quality.settings import CheckSettings
from forecasting.quality.window import CheckedWindow

ENGINES = {
    "builtin": ("forecasting.quality.engines.builtin", "BuiltinEngine"),
    "deepchecks": ("forecasting.quality.engines.deepchecks", "DeepchecksEngine"),
    "whylogs": ("forecasting.quality.engines.whylogs", "WhylogsEngine"),
}
_log = logging.getLogger(__name__)


def run_checks(
    history: pd.DataFrame,
    *,
    timezone: str,
    resolution: str | pd.Timedelta,
    as_of: pd.Timestamp,
    reference: pd.DataFrame | None = None,
    settings: CheckSettings | None = None,
    engines: Sequence[str] = ("builtin", "deepchecks", "whylogs"),
    report_directory: Path | str | None = None,
) -> list[CheckResult]:
    """Check a window of one series, as it was known at `as_of`.

    Args:
        history: the window: a timezone-aware UTC index of interval starts, a column `load` in MW (NaN = missing),
            perhaps `temperature` in °C. It may be irregular, unordered or duplicated: that is for the checks to say.
        timezone: IANA name of the series' clock.
        resolution: length of an interval, "30min" or a Timedelta.
        as_of: timezone-aware time at which the window is judged.
        reference: an earlier window of the same series, for range, drift and profile. Without one, Deepchecks and
            whylogs compare the window's second half with its first.
        settings: thresholds; the defaults when None.
        engines: names out of `ENGINES`, each once, run in this order.
        report_directory: where reports and profiles go; it is made if needed. None: no report is written.

    Returns:
        Results in the order of the engines. An engine other than `builtin` that is missing or crashes yields one result
        with status `error` and severity `warning`.

    Raises:
        DataContractError: the history is no frame with a UTC index and a column `load`.
        SettingsError: the timezone is no IANA name, the resolution no duration, an engine unknown or repeated, or
            `as_of` no time with a timezone.
    """
    unknown = [name for name in engines if name not in ENGINES]
    if unknown or len(set(engines)) != len(engines):
        raise SettingsError(f"engines are {list(engines)}; each is one of {list(ENGINES)}, once")
    if not isinstance(as_of, datetime) or as_of.tzinfo is None:
        raise SettingsError(f"as_of {as_of} is no time, or has no timezone")
    check_timezone(timezone)
    window = CheckedWindow(
        history=_at_the_door(history, name="history"),
        timezone=timezone,
        resolution=checked_duration("resolution", resolution),
        as_of=pd.Timestamp(as_of).tz_convert("UTC"),
        reference=None if reference is None else _with_loads(_at_the_door(reference, name="reference")),
        settings=settings or CheckSettings(),
    )
    directory = None if report_directory is None else Path(report_directory)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    results: list[CheckResult] = []
    for name in engines:
        results += _run_engine(name, window, directory=directory)
    return results


def _run_engine(name: str, window: CheckedWindow, *, directory: Path | None) -> list[CheckResult]:
    module, attribute = ENGINES[name]
    if name == "builtin":  # a gate that breaks must stop the run, not pass as a warning
        return _engine(module, attribute).run(window, report_directory=directory)
    try:
        return _engine(module, attribute).run(window, report_directory=directory)
    except ImportError as error:
        return [_broken(name, f"{name} cannot be imported: {error}")]
    except Exception as error:  # noqa: BLE001 - third-party engines may raise anything; the gates do not depend on them
        # Its result says so; where it broke is for those who mend it.
        _log.debug("the engine %s crashed here", name, exc_info=True)
        return [_broken(name, f"{name} crashed: {type(error).__name__}: {error}")]


def _engine(module: str, attribute: str) -> Engine:
    return cast("Engine", getattr(importlib.import_module(module), attribute)())


def _broken(name: str, message: str) -> CheckResult:
    return CheckResult(engine=name, name="engine_runs", status="error", severity="warning", message=message)


def _with_loads(reference: pd.DataFrame) -> pd.DataFrame | None:
    """The reference, or None where it has no load: every range that it gives would be empty, and all would pass."""
    return reference if pd.to_numeric(reference[LOAD], errors="coerce").notna().any() else None


def _at_the_door(frame: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """What no check can say in terms of the series: this is not a history at all."""
    index = frame.index if isinstance(frame, pd.DataFrame) else None
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) not in {"UTC", "UTC+00:00"} or index.hasnans:
        rule = f"{name} is a DataFrame with a DatetimeIndex in UTC, without NaT"
        found = type(frame).__name__ if index is None else f"{type(index).__name__} in {getattr(index, 'tz', None)}"
        raise DataContractError(f"{name} has the index {found}", rule=rule, value=found)
    if LOAD not in frame.columns:
        rule = f"{name} has a column 'load' in MW"
        raise DataContractError(f"{name} has the columns {list(frame.columns)}", rule=rule)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataContractError(f"{name} has the column {twice[0]!r} twice", rule="column names are unique")
    return frame
