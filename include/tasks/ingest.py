"""Ingest: what sources say and had become known at `as_of`, appended to the portal; bad rows to quarantine.

A source is read part by part. Each part is stored, and the portal told how far the reading is, before the next is
asked for: a task that is killed goes on there, and since storing a part again changes nothing, it cannot go wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from include.errors import BatchRefused, NothingToDo, PipelineError, Refusal, raise_failures
from include.portal import PortalUnavailable
from include.run import Run
from include.sources.access import access_of
from include.sources.registry import connector_of
from include.tasks.reading import Reading
from include.times import read_time

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ingested:
    """What became of a source's rows. `series` are those that have observations in the period."""

    source: str
    series: list[str]
    received: int
    inserted: int
    corrected: int
    unchanged: int
    quarantined: int


def ingest_batch(run: Run, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Ingest the sources of a batch from `plan_sources`, one after the other; one that fails holds up no other.

    Returns:
        `series` with news, also those of a source of which only some files were refused; `sources` (what became of
        each that was read), and `refused`: what is wrong with each that was refused.

    Raises:
        NothingToDo: no source has a row in the period, so there is no news for anybody.
        BatchRefused, Refusal: none brought anything, and some were refused.
        PipelineError: a source or the portal did not answer; the other sources are done.
    """
    start, end = (read_time(batch[name], name=name) if batch[name] else None for name in ("start", "end"))
    as_of = read_time(batch["as_of"], name="as_of")
    done: list[Ingested] = []
    news: set[str] = set()
    refused: list[tuple[str, PipelineError]] = []
    failed: list[tuple[str, PipelineError]] = []
    for number, slug in enumerate(batch["sources"], start=1):
        _log.info("source %s (%d of %d) as of %s", slug, number, len(batch["sources"]), as_of.isoformat())
        try:
            done.append(ingest_source(run, slug, as_of=as_of, start=start, end=end, news=news))
        except PortalUnavailable:
            raise
        except PipelineError as error:
            _log.exception("source %s failed", slug)
            (refused if isinstance(error, Refusal) else failed).append((slug, error))
    raise_failures([*failed, *refused] if failed else [])
    if not news and not any(each.received or each.quarantined for each in done):
        raise_failures(refused)
        raise NothingToDo(f"Of {', '.join(batch['sources'])} no row of the period was known at {as_of.isoformat()}")
    return {
        "series": sorted(news),
        "sources": [asdict(each) for each in done],
        "refused": {slug: str(error) for slug, error in refused},
    }


def confirm_batches(batches: Iterable[Mapping[str, Any]]) -> None:
    """Fail for the sources that were refused in batches of which others were read.

    Raises:
        BatchRefused: naming each such source and what is wrong with it.
    """
    refused = {slug: message for batch in batches for slug, message in batch["refused"].items()}
    if refused:
        text = "; ".join(f"{slug}: {message}" for slug, message in refused.items())
        raise BatchRefused(f"{len(refused)} sources were refused, the others are read: {text}")


def ingest_source(
    run: Run,
    slug: str,
    *,
    as_of: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    news: set[str] | None = None,
) -> Ingested:
    """Append the source's rows of `[start, end)` that had become known at `as_of`; done again, it changes nothing.

    A row of an archive (a source with `availability_delay`) became known that long after its interval ended; a row of
    a live source is known at `as_of`, if its interval was over by then. A value that differs from the stored one is a
    correction, known at `as_of`. Series of which something is stored join `news`, however the reading ends.

    Raises:
        SourceError: the source, or a file of it, cannot be read; nothing of that is stored, and an alert fires.
        SourceUnavailable: it does not answer; the next try goes on where this one stopped.
        PortalError: the portal refused or did not answer; likewise.
    """
    source = run.portal.source(slug)
    reading = Reading.begin(run, source, as_of=as_of, start=start, end=end)
    try:
        read = connector_of(source["kind"])
        for part in read(reading.request(access_of(source))):
            reading.store(part)
    except Refusal as refusal:
        reading.fail(str(refusal), goes_on=False)
        raise
    except PortalUnavailable:
        raise  # which could not be told anyway
    except Exception as error:
        # Not only what is foreseen: a reading that nobody takes up again must not look as if it went on.
        if run.is_last_try:
            reading.fail(f"{type(error).__name__}: {error}", goes_on=True)
        raise
    finally:
        if news is not None:
            news |= reading.series
    reading.finish()
    return Ingested(source=slug, series=sorted(reading.series), **reading.counts)
