"""What people's adjustments were worth: their errors beside those of what they adjusted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from portal.forecasts.models import ForecastRun
from portal.series.models import Series

# Of each adjusted run the newest score to which the run that it adjusts has one on the very same actuals.
_PAIRS = """
SELECT DISTINCT ON (run.id) run.id, new.n, old.mae AS mae_original, new.mae AS mae_adjusted
FROM forecasts_forecastrun AS run
    JOIN forecasts_forecastscore AS new ON new.forecast_run_id = run.id
    JOIN forecasts_forecastscore AS old ON old.forecast_run_id = run.adjusts_id AND old.n = new.n
        AND old.actuals_sha256 = new.actuals_sha256 AND (new.actuals_sha256 <> '' OR old.as_of = new.as_of)
WHERE run.rung = 'override' AND new.n > 0 AND new.mae IS NOT NULL AND old.mae IS NOT NULL
"""
_NEWEST_FIRST = "ORDER BY run.id, new.as_of DESC, new.id DESC, old.as_of DESC, old.id DESC"
_OF_RUN = f"{_PAIRS} AND run.id = %s {_NEWEST_FIRST}"
_BY_PERSON = f"""
SELECT person.username, count(*) AS overrides, count(pair.id) AS scored, coalesce(sum(pair.n), 0)::bigint AS n,
    sum(pair.mae_original * pair.n) / sum(pair.n) AS mae_original,
    sum(pair.mae_adjusted * pair.n) / sum(pair.n) AS mae_adjusted
FROM forecasts_forecastrun AS run
    JOIN auth_user AS person ON person.id = run.adjusted_by_id
    LEFT JOIN ({_PAIRS} AND run.series_id = %(series)s {_NEWEST_FIRST}) AS pair ON pair.id = run.id
WHERE run.rung = 'override' AND run.series_id = %(series)s
    AND run.issue_time >= %(start)s AND run.issue_time < %(end)s
GROUP BY GROUPING SETS ((person.username), ()) ORDER BY person.username NULLS LAST
"""  # noqa: S608  # our own parts


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Errors before and after adjusting, on the same `n` intervals; None where nothing is scored yet."""

    person: str | None
    """None: all of them together."""
    overrides: int
    scored: int
    n: int
    mae_original: float | None
    mae_adjusted: float | None

    @property
    def value_added(self) -> float | None:
        """By how much the adjustments brought the mean absolute error down; negative where they raised it."""
        if self.mae_original is None or self.mae_adjusted is None:
            return None
        return self.mae_original - self.mae_adjusted


def worth_by_person(series: Series, *, start: datetime, end: datetime) -> tuple[list[Worth], Worth]:
    """What the adjustments of forecasts issued in [start, end) were worth: per person, and in all."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_PERSON, {"series": series.pk, "start": start, "end": end})
        *people, everybody = map(_worth, cursor.fetchall())
    return people, everybody


def worth_of(run: ForecastRun) -> Worth | None:
    """What one adjusted run was worth; None until both runs are scored on the same actuals."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_RUN, (run.pk,))
        row = cursor.fetchone()
    return _worth((str(run.adjusted_by), 1, 1, *row[1:])) if row is not None else None


def _worth(row: tuple[Any, ...]) -> Worth:
    person, overrides, scored, n, mae_original, mae_adjusted = row
    return Worth(
        person=person, overrides=overrides, scored=scored, n=n, mae_original=mae_original, mae_adjusted=mae_adjusted
    )
