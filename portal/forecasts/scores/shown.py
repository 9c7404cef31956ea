"""What the pages of scores show: tables and charts of one score, and of a series over a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.safestring import SafeString

from portal.forecasts.models import AccuracySignal, ForecastScore
from portal.forecasts.scores.accuracy import LONGEST, accuracy
from portal.forecasts.scores.charts import Daily, daily_chart
from portal.forecasts.scores.queries import scored_until
from portal.forecasts.scores.rows import Row, is_figure, local_date, rows_of
from portal.registry.charts import Line, lead_time_chart
from portal.series.models import Series

WINDOWS = (14, 30, 90, 365)
COMPARED = (
    ("MAE", "mae"),
    ("RMSE", "rmse"),
    ("Bias (forecast minus load)", "bias"),
    ("MAPE, %", "mape"),
    ("Pinball loss", "pinball"),
    ("Coverage of the 80 % interval", "coverage_80"),
)


def said(value: Any) -> str:
    """A figure in four digits; a dash where there is none."""
    return f"{value:,.4g}" if is_figure(value) else "–"


def shown_score(score: ForecastScore) -> dict[str, Any]:
    """The context of the page of one score."""
    series = score.forecast_run.series
    theirs = score.external if score.external.get("n") else {}
    days = [row for row in rows_of(score.by_day, needed=("date",)) if local_date(row["date"])]
    blocks = rows_of(score.by_lead_time, needed=("lead_time_from", "lead_time_to"))
    title = f"Mean absolute error, {score.forecast_run}"
    return {
        "unit": series.unit,
        "figures": [
            (label, *map(said, (getattr(score, name), score.baseline.get(name), theirs.get(name))))
            for label, name in COMPARED
        ],
        "theirs": theirs,
        "theirs_skipped": score.external.get("skipped", ""),
        "days": days,
        "blocks": blocks,
        "lead_time_chart": _lead_time_chart(blocks, title=f"{title}, by lead time", unit=series.unit),
        "day_chart": _day_chart(
            [date.fromisoformat(row["date"]) for row in days], days, title=f"{title}, by day", unit=series.unit
        ),
    }


def shown_accuracy(series: Series, *, days: int, at: datetime) -> dict[str, Any]:
    """The context of the accuracy page of a series: the last `days` days up to the end of the run scored last."""
    end = scored_until(series) or at
    found = accuracy(series, start=end - timedelta(days=days), end=end)
    signal = AccuracySignal.objects.filter(series=series).first()
    return {
        "series": series,
        "accuracy": found,
        "signal": signal,
        "window": days,
        "windows": WINDOWS,
        "newest_first": found.periods[::-1],
        "day_chart": _day_chart(
            [row["period"] for row in found.periods],
            found.periods,
            title=f"Mean absolute error of {series} by day",
            unit=series.unit,
        ),
        "lead_time_chart": _lead_time_chart(
            found.lead_times, title=f"Mean absolute error of {series} by lead time", unit=series.unit
        ),
        "saved": found.total["saved"] if found.total is not None else None,
    }


def _day_chart(days: Sequence[date], rows: Sequence[Row], *, title: str, unit: str) -> SafeString:
    of_day = dict(zip(days, rows, strict=True))
    every = sorted(of_day)
    if every and (span := every[-1] - every[0]) <= LONGEST:
        # A day without a score leaves a gap rather than none at all.
        every = [every[0] + timedelta(days=number) for number in range(span.days + 1)]
    lines = [
        Daily(name, [of_day.get(day, {}).get(key) for day in every])
        for name, key in (("ours", "mae"), ("seasonal naive", "naive_mae"), ("somebody else's", "external_mae"))
    ]
    return daily_chart(every, lines, title=title, unit=f"MAE, {unit}")


def _lead_time_chart(rows: Sequence[Row], *, title: str, unit: str) -> SafeString:
    lines = [
        Line(
            name,
            [((row["lead_time_from"] + row["lead_time_to"]) / 2, row[key]) for row in rows if row.get(key) is not None],
        )
        for name, key in (("ours", "mae"), ("seasonal naive", "naive_mae"), ("somebody else's", "external_mae"))
    ]
    return lead_time_chart(lines, title=title, unit=unit)
