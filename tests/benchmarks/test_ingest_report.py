"""The document on writing and reading: a miss is named as one."""

from __future__ import annotations

from tests.benchmarks import ingest_report
from tests.benchmarks.ingest import ARROW, BODIES, PARQUET, Measured, Timing, as_arrow, as_parquet, catalog, table_of


def measured(*, http: float, again: float, read: float) -> Measured:
    """A run in which raw SQL takes a second to write and a tenth to read."""
    writes = {"raw": 1.0, "HTTP, Parquet": http, "HTTP, Parquet again": again, "HTTP, Arrow": 1.0}
    writes["HTTP, Arrow again"] = 1.0
    return Measured(
        writes={"a week": {name: Timing(name, 6720, [seconds, 9.0, 0.0]) for name, seconds in writes.items()}},
        reads={"raw SELECT": Timing("raw SELECT", 35040, [0.1]), "HTTP, Arrow": Timing("HTTP, Arrow", 35040, [read])},
        memory=[(10_000, 0.1, 200.0, 210.0)],
        files=[(10_000, 0.3, 1.5, 180.0)],
    )


def outcomes(run: Measured) -> dict[str, str]:
    return {each.what: str(each.outcome) for each in ingest_report.verdicts(run)}


def test_medians_decide_and_a_miss_is_named() -> None:
    assert set(outcomes(measured(http=1.6, again=1.6, read=0.2)).values()) == {"met"}
    found = outcomes(measured(http=1.7, again=1.8, read=0.21))
    assert [what for what, outcome in found.items() if outcome == "missed"] == [
        "HTTP, Parquet: a week",
        "HTTP, Parquet: a week, the same again",
        "HTTP, Arrow: two years of half-hours",
    ]


def test_the_document_has_the_targets_and_every_figure() -> None:
    text = ingest_report.as_markdown(
        measured(http=2.0, again=1.0, read=0.1),
        commit="abc",
        date="2026-11-26",
        command="make bench",
        machine={"CPU": "x"},
    )
    assert "| HTTP, Parquet: a week | ≥ 0.6 × raw | 0.50 | **missed** |" in text
    assert "| HTTP, Parquet | 6,720 | 2,000.0 | 0.0–9,000.0 | 3,360 |" in text
    assert "| 10,000 | 0.1 | 200 | 210 |" in text
    assert "| 10,000 | 0.3 | 1.5 | 180 |" in text


def test_bodies_are_what_the_portal_takes_of_series_that_it_has() -> None:
    slugs = {series["slug"] for series in catalog()["series"]}
    for series, intervals in BODIES.values():
        table = table_of(series, intervals)
        assert table.num_rows == series * intervals
        assert set(table.column("series").unique().to_pylist()) <= slugs
    assert as_parquet(table)[:4] == b"PAR1"
    assert len(as_arrow(table)) > len(as_parquet(table))
    assert PARQUET != ARROW
