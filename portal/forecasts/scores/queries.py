"""Reads on scores: which runs are to be scored, and the newest score of each."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.queries import runs
from portal.series.models import Series

# The unique index of observations carries the value, so that none of them is fetched from the table. What counts is
# the newest value as known then, beside that as known at the score: one that came and went again changes nothing.
_CHANGED = """
EXISTS (
    SELECT FROM series_observation AS seen
    WHERE {series} AND seen.valid_time >= run.valid_from AND seen.valid_time < run.valid_until
        AND seen.known_at <= %(as_of)s AND seen.known_at > scored.as_of
        AND NOT EXISTS (
            SELECT FROM series_observation AS later
            WHERE later.series_id = seen.series_id AND later.valid_time = seen.valid_time
                AND later.known_at > seen.known_at AND later.known_at <= %(as_of)s
        )
        AND seen.value IS DISTINCT FROM (
            SELECT value FROM series_observation AS before
            WHERE before.series_id = seen.series_id AND before.valid_time = seen.valid_time
                AND before.known_at <= scored.as_of
            ORDER BY before.known_at DESC LIMIT 1
        )
)
"""
# As an array, which is made once: the index is searched for these series, and not for all that there are.
_COVARIATES = "seen.series_id = ANY (ARRAY(SELECT series_id FROM series_covariate WHERE of_id = %(series)s))"
_DUE = f"""
SELECT run.id FROM forecasts_forecastrun AS run
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT as_of, attribution, external FROM forecasts_forecastscore
        WHERE forecast_run_id = run.id AND as_of <= %(as_of)s
        UNION ALL SELECT '-infinity', NULL, NULL
    ) AS score ORDER BY as_of DESC LIMIT 1
) AS scored
WHERE run.series_id = %(series)s AND run.issue_time < %(as_of)s AND (
    {_CHANGED.format(series="seen.series_id = %(series)s")}
    OR scored.external IS NOT NULL AND coalesce(scored.external ->> 'series', '') <> %(external)s::text
    OR (scored.attribution ? 'skipped' OR coalesce(scored.attribution -> 'observed_share', '1') <> '1')
        AND {_CHANGED.format(series=_COVARIATES)}
)
"""  # noqa: S608  # our own parts


def due_for_scoring(series: Series, *, as_of: datetime) -> QuerySet[ForecastRun]:
    """The runs issued before `as_of` of which more was known then than their newest score until then has seen.

    That is: actuals, weather of the period where the score lacks some to be split into weather and model, or the
    series names somebody else's forecast that the score knows nothing of. Oldest first, however old; each with
    `scored_as_of` and `actuals_sha256` of its newest score until then, or None.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _DUE,
            {
                "series": series.pk,
                "as_of": as_of,
                "external": series.external_forecast.slug if series.external_forecast is not None else None,
            },
        )
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
    # Not a list of the newest of all: a page of them is then found by walking the newest scores.
    later = scores.filter(forecast_run=OuterRef("forecast_run"), as_of__gt=OuterRef("as_of"))
    return scores.exclude(Exists(later))


def scored_until(series: Series) -> datetime | None:
    """When the run ends that reaches farthest of those that were scored; None where none was."""
    last = scores().filter(forecast_run__series=series).order_by("-forecast_run__valid_until").first()
    return last.forecast_run.valid_until if last is not None else None
