"""What is written to the ledger: forecasts, whole or not at all. Each function is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from django.contrib.auth.models import User
from django.db import connection, transaction

from portal.core.columns import iso, to_datetime
from portal.core.copy import copy_in
from portal.core.locks import queue_at_each
from portal.core.permissions import require
from portal.core.problems import Conflict
from portal.forecasts.deadlines.alarms import resolve_published
from portal.forecasts.deadlines.clock import GateClosure
from portal.forecasts.deadlines.queries import gate_closures
from portal.forecasts.incoming import IncomingRun, read_runs
from portal.forecasts.models import ForecastRun
from portal.series.models import Series

LEDGER_LOCK = 0x6C6467
"""First key of the advisory locks; the second is the series."""
_VALUE_TYPES = {"run_id": "int8", "valid_time": "timestamptz", "quantile": "float8", "value": "float8"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of one run, and how long before the first deadline after its issue time (late: negative)."""

    id: int
    series: str
    issue_time: str
    status: str
    deadline: str | None
    minutes_before: int | None


def publish_forecasts(
    table: pa.Table, *, by: User, at: datetime, airflow: Mapping[str, str] = MappingProxyType({})
) -> list[Published]:
    """Publish the runs in `table` (one row per value, the columns of `incoming.COLUMNS`), all of them or none.

    A run that is in the ledger with the same values is unchanged, whatever its rung: after an approval, the model that
    published as the champion then is the previous one. Writers of one series queue. `airflow` is the run of the DAG
    that publishes. An alert about a deadline that a new run meets after all is resolved. Raises Problem with
    the rows at fault, Conflict where the ledger holds another content for the facts of a run, NotPermitted.
    """
    require(by, "forecasts.add_forecastrun", doing="publish forecasts")
    runs = read_runs(table, airflow=airflow)
    series = {run.series.pk: run.series for run in runs}
    gates = gate_closures(series.values())
    with transaction.atomic():
        lock_ledger(series.values())
        stored = _find(runs)
        new = store_runs([run for run, there in zip(runs, stored, strict=True) if there is None])
        created = iter(new)
        published = [
            _describe(run, there or next(created), is_new=there is None, gate=gates.get(run.series.pk), at=at)
            for run, there in zip(runs, stored, strict=True)
        ]
        resolve_published(new, at=at)
    return published


def _describe(
    run: IncomingRun, stored: ForecastRun, *, is_new: bool, gate: GateClosure | None, at: datetime
) -> Published:
    deadline = gate.next(stored.issue_time).deadline if gate else None
    published_at = at if is_new else stored.published_at
    return Published(
        id=stored.pk,
        series=run.series.slug,
        issue_time=iso(run.issue_us),
        status="created" if is_new else "unchanged",
        deadline=f"{deadline:%Y-%m-%dT%H:%M:%SZ}" if deadline else None,
        minutes_before=(deadline - published_at) // timedelta(minutes=1) if deadline else None,
    )


def lock_ledger(series: Iterable[Series]) -> None:
    """Let the writers of these series queue, until the transaction ends."""
    queue_at_each(LEDGER_LOCK, (each.pk for each in series))


def _find(runs: Sequence[IncomingRun]) -> list[ForecastRun | None]:
    """What the ledger holds for the facts of each run, in one look. Raises Conflict where the values are others."""
    there = {
        (run.series_id, run.issue_time, run.model_id, run.data_cutoff): run
        for run in ForecastRun.objects.filter(
            series__in={run.series.pk for run in runs},
            issue_time__in={to_datetime(run.issue_us) for run in runs},
            adjusts=None,
        )
    }
    return [_unless_different(run, there.get(_facts(run))) for run in runs]


def _facts(run: IncomingRun) -> tuple[int, datetime, int | None, datetime]:
    model = run.model.pk if run.model is not None else None
    return run.series.pk, to_datetime(run.issue_us), model, to_datetime(run.cutoff_us)


def _unless_different(run: IncomingRun, there: ForecastRun | None) -> ForecastRun | None:
    if there is not None and there.values_sha256 != replace(run, rung=there.rung).sha256():
        message = f"The ledger holds another forecast of {run.series} issued {iso(run.issue_us)} with these facts."
        raise Conflict(
            message,
            errors=[{"field": "value", "value": there.pk, "rule": "published_differently", "message": message}],
        )
    return there


def store_runs(runs: Sequence[IncomingRun], **facts: Any) -> list[ForecastRun]:
    """Add runs with all their values to the ledger, each with the further `facts`.

    To be called in a transaction that holds `lock_ledger`.
    """
    if not runs:
        return []
    stored = ForecastRun.objects.bulk_create(
        ForecastRun(
            series=run.series,
            issue_time=to_datetime(run.issue_us),
            model=run.model,
            data_cutoff=to_datetime(run.cutoff_us),
            rung=run.rung,
            reason=run.reason,
            publisher=run.publisher,
            airflow=dict(run.airflow),
            quantiles=run.quantiles.tolist(),
            valid_from=to_datetime(int(run.valid_us[0])),
            valid_until=to_datetime(int(run.valid_us[-1])) + run.series.resolution,
            value_count=run.values.size,
            values_sha256=run.sha256(),
            **facts,
        )
        for run in runs
    )
    pks = [run.pk for run in stored]
    copy_in(
        "forecasts_forecastvalue",
        {
            "run_id": np.repeat(pks, [run.values.size for run in runs]),
            "valid_time": np.concatenate([np.repeat(run.valid_us, run.quantiles.size) for run in runs]),
            "quantile": np.concatenate([np.tile(run.quantiles, run.valid_us.size) for run in runs]),
            "value": np.concatenate([run.values.ravel() for run in runs]),
        },
        types=_VALUE_TYPES,
    )
    # Now rather than at the commit, where nobody is left to say which request it was.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS forecasts_run_is_whole IMMEDIATE")
        cursor.execute("SET CONSTRAINTS forecasts_run_is_whole DEFERRED")
    return stored
