"""Reads on scores: which runs are to be scored, and the newest score of each."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.queries import runs
from portal.series.models import Series

# The unique index of observations carries the value, so that none of them is fetched from the table. A row that says
# that a value is missing changes the actuals only where there was one before.
_DUE = """
SELECT run.id FROM forecasts_forecastrun AS run
CROSS JOIN LATERAL (
    SELECT coalesce(max(as_of), '-infinity') AS as_of FROM forecasts_forecastscore
    WHERE forecast_run_id = run.id AND as_of <= %(as_of)s
) AS scored
WHERE run.series_id = %(series)s AND run.issue_time < %(as_of)s AND EXISTS (
    SELECT FROM series_observation AS seen
    WHERE seen.series_id = %(series)s AND seen.valid_time >= run.valid_from AND seen.valid_time < run.valid_until
        AND seen.known_at <= %(as_of)s AND seen.known_at > scored.as_of
        AND (seen.value IS NOT NULL OR EXISTS (
            SELECT FROM series_observation AS before
            WHERE before.series_id = seen.series_id AND before.valid_time = seen.valid_time
                AND before.known_at < seen.known_at AND before.value IS NOT NULL
        ))
)
"""


def due_for_scoring(series: Series, *, as_of: datetime) -> QuerySet[ForecastRun]:
    """The runs issued before `as_of` of which actuals were known then that no score as of then or before has seen.

    Oldest first, however old; each with `scored_as_of` and `actuals_sha256` of its newest score until then, or None.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"series": series.pk, "as_of": as_of})
        due = [pk for (pk,) in cursor.fetchall()]
    scored = ForecastScore.objects.filter(forecast_run=OuterRef("pk"), as_of__lte=as_of).order_by("-as_of")
    return (
        runs()
        .filter(pk__in=due)
        .annotate(
            scored_as_of=Subquery(scored.values("as_of")[:1]),
            actuals_sha256=Subquery(scored.values("actuals_sha256")[:1]),
        )
        .order_by("issue_time", "pk")
    )


def scores() -> QuerySet[ForecastScore]:
    """All scores with their runs, newest first."""
    return ForecastScore.objects.select_related("forecast_run__series").order_by("-as_of", "-pk")


def newest_scores(scores: QuerySet[ForecastScore]) -> QuerySet[ForecastScore]:
    """Of each run the score with the latest `as_of` among `scores`."""
    newest = scores.order_by("forecast_run_id", "-as_of").distinct("forecast_run_id").values("pk")
    return scores.filter(pk__in=newest)
