"""Reads on observations and weather forecasts."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from django.db.models import Prefetch, QuerySet

from portal.core.copy import read_columns
from portal.registry.models import ModelVersion
from portal.series.models import Observation, Series

_UTC = pa.timestamp("us", "UTC")
# Backwards in both times, as the unique index can be walked; a scan in the order asked for would have to sort.
_NEWEST = """
SELECT DISTINCT ON (valid_time) valid_time, coalesce(value, 'NaN') AS value, known_at FROM series_observation
WHERE series_id = %s AND valid_time >= %s AND valid_time < %s AND known_at <= %s {lead_time}
ORDER BY valid_time DESC, known_at DESC
"""
NEWEST_ISSUE = """
SELECT DISTINCT ON (valid_time) valid_time, value, issue_time, known_at FROM series_weatherforecast
WHERE series_id = %s AND valid_time >= %s AND valid_time < %s AND known_at <= %s AND known_at <= valid_time - %s
ORDER BY valid_time DESC, issue_time DESC
"""


def observations(
    series: Series,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
    lead_time: timedelta | None = None,
) -> pa.Table:
    """The newest values known at `as_of` in [start, end), oldest first: valid_time, value (null = missing), known_at.

    With `lead_time`, only what was known so long before its valid time. A bound that is None is open. Times are
    timestamp[us, UTC].
    """
    ahead = () if lead_time is None else (lead_time,)
    columns = read_columns(
        _NEWEST.format(lead_time="AND known_at <= valid_time - %s" if ahead else ""),
        (series.pk, start or "-infinity", end or "infinity", as_of or "infinity", *ahead),
        types={"valid_time": "timestamptz", "value": "float8", "known_at": "timestamptz"},
    )
    values = columns["value"][::-1]
    return pa.table(
        {
            "valid_time": pa.array(columns["valid_time"][::-1], type=_UTC),
            "value": pa.array(values, mask=np.isnan(values)),
            "known_at": pa.array(columns["known_at"][::-1], type=_UTC),
        }
    )


def newest_observation(series: Series, *, as_of: datetime) -> tuple[datetime, datetime] | None:
    """Valid time of the newest value known at `as_of`, and since when it was known; None if there is none."""
    known = Observation.objects.filter(series=series, known_at__lte=as_of, value__isnull=False)
    return known.order_by("-valid_time", "known_at").values_list("valid_time", "known_at").first()


def weather_forecasts(
    series: Series,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
    lead_time: timedelta = timedelta(0),
) -> pa.Table:
    """Per valid time in [start, end), oldest first, the newest issue known at `as_of` and `lead_time` before it.

    Columns valid_time, value, issue_time, known_at. A bound that is None is open. Times are timestamp[us, UTC].
    """
    columns = read_columns(
        NEWEST_ISSUE,
        (series.pk, start or "-infinity", end or "infinity", as_of or "infinity", lead_time),
        types={"valid_time": "timestamptz", "value": "float8", "issue_time": "timestamptz", "known_at": "timestamptz"},
    )
    return pa.table(
        {name: pa.array(column[::-1], type=None if name == "value" else _UTC) for name, column in columns.items()}
    )


def series_with_details() -> QuerySet[Series]:
    """Series by slug with `covariates` and `champions` (none or one), in three queries however many there are."""
    champions = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).only("series", "version", "kind")
    return (
        Series.objects.select_related("external_forecast", "publication_deadline")
        .prefetch_related("covariates__series", Prefetch("model_versions", queryset=champions, to_attr="champions"))
        .order_by("slug")
    )
