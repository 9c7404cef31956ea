"""Runs a stage over the series of a batch: one that fails holds up no other, and fails the task at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from forecasting.errors import ForecastingError
from include.errors import PipelineError, as_pipeline_error, raise_failures
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
        except (PipelineError, ForecastingError) as error:
            _log.exception("%s failed", slug)
            failures.append((slug, as_pipeline_error(error)))
    raise_failures(failures)
    return done
