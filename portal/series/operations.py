"""What is written about series: observations and quarantined rows. Each function is one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from django.contrib.auth.models import User
from django.db import connection, transaction

from portal.core.copy import copy_in
from portal.core.negotiation import dumps
from portal.core.permissions import require
from portal.core.problems import Conflict
from portal.series.incoming import Incoming
from portal.series.models import Covariate, Observation, QuarantinedRow, Series, Source

OBSERVATION_LOCK = 0x6F6273
"""First key of the advisory locks; the second is the series."""
_TYPES = {"row": "int4", "series_id": "int8", "valid_time": "timestamptz", "known_at": "timestamptz", "value": "float8"}

_MERGE = """
WITH judged AS MATERIALIZED (
    SELECT i.*, greatest(i.known_at, %(recorded_at)s) AS corrected_at,
        CASE WHEN newest.known_at IS NULL THEN 'inserted'
             WHEN newest.value IS NOT DISTINCT FROM i.value THEN 'unchanged'
             WHEN newest.known_at = greatest(i.known_at, %(recorded_at)s) THEN 'refused'
             ELSE 'corrected' END AS verdict
    FROM incoming i LEFT JOIN LATERAL (
        SELECT o.known_at, o.value FROM series_observation o
        WHERE o.series_id = i.series_id AND o.valid_time = i.valid_time
            AND o.known_at <= greatest(i.known_at, %(recorded_at)s)
        ORDER BY o.known_at DESC LIMIT 1
    ) newest ON true
), stored AS (
    INSERT INTO series_observation (series_id, valid_time, known_at, value)
    SELECT series_id, valid_time, CASE verdict WHEN 'corrected' THEN corrected_at ELSE known_at END, value
    FROM judged WHERE verdict IN ('inserted', 'corrected')
    ORDER BY series_id, valid_time
)
SELECT verdict, count(*), array_agg(row) FILTER (WHERE verdict = 'refused') FROM judged GROUP BY verdict
"""
# No ON CONFLICT: under the locks there is no conflict, so one would be a bug, and must not pass as an unchanged row.


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What became of a body: every row received is in exactly one of the four."""

    received: int
    inserted: int
    corrected: int
    unchanged: int
    rejected: list[dict[str, Any]]


def record_observations(table: pa.Table, *, recorded_at: datetime, by: User) -> Recorded:
    """Store what is new or corrected in `table` (columns series, valid_time, value, known_at) and refuse bad rows.

    A row is compared with the newest stored one that was known at `recorded_at`: none → stored with its own known_at;
    the same value → unchanged; another → a correction, known at `recorded_at` (or its own known_at, if that is later).
    Comparing as of `recorded_at` makes replays of any past request change nothing. Writers of one series queue.

    Raises Problem where the columns are wrong, NotPermitted.
    """
    require(by, "series.add_observation", doing="record observations")
    incoming = Incoming.of(table)
    accepted = incoming.accepted()
    counts = {"inserted": 0, "corrected": 0, "unchanged": 0, "refused": 0}
    if accepted.size:
        counts |= _merge(incoming, accepted, recorded_at)
    return Recorded(
        received=table.num_rows,
        inserted=counts["inserted"],
        corrected=counts["corrected"],
        # A repeated row says what its first one says.
        unchanged=counts["unchanged"] + int(np.count_nonzero(incoming.repeated)),
        rejected=incoming.rejected(),
    )


def _merge(incoming: Incoming, accepted: Any, recorded_at: datetime) -> dict[str, int]:
    series_ids = incoming.series_ids[accepted]
    with transaction.atomic(), connection.cursor() as cursor:
        # In one order for everybody, so that two bodies of the same series cannot wait for each other.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, id::int) FROM unnest(%s::bigint[]) AS id",
            (OBSERVATION_LOCK, np.unique(series_ids).tolist()),
        )
        cursor.execute(
            "CREATE TEMPORARY TABLE incoming (row int4, series_id int8, valid_time timestamptz,"
            " known_at timestamptz, value float8) ON COMMIT DROP"
        )
        copy_in(
            "incoming",
            {
                "row": accepted,
                "series_id": series_ids,
                "valid_time": incoming.valid_us[accepted],
                "known_at": incoming.known_us[accepted],
                "value": incoming.values[accepted],
            },
            types=_TYPES,
        )
        cursor.execute(_MERGE, {"recorded_at": recorded_at})
        answer = cursor.fetchall()
        # Within a larger transaction the next body needs the name.
        cursor.execute("DROP TABLE incoming")
    refused = np.zeros(incoming.faults.rows, dtype=bool)
    for _, _, rows in answer:
        refused[rows or []] = True
    incoming.faults.mark(
        refused,
        field="value",
        rule="vintage_conflict",
        message=f"Another value is known at {recorded_at:%Y-%m-%dT%H:%M:%SZ} already; a correction needs a later time.",
    )
    return {verdict: count for verdict, count, _ in answer}


def create_series(*, facts: Mapping[str, Any], by: User) -> Series:
    """Make a series of validated facts; `covariates` holds ``{name, series, weight}`` each. Raises NotPermitted."""
    require(by, "series.add_series", doing="make series")
    plain = {name: value for name, value in facts.items() if name != "covariates"}
    with transaction.atomic():
        series = Series(**plain)
        series._history_user = by  # type: ignore[attr-defined]  # where simple_history looks for it
        series.save()
        _set_covariates(series, facts.get("covariates", ()))
    return series


def change_series(series: Series, *, changes: Mapping[str, Any], by: User) -> Series:
    """Change validated facts of a series; `covariates`, where given, replace those so far. Raises NotPermitted.

    Raises Conflict where stored observations stand on another grid, or are of another quantity.
    """
    require(by, "series.change_series", doing="change series")
    with transaction.atomic():
        locked = Series.objects.select_for_update(no_key=True).get(pk=series.pk)
        fixed = [
            name for name in ("quantity", "resolution") if name in changes and changes[name] != getattr(locked, name)
        ]
        if fixed and Observation.objects.filter(series=locked).exists():
            raise Conflict(f"{locked} has observations of its {fixed[0]}; another one needs a series of its own.")
        for name, value in changes.items():
            if name != "covariates":
                setattr(locked, name, value)
        locked._history_user = by  # type: ignore[attr-defined]
        locked.save()
        if "covariates" in changes:
            _set_covariates(locked, changes["covariates"])
    return locked


def _set_covariates(series: Series, covariates: Iterable[Mapping[str, Any]]) -> None:
    series.covariates.all().delete()
    Covariate.objects.bulk_create(Covariate(of=series, **covariate) for covariate in covariates)


def quarantine_rows(source: Source, *, file: str, rows: Sequence[dict[str, Any]], by: User) -> tuple[int, int]:
    """Keep bad rows of a source as they came, ``{row, raw, rule, message}`` each; none is kept twice.

    Returns how many are new and how many were kept already. Raises NotPermitted.
    """
    require(by, "series.add_quarantinedrow", doing="quarantine rows")
    kept = {}
    for row in rows:
        raw = dumps(row["raw"]).decode()
        fingerprint = hashlib.sha256(dumps([file, row["row"], row["rule"], raw])).hexdigest()
        kept[fingerprint] = QuarantinedRow(
            source=source,
            file=file,
            row=row["row"],
            rule=row["rule"],
            raw=raw,
            message=row["message"],
            fingerprint=fingerprint,
        )
    with transaction.atomic():
        Source.objects.select_for_update(no_key=True).get(pk=source.pk)
        before = QuarantinedRow.objects.filter(source=source, fingerprint__in=kept).count()
        QuarantinedRow.objects.bulk_create(kept.values(), ignore_conflicts=True, batch_size=1000)
    return len(kept) - before, len(rows) - (len(kept) - before)
