"""A run as its page shows it: beside the one before it, with what people changed of it and how good it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from django.utils.safestring import SafeString

from portal.forecasts.dashboard import run_chart
from portal.forecasts.ledger.queries import Summary, changes, comparable_runs, newest_of_issue, run_before, summarise
from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.overrides.queries import Worth, worth_of
from portal.forecasts.queries import quantile_name, runs, values_by_time

SCORES_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Row:
    """The values of one valid time, and the median of the run that it is compared with."""

    valid_time: Any
    local_time: str
    values: list[float]
    earlier: float | None
    change: float | None


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """What there is to see of one run."""

    chart: SafeString
    quantile_names: list[str]
    rows: list[Row]
    before: ForecastRun | None
    comparable: list[ForecastRun]
    """What it can be shown beside instead."""
    revision: Summary | None
    adjustments: list[ForecastRun]
    newest: ForecastRun | None
    """What counts of the issue time, where it is another run."""
    scores: list[ForecastScore]
    worth: Worth | None


def page_of(run: ForecastRun, *, against: ForecastRun | None = None) -> RunPage:
    """All that the page of `run` shows, beside `against`; by default beside what it revises."""
    before = against or run_before(run)
    table = changes(run, against=before) if before is not None else None
    revision = summarise(table) if table is not None else None
    newest = newest_of_issue(run)
    names = [quantile_name(quantile) for quantile in run.quantiles]
    was = _at_level(table, revision.quantile) if table is not None and revision is not None else {}
    return RunPage(
        chart=run_chart(run, with_outcome=True, before=before),
        quantile_names=names,
        rows=[
            Row(
                valid_time=row["valid_time"],
                local_time=row["local_time"],
                values=[row[name] for name in names],
                earlier=was.get(row["valid_time"], (None, None))[0],
                change=was.get(row["valid_time"], (None, None))[1],
            )
            for row in values_by_time(run)
        ],
        before=before if revision is not None else None,
        comparable=comparable_runs(run),
        revision=revision,
        adjustments=list(runs().filter(adjusts=run.pk)),
        newest=newest if newest.pk != run.pk else None,
        scores=list(ForecastScore.objects.filter(forecast_run=run).order_by("-as_of", "-pk")[:SCORES_SHOWN]),
        worth=worth_of(run) if run.adjusts_id is not None else None,
    )


def _at_level(table: pa.Table, level: float) -> dict[Any, tuple[float, float]]:
    at_level = table.filter(pa.array(table.column("quantile").to_numpy() == level))
    times, earlier, change = (at_level.column(name).to_pylist() for name in ("valid_time", "earlier", "change"))
    return dict(zip(times, zip(earlier, change, strict=True), strict=True))
