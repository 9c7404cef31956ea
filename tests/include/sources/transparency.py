"""A stand-in of the ENTSO-E Transparency Platform on loopback: documents of load, curves A01 and A03, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.include.sources.requests import SECRET
from tests.include.wire import Answer, Seen, Wire, open_wire

GERMANY = "10Y1001A1001A82H"
FRANCE = "10YFR-RTE------C"
NAMESPACE = "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"


@dataclass(frozen=True)
class Curve:
    """Values of one period. `values` of None are points that are left out."""

    start: datetime
    minutes: int
    values: list[float | None]
    curve_type: str = "A03"

    def document(self, process: str) -> str:
        """As a TimeSeries."""
        points = "".join(
            f"<Point><position>{position}</position><quantity>{value:g}</quantity></Point>\n"
            for position, value in enumerate(self.values, start=1)
            if value is not None
        )
        end = self.start + timedelta(minutes=self.minutes) * len(self.values)
        return f"""<TimeSeries><mRID>1</mRID><businessType>{"A04" if process == "A16" else "A60"}</businessType>
            <objectAggregation>A01</objectAggregation>
            <outBiddingZone_Domain.mRID codingScheme="A01">{GERMANY}</outBiddingZone_Domain.mRID>
            <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>{self.curve_type}</curveType>
            <Period><timeInterval><start>{self.start:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end>
            </timeInterval><resolution>PT{self.minutes}M</resolution>
            {points}</Period></TimeSeries>"""


@dataclass
class Platform:
    """What it knows: curves by area and process (A16 realised, A01 day ahead)."""

    curves: dict[tuple[str, str], list[Curve]] = field(default_factory=dict)
    nothing_is: int = 200

    def add(self, area: str, process: str, start: str, minutes: int, values: list[float | None], **facts: str) -> None:
        """One more curve of an area."""
        begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
        self.curves.setdefault((area, process), []).append(Curve(begin, minutes, values, **facts))

    def __call__(self, seen: Seen) -> Answer:
        query = seen.query
        if query.get("securityToken") != SECRET:
            return acknowledgement(401, "Unauthorized. Missing or invalid security token.")
        if seen.path != "/api" or query.get("documentType") != "A65":
            return acknowledgement(400, "Input parameter does not exist: documentType.")
        start, end = (
            datetime.strptime(query[name], "%Y%m%d%H%M").replace(tzinfo=UTC) for name in ("periodStart", "periodEnd")
        )
        process = query["processType"]
        found = [
            curve
            for curve in self.curves.get((query["outBiddingZone_Domain"], process), [])
            if curve.start < end and curve.start + timedelta(minutes=curve.minutes) * len(curve.values) > start
        ]
        if not found:
            return acknowledgement(self.nothing_is, "No matching data found for Data item Actual Total Load [6.1.A]")
        return xml(
            f'<?xml version="1.0" encoding="utf-8"?>\n<GL_MarketDocument xmlns="{NAMESPACE}"><mRID>1</mRID>'
            f"<type>A65</type><process.processType>{process}</process.processType>"
            f"{''.join(curve.document(process) for curve in found)}\n</GL_MarketDocument>\n"
        )


def xml(document: str, status: int = 200) -> Answer:
    """A document as the platform sends it."""
    return Answer(status, document.encode(), kind="text/xml")


def acknowledgement(status: int, text: str) -> Answer:
    """What the platform says where it gives no data."""
    return xml(
        '<?xml version="1.0" encoding="UTF-8"?><Acknowledgement_MarketDocument '
        'xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"><mRID>2</mRID>'
        f"<Reason><code>999</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>",
        status,
    )


@contextmanager
def open_platform(platform: Platform) -> Iterator[Wire]:
    """The platform on a port of its own."""
    with open_wire(service=platform) as wire:
        yield wire
