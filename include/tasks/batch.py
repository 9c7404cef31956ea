"""Runs a stage over the series of a batch: one that fails holds up no other, and fails the task at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from forecasting.errors import ForecastingError
from include.errors import LibraryRefused, PipelineError, Stumbled, raise_failures
from include.times import read_time

_log = logging.getLogger(__name__)


def for_each_series(batch: Mapping[str, Any], work: Callable[[str, datetime], Any]) -> list[Any]:
    """Call `work(slug, as_of)` for each series of the batch; return what it gave.

    Raises:
        PipelineError: after the last one, naming each series that failed.
    """
    as_of = read_time(batch["as_of"], name="as_of")
    done, failures = [], []
    for number, slug in enumerate(batch["series"], start=1):
        _log.info("%s (%d of %d) as of %s", slug, number, len(batch["series"]), as_of.isoformat())
        try:
            done.append(work(slug, as_of))
        except Exception as error:  # noqa: BLE001  # whatever it is, the other series need not wait for its repair
            _log.exception("%s failed", slug)
            failures.append((slug, as_pipeline_error(error)))
    raise_failures(failures)
    return done


def as_pipeline_error(error: Exception) -> PipelineError:
    """The error itself, the library's refusal as one of ours, or what nobody foresaw with its kind."""
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, ForecastingError):
        return LibraryRefused(str(error))
    stumbled = Stumbled(f"{type(error).__name__}: {error}")
    stumbled.__cause__ = error
    return stumbled
