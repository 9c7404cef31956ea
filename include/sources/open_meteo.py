"""Weather by Open-Meteo: today's forecast, forecasts of earlier days, and what the weather was (reanalysis).

How the service answers: https://open-meteo.com/en/docs, …/previous-runs-api and …/historical-weather-api.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import isnan
from typing import Any

import pandas as pd

from include.errors import SourceError, SourceUnavailable
from include.sources.connector import NO_ROW, BadRow, Note, Part, Request
from include.sources.parts import KINDS, no_rows, number_of, part_of
from include.sources.rules import Column, columns_of
from include.sources.service import Answer, Service
from include.sources.weather_variables import HOUR, Variable, variable_of
from include.sources.windows import Window, months

# Dataset → host, path. Customers, who have a key, are served by hosts of their own: customer-….
DATASETS = {
    "forecast": ("api.open-meteo.com", "v1/forecast"),
    "previous_runs": ("previous-runs-api.open-meteo.com", "v1/forecast"),
    "archive": ("archive-api.open-meteo.com", "v1/archive"),
}
SECONDS_BETWEEN = 0.15
"""Keeps below 600 requests in a minute."""
PLACES_PER_REQUEST = 50
FORECAST_DAYS = 16
PREVIOUS_DAYS = (1, 2)
OLDEST_FORECAST = timedelta(hours=6)
"""A forecast that is fetched later than so long after its time is another than the one that was known then."""
_LIMITS = {"minutely": 60.0, "hourly": 3600.0, "daily": 86400.0, "monthly": 30 * 86400.0}


@dataclass(frozen=True)
class _Wanted:
    """A column, and what of an answer goes into it: `name` is the variable as it is asked for."""

    column: Column
    place: tuple[float, float]
    variable: Variable
    name: str
    lead: pd.Timedelta | None


@dataclass
class _Read:
    """What has been read for a part so far. `issued` is the time of issue of a forecast made now."""

    issued: pd.Timestamp | None
    keeps_missing: bool
    frames: list[pd.DataFrame] = field(default_factory=list)
    raws: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)


def read(request: Request) -> Iterator[Part]:
    """A forecast as one part, anything else in months. As `Connector`."""
    dataset = request.options.get("dataset")
    if dataset not in DATASETS:
        raise SourceError(f"The option dataset is {dataset!r}; it is one of {', '.join(DATASETS)}")
    columns = columns_of(request.options)
    wanted = _wanted(columns, previous_days=_previous_days(request.options, dataset=dataset))
    host, path = DATASETS[dataset]
    key = request.access.secret
    with Service(
        "Open-Meteo",
        request.access.url or f"https://{'customer-' if key else ''}{host}/",
        settings=request.settings,
        secret=key,
        seconds_between=SECONDS_BETWEEN,
        pause_of=_pause_of,
    ) as service:

        def ask(days: Mapping[str, Any], places: Sequence[tuple[float, float]]) -> Any:
            params = {
                "latitude": ",".join(str(latitude) for latitude, _ in places),
                "longitude": ",".join(str(longitude) for _, longitude in places),
                "hourly": ",".join(sorted({each.name for each in wanted if each.place in places})),
                "timeformat": "unixtime",
                "timezone": "UTC",
                **days,
                **({"apikey": key} if key else {}),
            }
            return service.get_json(path, params)

        yield from (_forecast if dataset == "forecast" else _past)(request, columns, wanted, ask)


Ask = Callable[[Mapping[str, Any], Sequence[tuple[float, float]]], Any]


def _forecast(request: Request, columns: list[Column], wanted: list[_Wanted], ask: Ask) -> Iterator[Part]:
    """The forecast that is the newest now; nothing but a note where that of a past day is wanted, in a backfill say."""
    if request.position is not None:
        return
    if request.as_of < request.read_at - OLDEST_FORECAST:
        message = (
            f"The forecast of {request.as_of.isoformat()} cannot be had any more, only that of now; "
            "for earlier ones, give a source the dataset previous_runs"
        )
        yield Part(file="forecast", rows=no_rows(issued=True), notes=[Note("past_forecast", 1, message)], done=1.0)
        return
    issued = pd.Timestamp(request.read_at).floor("min")
    found = _Read(issued=issued, keeps_missing=False)
    _ask_all(found, wanted, ask, {"forecast_days": FORECAST_DAYS})
    rows = _rows(found)
    yield part_of(
        request,
        rows[rows["valid_time"] >= issued.floor("h")],  # the hour that has begun is still needed
        file=f"forecast {issued:%Y-%m-%dT%H:%M}",
        columns=columns,
        raw=found.raws.__getitem__,
        bad=found.bad,
        is_last_of_file=True,
        position=issued.isoformat(),
        done=1.0,
    )


def _past(request: Request, columns: list[Column], wanted: list[_Wanted], ask: Ask) -> Iterator[Part]:
    """Observations, or forecasts that were made so many days before."""
    leads = [each.lead for each in wanted if each.lead is not None]
    shift = HOUR if any(each.variable.is_of_hour_before for each in wanted) else pd.Timedelta(0)
    # What nobody can have observed yet, and what no forecast of so many days before can reach.
    newest = pd.Timestamp(request.read_at) + (min(leads) if leads else pd.Timedelta(0))
    for window in months(request, ahead=(min(leads) if leads else pd.Timedelta(0)).to_pytimedelta()):
        found = _Read(issued=None, keeps_missing=not leads)
        last = min(window.end + shift - HOUR, newest)
        if last >= window.start:
            days = {"start_date": f"{window.start:%Y-%m-%d}", "end_date": f"{last:%Y-%m-%d}"}
            _ask_all(found, wanted, ask, days)
        yield part_of(
            request,
            _of_window(_rows(found, issued=bool(leads)), window, read_at=pd.Timestamp(request.read_at)),
            file=window.name,
            columns=columns,
            raw=found.raws.__getitem__,
            bad=found.bad,
            is_last_of_file=window.is_whole,
            position=window.position,
            done=window.done,
        )


def _of_window(rows: pd.DataFrame, window: Window, *, read_at: pd.Timestamp) -> pd.DataFrame:
    """The rows of the window; not those issued or observed after the clock, since only days can be asked for."""
    kept = (rows["valid_time"] >= window.start) & (rows["valid_time"] < window.end)
    return rows[kept & (rows["issue_time" if "issue_time" in rows else "valid_time"] <= read_at)]


def _previous_days(options: Mapping[str, Any], *, dataset: str) -> Sequence[int]:
    stated = options.get("previous_days")
    if dataset != "previous_runs":
        if stated is not None:
            raise SourceError("The option previous_days belongs to the dataset previous_runs")
        return ()
    days = list(PREVIOUS_DAYS) if stated is None else stated
    if not isinstance(days, list) or not days or not all(type(day) is int and 1 <= day <= 7 for day in days):
        raise SourceError(f"The option previous_days is {stated!r}; it is a list of days from 1 to 7, such as [1, 2]")
    return sorted(set(days))


def _wanted(columns: Sequence[Column], *, previous_days: Sequence[int]) -> list[_Wanted]:
    wanted = []
    for column in columns:
        place = tuple(_degrees(column, name, most) for name, most in (("latitude", 90), ("longitude", 180)))
        name = column.stated.get("variable")
        variable = variable_of(name)
        for day in previous_days or (0,):
            asked = f"{name}_previous_day{day}" if day else str(name)
            lead = pd.Timedelta(day, unit="D") if day else None
            wanted.append(_Wanted(column, (place[0], place[1]), variable, asked, lead))
    return wanted


def _degrees(column: Column, name: str, most: int) -> float:
    stated = column.stated.get(name)
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not -most <= stated <= most:
        raise SourceError(f"The {name} of {column.series} is {stated!r}; it is a number from -{most} to {most}")
    return float(stated)


def _pause_of(answer: Answer) -> float | None:
    """What its limits ask for; only the words tell them: "Minutely API request limit exceeded. Please try again …"."""
    words = answer.words.lower()
    return next((pause for limit, pause in _LIMITS.items() if f"{limit} api request limit" in words), None)


def _ask_all(found: _Read, wanted: Sequence[_Wanted], ask: Ask, days: Mapping[str, Any]) -> None:
    """Ask for all places, some in each request, and take what is wanted of each."""
    places = list(dict.fromkeys(each.place for each in wanted))
    for begin in range(0, len(places), PLACES_PER_REQUEST):
        some = places[begin : begin + PLACES_PER_REQUEST]
        document = ask(days, some)
        answers = document if isinstance(document, list) else [document]
        if len(answers) != len(some):
            raise SourceUnavailable(f"Open-Meteo answers for {len(answers)} places where {len(some)} were asked for")
        for place, answer in zip(some, answers, strict=True):
            for each in wanted:
                if each.place == place:
                    _take(found, each, answer)


def _take(found: _Read, wanted: _Wanted, answer: Any) -> None:
    """The rows of one variable at one place."""
    try:
        units, hourly = answer["hourly_units"], answer["hourly"]
        times, values, unit = hourly["time"], hourly[wanted.name], units[wanted.name]
        is_utc = answer["utc_offset_seconds"] == 0 and units["time"] == "unixtime"
        seconds = pd.Series(times, dtype="int64")
        moments = pd.to_datetime(seconds, unit="s", utc=True).dt.as_unit("ns")
        is_complete = isinstance(values, list) and len(values) == len(moments)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceUnavailable(f"Open-Meteo answers without hourly {wanted.name}: {error!r}") from None
    if not is_complete:
        raise SourceUnavailable(f"Open-Meteo has not as many values of {wanted.name} as times")
    if not is_utc:
        raise SourceUnavailable("Open-Meteo answers in other times than asked for (unixtime in UTC)")
    if unit != wanted.variable.unit:
        raise SourceError(
            f"Open-Meteo gives {wanted.name} in {unit!r}, not in {wanted.variable.unit!r}; "
            f"{wanted.column.series} would get wrong values"
        )
    numbers = [number_of(value) for value in values]
    starts = moments - HOUR if wanted.variable.is_of_hour_before else moments
    first = len(found.raws) + 1
    for number, (time, value) in enumerate(zip(times, values, strict=True), start=first):
        place = {"latitude": wanted.place[0], "longitude": wanted.place[1]}
        found.raws[number] = {**place, "variable": wanted.name, "time": time, "value": value}
    for offset, value in enumerate(numbers):
        if value is None:
            message = f"{wanted.column.series}: {values[offset]!r} is no number."
            found.bad.append(BadRow(NO_ROW, found.raws[first + offset], "not_a_number", message))
    kept = [n for n, value in enumerate(numbers) if value is not None and (found.keeps_missing or not isnan(value))]
    frame = pd.DataFrame(
        {
            "row": [first + n for n in kept],
            "series": wanted.column.series,
            "valid_time": starts.iloc[kept].reset_index(drop=True),
            "value": [numbers[n] for n in kept],
        }
    ).astype(KINDS)
    if found.issued is not None:
        frame = frame.assign(issue_time=found.issued)
    elif wanted.lead is not None:
        frame = frame.assign(issue_time=frame["valid_time"] - wanted.lead)
    found.frames.append(frame)


def _rows(found: _Read, *, issued: bool = True) -> pd.DataFrame:
    frames = [frame for frame in found.frames if len(frame)]
    rows = pd.concat(frames, ignore_index=True) if frames else no_rows(issued=issued)
    return rows.assign(length=HOUR)
