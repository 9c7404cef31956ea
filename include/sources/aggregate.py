"""A zone from its feeders: the weighted sum of what was known of them at the time to work for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from include.errors import LibraryRefused, SourceError
from include.sources.connector import Note, Part, Request
from include.sources.parts import KINDS, no_rows, part_of
from include.sources.resampling import resample
from include.sources.rules import Column, columns_of
from include.sources.windows import Window, months

ZONE = "the zone"
"""Its column beside those of the feeders, whose slugs have no space."""
MISSING = ("withhold", "scale_up")
Observed = Callable[[str, datetime | None, datetime | None], pd.Series]


def read(request: Request) -> Iterator[Part]:
    """The months of the period, one part each. As `Connector`."""
    if request.observed is None:
        raise SourceError("Zones are added up from observations, and there is no way to read them here")
    missing = request.options.get("missing", "withhold")
    if missing not in MISSING:
        raise SourceError(f"The option missing is {missing!r}; it is one of {', '.join(MISSING)}")
    columns = columns_of(request.options)
    weights = {column.series: _weights(column, resolutions=request.resolutions) for column in columns}
    for window in months(request):
        frames, notes = [], []
        raws: dict[int, Mapping[str, Any]] = {}
        for column in columns:
            zone, told = _zone(request, request.observed, column.series, weights[column.series], window, missing)
            first = len(raws) + 1
            rows = zone.rename_axis(index="valid_time").reset_index()
            numbers = range(first, first + len(rows))
            raws |= dict(zip(numbers, _shown(column.series, rows), strict=True))
            frames.append(rows.assign(row=numbers, series=column.series, value=rows[ZONE])[list(KINDS)])
            notes += told
        found = [frame.astype(KINDS) for frame in frames if len(frame)]
        yield part_of(
            request,
            pd.concat(found, ignore_index=True) if found else no_rows(),
            file=window.name,
            columns=columns,
            raw=raws.__getitem__,
            notes=notes,
            is_last_of_file=window.is_whole,
            position=window.position,
            done=window.done,
        )


def _weights(column: Column, *, resolutions: Mapping[str, pd.Timedelta]) -> dict[str, float]:
    """The weight of each feeder; what a weight may be is the library's to say."""
    feeders = column.stated.get("feeders")
    if not isinstance(feeders, list) or not feeders:
        raise SourceError(f"The zone {column.series} has no feeders")
    weights: dict[str, float] = {}
    for feeder in feeders:
        name = feeder.get("series") if isinstance(feeder, Mapping) else None
        if not isinstance(name, str) or name in weights or name == column.series:
            raise SourceError(f"{feeder!r} is no feeder of {column.series}: a series other than it, and each once")
        if resolutions[name] > resolutions[column.series]:
            raise SourceError(
                f"The feeder {name} has intervals of {resolutions[name]}, longer than those of its zone "
                f"{column.series} ({resolutions[column.series]})"
            )
        weights[name] = feeder.get("weight", 1)
    return weights


def _zone(
    request: Request, observed: Observed, zone: str, weights: Mapping[str, float], window: Window, missing: str
) -> tuple[pd.DataFrame, list[Note]]:
    """The zone's load by time with those of its feeders, where any of them is stored, and what was missing."""
    from forecasting.errors import ForecastingError
    from forecasting.preprocessing import aggregation

    wanted = request.resolutions[zone]
    loads = pd.DataFrame(
        {
            name: _in_intervals(
                observed(name, window.start.to_pydatetime(), window.end.to_pydatetime()),
                own=request.resolutions[name],
                wanted=wanted,
            )
            for name in weights
        }
    )
    try:
        added = aggregation(loads, weights, missing=missing)
    except ForecastingError as error:
        raise LibraryRefused(str(error)) from error
    incomplete = int(added.missing.any(axis=1).sum())
    notes = []
    if incomplete:
        what = {"withhold": "are missing", "scale_up": "are scaled up from the others"}[missing]
        worst = added.missing.sum().sort_values(ascending=False, kind="stable")
        message = f"{zone}: intervals without one of the feeders {what}; most often {worst.index[0]}."
        notes.append(Note("feeder_missing", incomplete, message))
    return loads.assign(**{ZONE: added.load}), notes


def _in_intervals(load: pd.Series, *, own: pd.Timedelta, wanted: pd.Timedelta) -> pd.Series:
    """The means over the intervals of the zone, where all of an interval is there."""
    times = pd.DatetimeIndex(load.index).tz_convert("UTC").as_unit("ns")
    if own == wanted:
        return pd.Series(load.to_numpy(dtype="float64"), index=times)
    rows = pd.DataFrame({"row": 0, "series": "feeder", "valid_time": times, "value": load.to_numpy(dtype="float64")})
    means, _ = resample(rows.assign(length=own), {"resample": "mean"}, resolutions={"feeder": wanted})
    return means.set_index("valid_time")["value"]


def _shown(zone: str, rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for record in rows.to_dict("records"):
        time = record.pop("valid_time")
        shown = {str(name): None if pd.isna(value) else value for name, value in record.items() if name != ZONE}
        yield {"series": zone, "valid_time": time.isoformat(), **shown}
