"""Hourly demand, day-ahead forecasts, generation and interchange of US balancing authorities: EIA-930, by API v2.

How the service answers: https://www.eia.gov/opendata/documentation.php. Its periods are in UTC and name the end of
their hour (https://www.eia.gov/electricity/gridmonitor/about, "Time reporting": the hour ending 1:00 is reported as
1:00), so an interval starts one hour before its period. Megawatt hours of one hour are its mean in megawatts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from include.errors import SourceError, SourceUnavailable
from include.retrying import BUSY
from include.sources.connector import NO_ROW, BadRow, Note, Part, Request
from include.sources.parts import KINDS, no_rows, number_of, part_of
from include.sources.rules import Column, columns_of
from include.sources.service import Answer, Service
from include.sources.windows import Window, months

URL = "https://api.eia.gov/v2/"
PATH = "electricity/rto/region-data/data/"
TYPES = ("D", "DF", "NG", "TI")
PAGE = 5000
"""Rows in one answer; the service gives no more."""
SECONDS_BETWEEN = 0.4
"""Keeps below the 9000 requests in an hour and 5 in a second beyond which a key is suspended for a while."""
HOUR = timedelta(hours=1)
_PERIOD = re.compile(r"(?:19|20|21)\d\d-\d\d-\d\dT\d\d", re.ASCII)
Wanted = Mapping[tuple[str, str], Column]


@dataclass
class _Read:
    """What has been read of a window so far."""

    rows: list[tuple[int, str, datetime, float]] = field(default_factory=list)
    raws: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)


def read(request: Request) -> Iterator[Part]:
    """The months of the period, one part each. As `Connector`."""
    columns = columns_of(request.options)
    wanted = _wanted(columns)
    if not request.access.secret:
        raise SourceError("EIA-930 needs an API key: the password of the source's Airflow connection")
    ahead = {column.series for (_, kind), column in wanted.items() if kind == "DF"}
    with Service(
        "EIA-930",
        request.access.url or URL,
        settings=request.settings,
        secret=request.access.secret,
        seconds_between=SECONDS_BETWEEN,
        is_passing=_is_passing,
    ) as service:
        for window in months(request, ahead=timedelta(days=2 if ahead else 0)):
            found = _Read()
            for kind in sorted({kind for _, kind in wanted}):
                respondents = sorted(name for name, each in wanted if each == kind)
                for row in _pages(service, window, kind, respondents, key=request.access.secret):
                    _take(found, row, wanted)
            yield part_of(
                request,
                _frame(found),
                file=window.name,
                columns=columns,
                raw=found.raws.__getitem__,
                ahead=ahead,
                bad=found.bad,
                notes=_absent(found, wanted, window),
                is_last_of_file=window.is_whole,
                position=window.position,
                done=window.done,
            )


def _frame(found: _Read) -> pd.DataFrame:
    rows = pd.DataFrame(found.rows, columns=list(KINDS)).astype(KINDS) if found.rows else no_rows()
    return rows.assign(length=pd.Timedelta(HOUR))


def _wanted(columns: Sequence[Column]) -> Wanted:
    wanted: dict[tuple[str, str], Column] = {}
    for column in columns:
        respondent, kind = column.stated.get("respondent"), column.stated.get("type")
        if not isinstance(respondent, str) or not respondent or kind not in TYPES:
            raise SourceError(
                f"The column of {column.series} needs a respondent such as 'ERCO' and a type of {', '.join(TYPES)}; "
                f"it has {respondent!r} and {kind!r}"
            )
        if (respondent, str(kind)) in wanted:
            raise SourceError(f"Two of the columns read {respondent} {kind}")
        wanted[respondent, str(kind)] = column
    return wanted


def _is_passing(answer: Answer) -> bool:
    # A key that asked too often is suspended for some minutes: 403, but neither missing nor invalid.
    return answer.status in BUSY or (answer.status == 403 and "API_KEY" not in answer.words)


def _pages(
    service: Service, window: Window, kind: str, respondents: Sequence[str], *, key: str
) -> Iterator[Mapping[str, Any]]:
    """The rows of one type in a window, page after page, as many as the service says that there are."""
    params: dict[str, Any] = {
        "api_key": key,
        "frequency": "hourly",
        "data[0]": "value",
        "facets[type][]": kind,
        "facets[respondent][]": list(respondents),
        # Both are periods that are given too.
        "start": f"{window.start + HOUR:%Y-%m-%dT%H}",
        "end": f"{window.end:%Y-%m-%dT%H}",
        "sort[0][column]": "period",
        "sort[0][direction]": "asc",
        "sort[1][column]": "respondent",
        "sort[1][direction]": "asc",
        "length": PAGE,
    }
    offset = 0
    while True:
        answer = service.get_json(PATH, {**params, "offset": offset})
        try:
            rows, total = answer["response"]["data"], int(answer["response"]["total"])
        except (KeyError, TypeError, ValueError):
            raise SourceUnavailable(
                f"EIA-930 answers without data and total for {window.name}: {answer!r:.200}"
            ) from None
        if not isinstance(rows, list):
            raise SourceUnavailable(f"EIA-930 answers no list of rows for {window.name}")
        yield from rows
        offset += len(rows)
        if offset >= total:
            return
        if not rows:
            raise SourceUnavailable(f"EIA-930 has {total} rows of type {kind} in {window.name}, and gave {offset}")


def _take(found: _Read, row: Any, wanted: Wanted) -> None:
    """Put a row to those that are read, or to the bad ones."""
    raw = row if isinstance(row, Mapping) else {"row": str(row)[:200]}
    column = wanted.get((str(raw.get("respondent")), str(raw.get("type"))))
    if column is None:
        found.bad.append(BadRow(NO_ROW, raw, "not_asked_for", "The row has another respondent or type than asked for."))
        return
    unit = raw.get("value-units")
    if unit is not None and str(unit).replace(" ", "").lower() != "megawatthours":
        raise SourceError(f"EIA-930 gives {column.series} in {unit}, not in megawatthours")
    period, value = raw.get("period"), number_of(raw.get("value"))
    time = _end_of(period)
    if time is None:
        message = f"{column.series}: the period {period!r} is no hour such as 2026-11-26T05."
        found.bad.append(BadRow(NO_ROW, raw, "not_a_time", message))
    elif value is None:
        message = f"{column.series}: {raw.get('value')!r} is no number."
        values = [{"series": column.series, "valid_time": (time - HOUR).isoformat(), "value": None}]
        found.bad.append(BadRow(NO_ROW, raw, "not_a_number", message, values))
    else:
        number = len(found.raws) + 1
        found.raws[number] = raw
        found.rows.append((number, column.series, time - HOUR, value))


def _end_of(period: Any) -> datetime | None:
    """The end of the hour that a period names."""
    if not isinstance(period, str) or not _PERIOD.fullmatch(period):
        return None
    try:
        return datetime.fromisoformat(f"{period}:00+00:00")
    except ValueError:
        return None


def _absent(found: _Read, wanted: Wanted, window: Window) -> list[Note]:
    """A respondent that the service does not know is no error to it: it has no rows."""
    present = {series for _, series, _, _ in found.rows}
    return [
        Note("nothing_found", 1, f"{respondent} {kind}: the service has nothing for {window.name}.")
        for (respondent, kind), column in wanted.items()
        if column.series not in present
    ]
