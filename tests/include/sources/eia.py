"""A stand-in of EIA's API v2 on loopback: pages, facets, sorting and errors as its documentation has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.include.sources.requests import SECRET
from tests.include.wire import Answer, Seen, Wire, open_wire

PATH = "/v2/electricity/rto/region-data/data/"
MOST = 5000


def row(respondent: str, kind: str, period: datetime, value: Any) -> dict[str, Any]:
    """A row as the service writes it: newer answers have their values as text."""
    return {
        "period": f"{period:%Y-%m-%dT%H}",
        "respondent": respondent,
        "respondent-name": respondent.title(),
        "type": kind,
        "type-name": kind,
        "value": value,
        "value-units": "megawatthours",
    }


@dataclass
class Eia:
    """What the service knows. `hidden` rows are counted in the total and yet not given."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    hidden: int = 0
    page: int = MOST

    def add(self, respondent: str, kind: str, first: str, hours: int, *, value: float = 100.0) -> None:
        """Regular rows: the first period, and one for each hour after it, each one megawatt hour more."""
        begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
        self.rows += [row(respondent, kind, begin + timedelta(hours=n), str(value + n)) for n in range(hours)]

    def __call__(self, seen: Seen) -> Answer:
        query = seen.query
        if query.get("api_key") != SECRET:
            code = "API_KEY_INVALID" if query.get("api_key") else "API_KEY_MISSING"
            return _json({"error": {"code": code, "message": "Get one at the register."}}, 403)
        if seen.path != PATH:
            return _json({"error": "Not found.", "code": 404}, 404)
        if query.get("frequency") != "hourly":
            return _json({"error": "Invalid frequency provided.", "code": 400}, 400)
        facets = {name: [v for n, v in seen.pairs if n == f"facets[{name}][]"] for name in ("respondent", "type")}
        rows = [
            each
            for each in self.rows
            if each["respondent"] in facets["respondent"] and each["type"] in facets["type"]
            # Bounds are compared as texts, both of them inclusive.
            if query["start"] <= str(each["period"]) <= query["end"]
        ]
        rows.sort(key=lambda each: tuple(str(each[query[f"sort[{n}][column]"]]) for n in (0, 1)))
        offset, length = int(query["offset"]), min(int(query["length"]), self.page)
        response = {
            "total": str(len(rows) + self.hidden),
            "dateFormat": 'YYYY-MM-DD"T"HH24',
            "frequency": "hourly",
            "data": rows[offset : offset + length] if query.get("data[0]") == "value" else [],
        }
        return _json({"response": response, "request": {"command": PATH, "params": query}, "apiVersion": "2.1.12"})


def _json(document: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode(), kind="application/json; charset=utf-8")


@contextmanager
def open_eia(eia: Eia) -> Iterator[Wire]:
    """The service on a port of its own."""
    with open_wire(service=eia) as wire:
        yield wire
