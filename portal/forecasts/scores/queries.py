"""Reads on scores: which runs are to be scored, and the newest score of each."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from portal.forecasts.models import ForecastRun, ForecastScore
from portal.forecasts.queries import runs
from portal.series.models import Series

# The unique index of observations carries the value, so that none of them is fetched from the table. What counts is
# the newest value as known then, beside that as known at the score: one that came and went again changes nothing.
_CHANGED = """
EXISTS (
    SELECT FROM {observations} AND seen.valid_time < run.valid_until
        AND seen.known_at <= %(as_of)s AND seen.known_at > coalesce(scored.as_of, '-infinity')
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
# Values that were stored only after the score, as known before it, show in nothing but how many there are: rows are
# never taken away.
_KNOWN = """
(
    SELECT count(value) FROM (
        SELECT DISTINCT ON (seen.series_id, seen.valid_time) seen.value
        FROM {observations} AND seen.valid_time < {until} AND seen.known_at <= {known_at}
        ORDER BY seen.series_id DESC, seen.valid_time DESC, seen.known_at DESC
    ) AS newest
)
"""
_LOADS = "series_observation AS seen WHERE seen.series_id = %(series)s AND seen.valid_time >= run.valid_from"
_THEIRS = _LOADS.replace("%(series)s", "%(theirs)s")
# A coarser value holds for its whole interval, which may have begun before the run.
_COVARIATES = """
(SELECT DISTINCT helps.id, helps.resolution FROM series_covariate AS covariate
    JOIN series_series AS helps ON helps.id = covariate.series_id WHERE covariate.of_id = %(series)s) AS helps
CROSS JOIN LATERAL (
    SELECT * FROM series_observation WHERE series_id = helps.id AND valid_time > run.valid_from - helps.resolution
) AS seen WHERE true
"""


def _count(facts: str, *names: str) -> str:
    """The first of these facts of a score that is a number, else 0."""
    numbers = (
        f"CASE jsonb_typeof({facts} -> '{name}') WHEN 'number' THEN ({facts} ->> '{name}')::numeric END"
        for name in names
    )
    return f"coalesce({', '.join(numbers)}, 0)"


_LATE_LOADS = f"""
scored.n < scored.expected
    AND {_KNOWN.format(observations=_LOADS, until="run.valid_until", known_at="scored.as_of")} > scored.n
"""
# Of scores from before `known_values` was kept, `n` comes closest. Theirs is looked for from the first gap on only.
_THEIRS_SEEN = _count("scored.external", "known_values", "n")
_IN_A_ROW = _count("scored.external", "known_in_a_row")
_FROM_THE_FIRST_GAP = f"""{_THEIRS}
        AND seen.valid_time >= run.valid_from + make_interval(secs => {_IN_A_ROW} * %(theirs_seconds)s)"""
_THEIRS_AT_ISSUE, _THEIRS_AFTER_THE_GAP = (
    _KNOWN.format(observations=observations, until="run.valid_until", known_at="run.issue_time")
    for observations in (_THEIRS, _FROM_THE_FIRST_GAP)
)
_THEIRS_AHEAD = _KNOWN.format(
    observations=_THEIRS, until="least(run.valid_until, scored.as_of)", known_at="seen.valid_time"
)
_LATE_THEIRS = f"""
scored.external ->> 'series' = %(external)s AND CASE WHEN scored.external ->> 'known' = 'issue_time'
    THEN {_THEIRS_AFTER_THE_GAP} > {_THEIRS_SEEN} - {_IN_A_ROW}
    ELSE {_THEIRS_AT_ISSUE} > 0 OR {_THEIRS_AHEAD} > {_THEIRS_SEEN} END
"""
_LATE_WEATHER = f"""
{_KNOWN.format(observations=_COVARIATES, until="run.valid_until", known_at="scored.as_of")}
    > {_count("scored.attribution", "observed_values")}
"""
_DUE = f"""
SELECT run.id FROM forecasts_forecastrun AS run
LEFT JOIN LATERAL (
    SELECT as_of, n, expected, attribution, external FROM forecasts_forecastscore
    WHERE forecast_run_id = run.id AND as_of <= %(as_of)s ORDER BY as_of DESC LIMIT 1
) AS scored ON true
WHERE run.series_id = %(series)s AND run.issue_time < %(as_of)s AND scored.as_of IS DISTINCT FROM %(as_of)s AND (
    {_CHANGED.format(observations=_LOADS)}
    OR {_LATE_LOADS}
    OR scored.external IS NOT NULL AND coalesce(scored.external ->> 'series', '') <> %(external)s::text
    OR {_LATE_THEIRS}
    OR (scored.attribution ? 'skipped' OR coalesce(scored.attribution -> 'observed_share', '1') <> '1')
        AND ({_CHANGED.format(observations=_COVARIATES)} OR {_LATE_WEATHER})
)
"""  # noqa: S608  # our own parts


def due_for_scoring(series: Series, *, as_of: datetime) -> QuerySet[ForecastRun]:
    """The runs issued before `as_of` of which more was known then than their newest score until then has seen.

    That is: actuals, weather of the period where the score lacks some to be split into weather and model, values of
    somebody else's forecast where it lacks some, or the series names one that the score knows nothing of. It does not
    matter whether that became known after the score or was stored late, as known before. A run with a score of
    `as_of` is not due: there is one score for each time. Oldest first, however old.
    """
    theirs = series.external_forecast
    with connection.cursor() as cursor:
        cursor.execute(
            _DUE,
            {
                "series": series.pk,
                "as_of": as_of,
                "external": theirs.slug if theirs is not None else None,
                "theirs": theirs.pk if theirs is not None else None,
                "theirs_seconds": theirs.resolution.total_seconds() if theirs is not None else None,
            },
        )
        due = [pk for (pk,) in cursor.fetchall()]
    return runs().filter(pk__in=due).order_by("issue_time", "pk")


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
