"""Which records are due, by kind. What is due when it is counted is due when it is deleted: both ask here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, Func, JSONField, Model, OuterRef, QuerySet, Subquery, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from portal.alerts.models import Alert, OutboxMessage
from portal.forecasts.models import AccuracySignal, DeadlineRecord, ForecastRun, ForecastScore, ForecastValue
from portal.pipeline.models import DagRunRequest
from portal.quality.models import CheckReport, CheckResult, CheckRun
from portal.registry.models import ModelVersion
from portal.retention.kinds import Kind
from portal.series.models import IngestRun, QuarantinedRow, WeatherForecast

Rows = QuerySet[Any]


@dataclass(frozen=True, kw_only=True)
class Records:
    """One kind of record.

    `due(cutoff)` are the rows to be deleted; `time` is the field that the cut-off is compared with; `parts` are the
    tables whose rows go with them, each with the column that names the record; `batch` rows go in one transaction;
    `files` names the field with the bytes of what lies on disk; `after` the relation whose rows go first.
    """

    model: type[Model]
    time: str
    due: Callable[[datetime], Rows]
    batch: int
    parts: tuple[tuple[type[Model], str], ...] = ()
    files: str = ""
    after: str = ""

    def deletable(self, cutoff: datetime) -> Rows:
        """Those of the due rows that nothing else has to go before."""
        due = self.due(cutoff)
        return due.filter(**{f"{self.after}__isnull": True}) if self.after else due


def _mails(cutoff: datetime) -> Rows:
    open_alerts = Alert.objects.exclude(state=Alert.State.RESOLVED).filter(messages=OuterRef("pk"))
    due = OutboxMessage.objects.filter(sent_at__lt=cutoff).exclude(Exists(open_alerts))
    return _unreferenced(due, but=(OutboxMessage.alerts.through,))


def _dag_run_requests(cutoff: datetime) -> Rows:
    return _unreferenced(DagRunRequest.objects.filter(sent_at__lt=cutoff))


def _quarantine(cutoff: datetime) -> Rows:
    settled = QuarantinedRow.objects.exclude(status=QuarantinedRow.Status.OPEN).filter(resolved_at__lt=cutoff)
    return _unreferenced(settled)


def _ingest_runs(cutoff: datetime) -> Rows:
    over = IngestRun.objects.exclude(state=IngestRun.State.RUNNING).filter(updated_at__lt=cutoff)
    return _unreferenced(_but_the_newest(over, of="source", by=("-started_at", "-pk")))


def stale_ingests(cutoff: datetime) -> QuerySet[IngestRun]:
    """Ingest runs that say *running* and have not been heard of since."""
    return IngestRun.objects.filter(state=IngestRun.State.RUNNING, updated_at__lt=cutoff)


def _check_runs(cutoff: datetime) -> Rows:
    due = _but_the_newest(CheckRun.objects.filter(as_of__lt=cutoff), of="series", by=("-as_of", "-pk"))
    # Compared as texts: evidence is what a training sent, and need not be a number.
    named = ModelVersion.objects.annotate(run=KT("evidence__check_run__id")).filter(run__isnull=False).values("run")
    all_named = Func(
        "evidence",
        template="jsonb_path_query(%(expressions)s, '$.check_runs[*].id')",
        output_field=JSONField(),
    )
    told = ModelVersion.objects.annotate(run=Cast(all_named, TextField())).values("run")
    due = due.alias(name=Cast("pk", TextField())).exclude(name__in=named).exclude(name__in=told)
    return _unreferenced(due, but=(CheckResult, CheckReport))


def _superseded_scores(cutoff: datetime) -> Rows:
    later = ForecastScore.objects.filter(forecast_run=OuterRef("forecast_run"), as_of__gt=OuterRef("as_of"))
    return _unreferenced(ForecastScore.objects.filter(Exists(later), as_of__lt=cutoff))


def _accuracy_signals(cutoff: datetime) -> Rows:
    due = AccuracySignal.objects.filter(as_of__lt=cutoff)
    return _unreferenced(_but_the_newest(due, of="series", by=("-as_of", "-pk")))


def _forecast_runs(cutoff: datetime) -> Rows:
    """Due runs; an adjusted one only once its adjustments may go too."""
    due = _unreferenced(
        _but_the_newest(ForecastRun.objects.filter(issue_time__lt=cutoff), of="series", by=("-issue_time", "-pk")),
        but=(ForecastRun, *(part for part, _ in _OF_A_FORECAST)),
    )
    adjusts = dict(ForecastRun.objects.filter(adjusts__isnull=False).values_list("pk", "adjusts"))
    going = set(due.filter(adjusts__isnull=False).values_list("pk", flat=True))
    kept: set[int] = set()
    for run in adjusts.keys() - going:
        above: int | None = run
        while (above := adjusts.get(above) if above is not None else None) is not None:
            kept.add(above)
    return due.exclude(pk__in=kept)


def _weather_forecasts(cutoff: datetime) -> Rows:
    # In the order of the unique index, so that a batch needs no sort and lies together.
    return WeatherForecast.objects.filter(issue_time__lt=cutoff).order_by("series", "valid_time", "issue_time")


def _but_the_newest(rows: Rows, *, of: str, by: tuple[str, ...]) -> Rows:
    # Looked up once for each of those that have rows, of which there are few: for each row, it was most of a dry run.
    newest = rows.model._default_manager.filter(**{of: OuterRef("pk")}).order_by(*by).values("pk")[:1]
    owners = rows.model._meta.get_field(of).related_model._default_manager.annotate(newest=Subquery(newest))
    return rows.exclude(pk__in=owners.filter(newest__isnull=False).values("newest"))


def _unreferenced(rows: Rows, *, but: tuple[type[Model], ...] = ()) -> Rows:
    """Those that no other record refers to; `but` are the tables whose rows go with them."""
    for relation in rows.model._meta.get_fields(include_hidden=True):
        if (
            relation.auto_created
            and (relation.one_to_many or relation.one_to_one)
            and relation.related_model not in but
        ):
            referring = relation.related_model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
            rows = rows.exclude(Exists(referring))
    return rows


_OF_A_FORECAST = ((ForecastValue, "run_id"), (ForecastScore, "forecast_run_id"), (DeadlineRecord, "run_id"))

RECORDS: Mapping[Kind, Records] = {
    Kind.MAILS: Records(
        model=OutboxMessage,
        time="sent_at",
        due=_mails,
        batch=1000,
        parts=((OutboxMessage.alerts.through, "outboxmessage_id"),),
    ),
    Kind.DAG_RUN_REQUESTS: Records(model=DagRunRequest, time="sent_at", due=_dag_run_requests, batch=1000),
    Kind.QUARANTINE: Records(model=QuarantinedRow, time="resolved_at", due=_quarantine, batch=5000),
    Kind.INGEST_RUNS: Records(model=IngestRun, time="updated_at", due=_ingest_runs, batch=1000),
    Kind.CHECK_RUNS: Records(
        model=CheckRun,
        time="as_of",
        due=_check_runs,
        batch=200,
        parts=((CheckResult, "run_id"), (CheckReport, "run_id")),
        files="reports__size",
    ),
    Kind.SUPERSEDED_SCORES: Records(model=ForecastScore, time="as_of", due=_superseded_scores, batch=1000),
    Kind.ACCURACY_SIGNALS: Records(model=AccuracySignal, time="as_of", due=_accuracy_signals, batch=1000),
    # A run of 48 hours at half-hours and three quantiles has 288 values.
    Kind.FORECAST_RUNS: Records(
        model=ForecastRun,
        time="issue_time",
        due=_forecast_runs,
        batch=200,
        parts=_OF_A_FORECAST,
        after="adjustments",
    ),
    Kind.WEATHER_FORECASTS: Records(model=WeatherForecast, time="issue_time", due=_weather_forecasts, batch=20_000),
}
"""What is deleted here. `STALE_INGESTS` are marked, and the kinds of the pipeline lie elsewhere."""
