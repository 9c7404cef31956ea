"""Reads on model versions and on the audits of the decisions about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.safestring import SafeString

from portal.quality.models import CheckRun
from portal.registry import evidence as read
from portal.registry.challenge import by_rule
from portal.registry.charts import HOURS, Line, lead_time_chart, line_chart
from portal.registry.models import ApprovalRule, AuditOutcome, Decision, ModelVersion


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Whom the figures of a model stand beside: on the same forecasts, or with those of its own backtest."""

    version: int | None
    metrics: Mapping[str, Any]
    same_origins: bool
    is_champion: bool

    @property
    def name(self) -> str:
        return "the champion" if self.version is None else f"version {self.version}"

    @property
    def title(self) -> str:
        """Of the column of its figures."""
        name = "Champion" if self.is_champion else "Champion then"
        name = name if self.version is None else f"{name}, version {self.version}"
        return f"{name}, same forecasts" if self.same_origins else name


@dataclass(frozen=True, kw_only=True)
class Case:
    """What an approver looks at: a model's figures beside those of the baseline and of a champion, and their ground."""

    model: ModelVersion
    champion: ModelVersion | None
    rival: Rival | None
    figures: list[read.Figure]
    compared: int | None
    significance: list[read.Significance]
    tables: list[read.Table]
    hours: read.Table
    lead_time_chart: SafeString
    hour_chart: SafeString
    calibration_chart: SafeString
    study: read.Study
    study_chart: SafeString
    check_run: CheckRun | None
    rule: ApprovalRule | None
    left_to_people: str

    @property
    def libraries(self) -> list[tuple[str, str]]:
        versions = self.model.library_versions
        return sorted((str(name), str(each)) for name, each in versions.items()) if isinstance(versions, dict) else []

    @property
    def outdated(self) -> bool:
        """Whether the model was compared on the same forecasts with another than the present champion."""
        return (
            self.model.status == ModelVersion.Status.CANDIDATE
            and self.champion is not None
            and read.compared_with(self.model.evidence).pk != self.champion.pk
        )


def champion_of(series_id: int) -> ModelVersion | None:
    """The model that publishes the series now."""
    return ModelVersion.objects.filter(series=series_id, status=ModelVersion.Status.CHAMPION).first()


def retired_last_first(series_id: int) -> QuerySet[ModelVersion]:
    """The earlier champions of a series, the one that retired last first; `withdrawn` ones were rolled back from."""
    newest = Decision.objects.filter(model=OuterRef("pk")).order_by("-number")
    return (
        ModelVersion.objects.filter(series=series_id, status=ModelVersion.Status.RETIRED)
        .select_related("series", "trained_by")
        .annotate(
            retired_by_decision=Subquery(newest.values("number")[:1]),
            retired_how=Subquery(newest.values("decision")[:1]),
        )
        .annotate(withdrawn=Q(retired_how=Decision.Kind.WITHDRAW))
        .order_by("withdrawn", "-retired_by_decision")
    )


def last_sound_audit() -> AuditOutcome | None:
    """The one that reached furthest in the chain: what it found must still be there."""
    return AuditOutcome.objects.filter(sound=True).order_by("-head_number", "-pk").first()


def case_for(model: ModelVersion) -> Case:
    """The evidence about `model`, ready to be shown. A champion is beside whom it was compared with, if anybody."""
    champion = champion_of(model.series_id)
    if champion is not None and champion.pk == model.pk:
        champion = None
    unit, told = model.series.unit, model.evidence
    rival = _rival(told, champion)
    tests = (
        (read.significance(told, against="champion", called=rival.name, unit=unit) if rival else None),
        read.significance(told, against="baseline", called="the seasonal naive", unit=unit),
    )
    study = read.study(told)
    rule = ApprovalRule.objects.select_related("set_by").filter(series=model.series_id, enabled=True).first()
    ruling = by_rule(rule, model, champion) if rule and model.status == ModelVersion.Status.CANDIDATE else None
    return Case(
        model=model,
        champion=champion,
        rival=rival,
        figures=read.figures(told, champion=rival.metrics if rival else None, unit=unit),
        compared=read.size(told),
        significance=[test for test in tests if test],
        tables=[found for segment in read.SEGMENTS[:3] if (found := read.table(told, segment)).rows],
        hours=read.table(told, read.HOUR),
        lead_time_chart=lead_time_chart(
            _lead_time_lines(model, champion, rival), title=f"Mean absolute error by lead time, {model}", unit=unit
        ),
        hour_chart=line_chart(
            _lines(model, rival, read.HOUR),
            title=f"Mean absolute error by hour of the day, {model}",
            x_label="Hour of the local day",
            x_steps=HOURS,
            y_label=f"MAE, {unit}",
        ),
        calibration_chart=_calibration_chart(model),
        study=study,
        study_chart=line_chart(
            [Line("trial", study.values, joined=False), Line("best so far", study.best_so_far)],
            title=f"Loss over the trials, {model}",
            x_label="Trial",
            y_label="Loss",
            from_zero=False,
        ),
        check_run=_check_run(model),
        rule=rule,
        left_to_people=ruling.text if ruling and not ruling.won else "",
    )


def _check_run(model: ModelVersion) -> CheckRun | None:
    pk = read.check_run_id(model.evidence)
    return (
        None if pk is None else CheckRun.objects.select_related("series").filter(pk=pk, series=model.series_id).first()
    )


def _rival(told: object, champion: ModelVersion | None) -> Rival | None:
    metrics = read.part(told, "champion")
    if metrics:
        other = read.compared_with(told)
        still = champion is not None and other.pk == champion.pk
        return Rival(version=other.version, metrics=metrics, same_origins=True, is_champion=still)
    if champion is None:
        return None
    own = read.part(champion.evidence, "metrics")
    return Rival(version=champion.version, metrics=own, same_origins=False, is_champion=True)


def _lines(model: ModelVersion, rival: Rival | None, segment: Any) -> list[Line]:
    """The model, whom it was compared with and the baseline, on the same forecasts."""
    told = model.evidence
    return [
        Line(f"this model, version {model.version}", read.error_points(told, segment, of="model")),
        Line(
            rival.name if rival and rival.same_origins else "the champion",
            read.error_points(told, segment, of="champion"),
        ),
        Line("seasonal naive", read.error_points(told, segment, of="baseline")),
    ]


def _lead_time_lines(model: ModelVersion, champion: ModelVersion | None, rival: Rival | None) -> list[Line]:
    """As `_lines`; what the evidence has not on the same forecasts is taken from elsewhere."""
    own, other, naive = _lines(model, rival, read.LEAD_TIME)
    if not other.points and champion is not None:
        other = Line(f"champion, version {champion.version}", read.errors_by_lead_time(champion.evidence))
    error, reach = read.baseline_error(model.evidence), max((hours for hours, _ in own.points), default=0.0)
    if not naive.points and error is not None and reach:
        naive = Line("seasonal naive, mean", [(0.0, error), (reach, error)])
    return [own, other, naive]


def _calibration_chart(model: ModelVersion) -> SafeString:
    points = read.calibration_points(model.evidence)
    ideal = [(0.0, 0.0), (100.0, 100.0)] if points else []
    return line_chart(
        [Line(f"this model, version {model.version}", points), Line("as it should be", ideal)],
        title=f"How often the load lay below each quantile, {model}",
        x_label="Quantile, %",
        y_label="Loads below it, %",
    )
