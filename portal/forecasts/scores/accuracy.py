"""The accuracy of a series over a period: means of what the newest score of each run says, weighted by intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.queries import worth_by_person
from portal.forecasts.scores.queries import newest_scores, scores
from portal.forecasts.scores.rows import Row, local_date, rows_of
from portal.series.models import Series

PERIODS = ("day", "week", "month")
LONGEST = timedelta(days=1100)
OURS = ("mae", "bias", "coverage_80", "naive_mae", "model_mae", "weather_mae")
THEIRS = ("external_mae", "mae_beside_external")
"""Means over the intervals of which somebody else's forecast was known."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Periods oldest first, blocks of lead time shortest first.

    Overrides are in none of them; those of forecasts issued in the period are counted apart.
    """

    series: Series
    by: str
    runs: int
    total: dict[str, Any] | None
    periods: list[dict[str, Any]]
    lead_times: list[dict[str, Any]]
    overrides: dict[str, Any]


def accuracy(series: Series, *, start: datetime, end: datetime, by: str = "day") -> Accuracy:
    """The accuracy of the forecasts for the local days that begin in `[start, end)`, at most `LONGEST` of them.

    A day counts once per run that forecast it. Figures are null where no score has them.
    """
    zone = ZoneInfo(series.timezone)
    # The last of the days may end after the period does.
    last = (end - timedelta.resolution).astimezone(zone).date()
    over = datetime.combine(last + timedelta(days=1), time.min, zone)
    reaching = scores().filter(
        forecast_run__series=series, forecast_run__valid_until__gt=start, forecast_run__valid_from__lt=over
    )
    # First the newest: where its loads were withdrawn, an earlier one does not stand in.
    ours = list(newest_scores(reaching.exclude(forecast_run__rung=ForecastRun.Rung.OVERRIDE)).filter(n__gt=0))
    days = [
        (day, row)
        for score in ours
        for row in rows_of(score.by_day, needed=("date",))
        if row.get("n")
        if (day := local_date(row["date"])) and start <= datetime.combine(day, time.min, zone) < end
    ]
    by_period: dict[date, list[Row]] = defaultdict(list)
    for day, row in days:
        by_period[_first_day(day, by)].append(row)
    blocks: dict[tuple[float, float], list[Row]] = defaultdict(list)
    for score in ours:
        for row in rows_of(score.by_lead_time, needed=("lead_time_from", "lead_time_to")):
            if row.get("n"):
                blocks[row["lead_time_from"], row["lead_time_to"]].append(row)
    return Accuracy(
        series=series,
        by=by,
        runs=len(ours),
        total={"period": min(by_period), **_figures([row for _, row in days])} if days else None,
        periods=[{"period": period, **_figures(rows)} for period, rows in sorted(by_period.items())],
        lead_times=[
            {"lead_time_from": first, "lead_time_to": last, **_figures(rows)}
            for (first, last), rows in sorted(blocks.items())
        ],
        overrides=_overrides(series, start=start, end=end),
    )


def _first_day(day: date, by: str) -> date:
    if by == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if by == "week" else day


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    means: dict[str, Any] = {name: _mean(rows, name, weight="n") for name in OURS}
    means |= {name: _mean(rows, name, weight="external_n") for name in THEIRS}
    peaks = [abs(row["peak_error"]) for row in rows if row.get("peak_error") is not None]
    beside = [row for row in rows if row.get("naive_mae") is not None]
    naive = _mean(beside, "naive_mae", weight="n")
    mae_beside = _mean(beside, "mae", weight="n")
    return {
        "n": sum(row["n"] for row in rows),
        **means,
        "skill": 1 - mae_beside / naive if naive and mae_beside is not None else None,
        "saved": naive - mae_beside if naive is not None and mae_beside is not None else None,
        "peak_mae": sum(peaks) / len(peaks) if peaks else None,
    }


def _mean(rows: Iterable[Row], name: str, *, weight: str) -> float | None:
    known = [(row[name], row[weight]) for row in rows if row.get(name) is not None and row.get(weight)]
    return sum(value * n for value, n in known) / sum(n for _, n in known) if known else None


def _overrides(series: Series, *, start: datetime, end: datetime) -> dict[str, Any]:
    _, total = worth_by_person(series, start=start, end=end)
    return {"runs": total.scored, "mae": total.mae_adjusted, "adjusted_mae": total.mae_original}
