"""One reading of a source: its parts stored in the portal, counted, and remembered there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Self

import pandas as pd

from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.sources.connector import NO_ROW, Access, BadRow, Note, Part, Request
from include.times import resolution_of

_log = logging.getLogger(__name__)
COUNTS = ("received", "inserted", "corrected", "unchanged", "quarantined")
LONGEST_ERROR = 10_000
MOST_NOTES = 200
"""Different ones; what comes beyond is counted by its rule, so that years of a thousand columns can be told too."""
OTHERS = "As above, of others; the log of the task has each."
AHEAD = "load_forecast"
"""The quantity of series whose values are known before their time comes."""


@dataclass
class Reading:
    """A source as it is read by one run.

    `named` are the series that its options name. `counts` holds what became of its rows, also in earlier tries.
    """

    portal: Portal
    source: dict[str, Any]
    as_of: datetime
    read_at: datetime
    start: datetime | None
    end: datetime | None
    settings: Settings
    ingest_id: int
    position: Any
    counts: dict[str, int]
    notes: list[dict[str, Any]]
    series: set[str] = field(default_factory=set)
    named: dict[str, dict[str, Any]] = field(default_factory=dict)
    _is_whole: bool = True

    @classmethod
    def begin(
        cls, run: Run, source: dict[str, Any], *, as_of: datetime, start: datetime | None, end: datetime | None
    ) -> Self:
        """Begin, or go on where an earlier try of the same run stopped."""
        record = run.portal.begin_ingest(
            {
                "source": source["slug"],
                "airflow": run.airflow,
                "as_of": as_of.isoformat(),
                "period_start": start.isoformat() if start else None,
                "period_end": end.isoformat() if end else None,
            }
        )
        goes_on = record["position"] is not None
        if goes_on:
            _log.info("%s: goes on behind %s", source["slug"], record["position"])
        return cls(
            portal=run.portal,
            source=source,
            as_of=as_of,
            read_at=max(run.started_at, as_of),
            start=start,
            end=end,
            settings=run.settings,
            ingest_id=record["id"],
            position=record["position"],
            counts={name: record[name] for name in COUNTS},
            notes=list(record["notes"]),
            # What an earlier try stored is news that it did not live to tell.
            series={each["series"] for each in source["options"]["columns"]} if goes_on else set(),
            _is_whole=not goes_on,
        )

    def request(self, access: Access) -> Request:
        """What the connector is asked for.

        Raises:
            NotFound: there is no series any more that the options name.
        """
        columns = self.source["options"]["columns"]
        # Those that a zone is summed up from are read, and not fed; their resolution counts as well.
        named = {each["series"] for column in columns for each in (column, *column.get("feeders", ()))}
        self.named = {slug: self.portal.series(slug) for slug in sorted(named)}
        return Request(
            source=self.source,
            as_of=self.as_of,
            read_at=self.read_at,
            settings=self.settings,
            resolutions=self._resolutions,
            start=self.start,
            end=self.end,
            access=access,
            position=self.position,
            observed=self._observed,
            ahead=self._ahead,
        )

    def store(self, part: Part) -> None:
        """Store a part whole: its good rows, then its bad ones, then how far the reading is."""
        rows = self._known(part.rows)
        self._is_whole &= len(rows) == len(part.rows)
        bad = list(part.bad)
        if len(rows):
            bad += self._record(part, rows)
        if bad:
            new = self.portal.quarantine(
                self.source["slug"], file=part.file, rows=[row.as_dict() for row in bad], ingest_run=self.ingest_id
            )
            _log.warning(
                "%s: %d rows of %s in quarantine, %d of them new; first: row %d, %s",
                *(self.source["slug"], len(bad), part.file, new, bad[0].row, bad[0].message),
            )
        self.counts["received"] += len(rows)
        self.counts["quarantined"] += len(bad)
        self._note(part)
        if part.is_last_of_file and self._is_whole:
            self._settle(part.file)
        if part.is_last_of_file:
            self._is_whole = True
        self.position = part.position
        self._advance(position=part.position)
        done = "" if part.done is None else f", {part.done:.0%} of the source"
        until = f", up to {rows['valid_time'].max():%Y-%m-%dT%H:%MZ}" if len(rows) else ""
        _log.info("%s: %s%s%s: %s", self.source["slug"], part.file, until, done, self.counts)

    def finish(self) -> None:
        """Every part is stored."""
        self._advance(state="done")

    def fail(self, error: str, *, goes_on: bool) -> None:
        """The source cannot be read; what was stored of it stays, and the portal's alert rules know.

        `goes_on`: whoever tries again goes on here; else, since the source has to be repaired, from its beginning.
        """
        position = self.position if goes_on else None
        self._advance(state="failed", error=error[:LONGEST_ERROR], position=position)

    def _advance(self, **facts: Any) -> None:
        self.portal.advance_ingest(self.ingest_id, **self.counts, notes=self.notes, **facts)

    def _record(self, part: Part, rows: pd.DataFrame) -> list[BadRow]:
        if "issue_time" in rows:
            answer = self.portal.record_weather_forecasts(rows)
        else:
            answer = self.portal.record_observations(rows, recorded_at=self.as_of)
            self.series |= set(rows["series"].unique())
        for name in ("inserted", "corrected", "unchanged"):
            self.counts[name] += answer.get(name, 0)
        return [_refused(part, rows, rejected) for rejected in answer["rejected"]]

    def _known(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with their known_at, as far as that is not after `as_of`."""
        now = pd.Timestamp(self.as_of).as_unit("ns")
        delay = None if self.source["availability_delay"] is None else pd.Timedelta(self.source["availability_delay"])
        if "issue_time" in rows:
            # What is issued after as_of is known from then on: nothing that looks at as_of sees it.
            issued = rows["issue_time"]
            known = issued.where(issued > now, now) if delay is None else issued + delay
            return rows.assign(known_at=known)[known <= max(now, pd.Timestamp(self.read_at))]
        # Also a live source may hold what came after as_of: it is read somewhat later, or much later in a backfill.
        knowable = rows["valid_time"] + rows["series"].map(self._resolutions) + (delay or pd.Timedelta(0))
        # What somebody else forecasts is known before its time comes: when it is read, or else when that time begins.
        ahead = rows["series"].isin(self._ahead)
        knowable = knowable.where(~ahead, now if delay is None else rows["valid_time"])
        return rows.assign(known_at=now if delay is None else knowable)[knowable <= now]

    @property
    def _resolutions(self) -> dict[str, pd.Timedelta]:
        return {slug: resolution_of(series) for slug, series in self.named.items()}

    @property
    def _ahead(self) -> frozenset[str]:
        return frozenset(slug for slug, series in self.named.items() if series["quantity"] == AHEAD)

    def _observed(self, slug: str, start: datetime | None, end: datetime | None) -> pd.Series:
        return self.portal.observations(slug, start=start, end=end, as_of=self.as_of)["value"]

    def _note(self, part: Part) -> None:
        for note in part.notes:
            _log.info("%s: %s: %s (%d rows)", self.source["slug"], note.rule, note.message, note.count)
            kept = note if len(self.notes) < MOST_NOTES else replace(note, message=OTHERS)
            if not self._counted(note) and not self._counted(kept):
                self.notes.append(asdict(kept))

    def _counted(self, note: Note) -> bool:
        """Add to the same note; False where there is none."""
        same = next((n for n in self.notes if (n["rule"], n["message"]) == (note.rule, note.message)), None)
        if same is not None:
            same["count"] += note.count
        return same is not None

    def _settle(self, file: str) -> None:
        passed = self.portal.settle_quarantine(self.source["slug"], file=file, ingest_run=self.ingest_id)
        if passed:
            _log.info("%s: %d rows of %s that were in quarantine have passed", self.source["slug"], passed, file)


def _refused(part: Part, rows: pd.DataFrame, rejected: Mapping[str, Any]) -> BadRow:
    row = rows.iloc[rejected["row"]]
    number = int(row["row"])
    value = {name: rejected[name] for name in ("series", "valid_time", "value", "issue_time") if name in rejected}
    line = number if part.has_lines else NO_ROW
    return BadRow(line, part.raw(number), rejected["rule"], f"{value['series']}: {rejected['message']}", (value,))
