"""Load of European areas and its day-ahead forecasts: the ENTSO-E Transparency Platform, by entsoe-py.

entsoe-py makes the requests and reads the documents (actual total load: A65 with process A16; day-ahead forecast: A65
with A01; curves of 15, 30 or 60 minutes, with repeated points left out where the curve is of type A03). Over the wire
they go as to every other service, so that there is one patience, one limit and one place where the token is masked.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import requests
from requests.adapters import BaseAdapter

from include.errors import SourceError, SourceUnavailable
from include.retrying import Again
from include.sources.connector import Note, Part, Request
from include.sources.parts import KINDS, no_rows, part_of
from include.sources.rules import Column, columns_of
from include.sources.service import Answer, Service
from include.sources.windows import Window, months

if TYPE_CHECKING:
    from entsoe import Area, EntsoePandasClient

URL = "https://web-api.tp.entsoe.eu/"
PATH = "api"
XML = ("text/xml", "application/xml")
SECONDS_BETWEEN = 0.2
"""Keeps below 400 requests in a minute, beyond which a token is blocked for ten."""
TYPES = ("load", "load_forecast")
AHEAD = timedelta(days=2)
_NOTHING = b"No matching data found"
_PERIOD = re.compile(
    r"<start>([^<]+)</start>\s*<end>([^<]+)</end>\s*</timeInterval>\s*<resolution>PT(\d{1,4})M</resolution>"
)
_END = re.compile(rb"</(?:\w+:)?\w+MarketDocument>\s*\Z")


@dataclass(frozen=True)
class _Curve:
    """What a column reads."""

    column: Column
    area: Area
    kind: str

    @property
    def name(self) -> str:
        return f"{self.column.stated['area']} {self.kind}"


class _Way(BaseAdapter):
    """entsoe-py's way to the platform: its requests are asked by `Service`, wherever they were meant to go.

    `document` is the last one, since entsoe-py does not hand on how long the intervals in it are.
    """

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service
        self.document = ""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """The answer of the platform, or what `Service.get` raises."""
        answer: Answer = self._service.get(
            PATH,
            dict(parse_qsl(urlsplit(str(request.url)).query)),
            kinds=XML,
            read=_whole,
            # "Nothing" is an answer to entsoe-py; the platform gives it as a success or as a wrong request.
            allowed=lambda refusal: refusal.status == 400 and _NOTHING in refusal.body,
        )
        response = requests.Response()
        response.request, response.url = request, PATH
        response.status_code = answer.status
        response.headers["content-type"] = answer.headers.get("Content-Type", "").partition(";")[0]
        response.encoding = "utf-8"
        self.document = answer.body.decode("utf-8", "replace")
        response.raw = io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Nothing to close: the service is closed by whoever opened it."""


def read(request: Request) -> Iterator[Part]:
    """The months of the period, one part each. As `Connector`."""
    from entsoe import EntsoePandasClient

    columns = columns_of(request.options)
    curves = _curves(columns)
    if request.options.get("resample") == "sum":
        raise SourceError("ENTSO-E gives power in MW, of which a sum is none: resample is 'mean' or 'repeat'")
    token = request.access.secret
    if not token:
        raise SourceError("ENTSO-E needs a security token: the password of the source's Airflow connection")
    ahead = {curve.column.series for curve in curves if curve.kind == "load_forecast"}
    with Service(
        "ENTSO-E",
        request.access.url or URL,
        settings=request.settings,
        secret=token,
        seconds_between=SECONDS_BETWEEN,
    ) as service:
        session = requests.Session()
        session.trust_env = False
        way = _Way(service)
        session.mount("https://", way)
        client = EntsoePandasClient(api_key=token, session=session, retry_count=1, retry_delay=0)
        for window in months(request, ahead=AHEAD if ahead else timedelta(0)):
            frames, notes = [no_rows().assign(length=pd.Timedelta(0))], []
            raws: dict[int, dict[str, Any]] = {}
            for curve in curves:
                points = _points(client, curve, window)
                if points.empty:
                    notes.append(Note("nothing_found", 1, f"{curve.name}: the platform has nothing for {window.name}."))
                    continue
                first = len(raws) + 1
                frames.append(_rows(points, curve, first=first, lengths=_lengths(points.index, way.document)))
                raws |= {
                    number: {"area": curve.column.stated["area"], "type": curve.kind, "time": str(time), "value": value}
                    for number, (time, value) in enumerate(points.items(), start=first)
                }
            yield part_of(
                request,
                pd.concat(frames[1:] or frames, ignore_index=True),
                file=window.name,
                columns=columns,
                raw=raws.__getitem__,
                ahead=ahead,
                notes=notes,
                is_last_of_file=window.is_whole,
                position=window.position,
                done=window.done,
            )


def _curves(columns: Sequence[Column]) -> list[_Curve]:
    from entsoe.mappings import lookup_area

    curves = []
    for column in columns:
        area, kind = str(column.stated.get("area")), column.stated.get("type")
        if kind not in TYPES:
            raise SourceError(f"The type of {column.series} is {kind!r}; it is one of {', '.join(TYPES)}")
        try:
            curves.append(_Curve(column, lookup_area(area), str(kind)))
        except ValueError:
            raise SourceError(
                f"The area of {column.series} is {area!r}, which entsoe-py does not know; such are DE_LU, FR, SE_3"
            ) from None
    return curves


def _whole(answer: Answer) -> Answer:
    """The answer, unless it is cut: the parser would take what is there for all."""
    if not _END.search(answer.body[-200:]):
        raise Again("a document without its end")
    return answer


def _points(client: EntsoePandasClient, curve: _Curve, window: Window) -> pd.Series:
    """The values (MW) of a window by their time in UTC; empty where the platform has nothing."""
    from bs4 import XMLParsedAsHTMLWarning
    from entsoe.exceptions import NoMatchingDataError

    query = client.query_load if curve.kind == "load" else client.query_load_forecast
    try:
        with warnings.catch_warnings():
            # entsoe-py reads XML by a parser of HTML, and means to.
            warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
            found = query(curve.area, start=window.start, end=window.end)
    except NoMatchingDataError:
        return pd.Series(dtype="float64")
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError, requests.RequestException) as error:
        raise SourceUnavailable(f"ENTSO-E: the document of {curve.name} cannot be read: {error}") from None
    points = found.iloc[:, 0].astype("float64")
    points.index = pd.DatetimeIndex(points.index).tz_convert("UTC").as_unit("ns")
    # entsoe-py also gives the first of the next window.
    return points[(points.index >= window.start) & (points.index < window.end)]


def _rows(points: pd.Series, curve: _Curve, *, first: int, lengths: list[pd.Timedelta]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "row": range(first, first + len(points)),
            "series": curve.column.series,
            "valid_time": points.index,
            "value": points.to_numpy(),
        }
    )
    return frame.astype(KINDS).assign(length=lengths)


def _lengths(times: pd.Index, document: str) -> list[pd.Timedelta]:
    """The length of each interval, by the periods of the document: areas went from hours to quarter-hours.

    Raises:
        SourceUnavailable: a time is in none of the periods.
    """
    lengths = pd.Series(pd.NaT, index=times, dtype="timedelta64[ns]")
    for start, end, minutes in sorted(_PERIOD.findall(document), key=lambda period: -int(period[2])):
        # The shorter ones last: where periods overlap, an interval is as short as the shorter ones.
        within = (times >= pd.Timestamp(start)) & (times < pd.Timestamp(end))
        lengths[within] = pd.Timedelta(int(minutes), unit="min")
    if lengths.isna().any():
        raise SourceUnavailable(f"ENTSO-E gives a value for {times[lengths.isna()][0]} outside its periods")
    return list(lengths)
