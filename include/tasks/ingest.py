"""Ingest: what a source says and had become known at `as_of`, appended to the portal; bad rows to quarantine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from include.errors import NothingToDo, SourceError
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.sources.file import read_file
from include.sources.rows import BadRow, SourceRows
from include.times import read_time, resolution_of

_log = logging.getLogger(__name__)
READERS = {"file": read_file}


@dataclass(frozen=True)
class Ingested:
    """What became of a source's rows. `series` are those that have rows in the period."""

    source: str
    series: list[str]
    received: int
    inserted: int
    corrected: int
    unchanged: int
    quarantined: int


def ingest_batch(run: Run, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Ingest the source of a batch from `plan_sources`.

    Raises:
        NothingToDo: the source has no row in the period, so there is no news for anybody.
    """
    start, end = (read_time(batch[name], name=name) if batch[name] else None for name in ("start", "end"))
    as_of = read_time(batch["as_of"], name="as_of")
    done = ingest_source(run.portal, batch["source"], as_of=as_of, start=start, end=end, settings=run.settings)
    if not done.series:
        raise NothingToDo(f"Of {done.source} no row of the period was known at {as_of.isoformat()}")
    return asdict(done)


def ingest_source(
    portal: Portal,
    slug: str,
    *,
    as_of: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    settings: Settings,
) -> Ingested:
    """Append the source's rows of `[start, end)` that had become known at `as_of`; done again, it changes nothing.

    A row of an archive (a source with `availability_delay`) became known that long after its interval ended; a row of
    a live source is known at `as_of`, if its interval was over by then. A value that differs from the stored one is a
    correction, known at `as_of`.

    Raises:
        SourceError: the source as a whole cannot be read; nothing of it is stored.
        PortalError: the portal refused or did not answer; a repetition picks up where this one stopped.
    """
    source = portal.source(slug)
    if source["kind"] not in READERS:
        raise SourceError(f"Source {slug} is of kind {source['kind']!r}; there are readers for {', '.join(READERS)}")
    content = READERS[source["kind"]](source, data_url=settings.data_url)
    if not len(content.rows) and not content.bad:
        raise SourceError(f"{content.file} of source {slug} has a header and no rows")
    rows = _known(portal, source, content, as_of=as_of, start=start, end=end)
    counts = {"inserted": 0, "corrected": 0, "unchanged": 0}
    bad = list(content.bad)
    for number, part in enumerate(_parts(rows, days=settings.ingest_days_per_request), start=1):
        answer = portal.record_observations(part, recorded_at=as_of)
        for name in counts:
            counts[name] += answer[name]
        bad += [_refused(content, part, rejected) for rejected in answer["rejected"]]
        _log.info("%s: part %d, up to %s: %s", slug, number, part["valid_time"].max(), counts)
    if bad:
        new = portal.quarantine(slug, file=content.file, rows=[row.as_dict() for row in bad])
        _log.warning("%s: %d rows in quarantine, %d of them new; first: %s", slug, len(bad), new, bad[0].message)
    series = sorted(rows["series"].unique())
    return Ingested(source=slug, series=series, received=len(rows), quarantined=len(bad), **counts)


def _known(
    portal: Portal,
    source: dict[str, Any],
    content: SourceRows,
    *,
    as_of: datetime,
    start: datetime | None,
    end: datetime | None,
) -> pd.DataFrame:
    """The rows of the period with their known_at, as far as that is not after `as_of`."""
    rows = content.rows
    if start is not None:
        rows = rows[rows["valid_time"] >= start]
    if end is not None:
        rows = rows[rows["valid_time"] < end]
    now = pd.Timestamp(as_of).as_unit("ns")
    is_live = source["availability_delay"] is None
    delay = pd.Timedelta(0) if is_live else pd.Timedelta(source["availability_delay"])
    named = {each["series"] for each in source["options"]["columns"]}
    lengths = rows["series"].map({name: resolution_of(portal.series(name)) for name in named})
    # Also a live source may hold what came after as_of: it is read somewhat later, or much later in a backfill.
    knowable = rows["valid_time"] + lengths + delay
    return rows.assign(known_at=now if is_live else knowable)[knowable <= now]


def _parts(rows: pd.DataFrame, *, days: int) -> list[pd.DataFrame]:
    """Parts of `days` days each, oldest first, so that neither side holds a large file at once in one request."""
    if rows.empty:
        return []
    span = timedelta(days=days) / timedelta(microseconds=1)
    number = ((rows["valid_time"] - rows["valid_time"].min()) / pd.Timedelta(1, unit="us")) // span
    return [part for _, part in rows.groupby(number, sort=True)]


def _refused(content: SourceRows, part: pd.DataFrame, rejected: dict[str, Any]) -> BadRow:
    line = int(part["row"].iloc[rejected["row"]])
    message = f"{rejected['series']}: {rejected['message']}"
    return BadRow(line, content.raw[line], rejected["rule"], message)
