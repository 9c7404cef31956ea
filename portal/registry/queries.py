"""Reads on model versions."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString

from portal.registry.charts import Line, lead_time_chart
from portal.registry.evidence import Figure, baseline_error, errors_by_lead_time, figures, size
from portal.registry.models import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Case:
    """What an approver looks at: a model's figures beside those of the baseline and of the present champion."""

    model: ModelVersion
    champion: ModelVersion | None
    figures: list[Figure]
    compared: int | None
    chart: SafeString


def champion_of(series_id: int) -> ModelVersion | None:
    """The model that publishes the series now."""
    return ModelVersion.objects.filter(series=series_id, status=ModelVersion.Status.CHAMPION).first()


def case_for(model: ModelVersion) -> Case:
    """The evidence about `model`, ready to be shown. A champion is compared with the baseline only."""
    champion = champion_of(model.series_id)
    if champion is not None and champion.pk == model.pk:
        champion = None
    unit = model.series.unit
    lines = [Line(f"this model, version {model.version}", errors_by_lead_time(model.evidence))]
    if champion is not None:
        lines.append(Line(f"champion, version {champion.version}", errors_by_lead_time(champion.evidence)))
    baseline, reach = baseline_error(model.evidence), max((hours for hours, _ in lines[0].points), default=0.0)
    if baseline is not None and reach:
        lines.append(Line("seasonal naive, mean", [(0.0, baseline), (reach, baseline)]))
    return Case(
        model=model,
        champion=champion,
        figures=figures(model.evidence, champion=champion.evidence if champion else None, unit=unit),
        compared=size(model.evidence),
        chart=lead_time_chart(lines, title=f"Mean absolute error by lead time, {model}", unit=unit),
    )
