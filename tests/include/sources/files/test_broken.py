"""Every broken input has the outcome written beside it, in the connector and in the portal behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isnan
from pathlib import Path

import pandas as pd
import pytest

from include.errors import SourceError
from include.settings import Settings
from include.tasks.ingest import Ingested
from portal.series.models import Observation, QuarantinedRow, Source
from tests.include.sources.files.broken.case import PORTAL_RULES, Case
from tests.include.sources.files.broken.files import FILES, MOST_BYTES, WHOLE
from tests.include.sources.files.broken.rows import ROWS
from tests.include.sources.files.reading import READ_AT, read, request

CASES = [*ROWS, *FILES, *WHOLE]
OPTIONS = {"columns": [{"column": "load", "series": "town"}]}


def stored_as(case: Case) -> dict[pd.Timestamp, float | None]:
    return {
        pd.Timestamp(time if " " in time else f"2024-07-01 {time}", tz="UTC"): value
        for time, value in case.stored.items()
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_connector_reads_what_can_be_trusted_and_names_the_rest(case: Case, tmp_path: Path) -> None:
    (tmp_path / case.file).write_bytes(case.octets)
    asked = request(tmp_path, case.file, settings={"ingest_max_bytes": MOST_BYTES}, **{**OPTIONS, **case.options})
    content = read(asked, catch=True)
    if case.refused:
        assert str(content.refused).startswith(case.file)
        assert case.refused in str(content.refused)
        assert content.parts == []
        return
    assert content.refused is None
    assert content.found() == [bad for bad in case.bad if bad[1] not in PORTAL_RULES]
    left_to_the_portal = {line for line, rule in case.bad if rule in PORTAL_RULES}
    rows = content.rows[~content.rows["row"].isin(left_to_the_portal)]
    found = {
        time: None if isnan(value) else value for time, value in zip(rows["valid_time"], rows["value"], strict=True)
    }
    assert found == stored_as(case)
    assert content.noted() == case.noted
    assert [part.is_last_of_file for part in content.parts] == [False] * (len(content.parts) - 1) + [True]


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused], ids=str)
def test_the_portal_holds_exactly_that(
    case: Case, town: Callable[..., Path], tmp_path: Path, ingest: Callable[..., Ingested]
) -> None:
    town().unlink()
    put(case, tmp_path / "data")
    ingest(run_id="one", as_of=READ_AT)
    again = ingest(run_id="two", as_of=READ_AT)
    assert (again.inserted, again.corrected) == (0, 0), "the same file twice says nothing new"
    stored = Observation.objects.values_list("valid_time", "value")
    assert {pd.Timestamp(time): value for time, value in stored} == stored_as(case)
    kept = QuarantinedRow.objects.order_by("row").values_list("row", "rule", "file")
    assert list(kept) == [(*bad, case.file) for bad in case.bad]


def test_of_a_file_that_is_refused_the_portal_holds_nothing(
    town: Callable[..., Path], options: Settings, tmp_path: Path, ingest: Callable[..., Ingested]
) -> None:
    town().unlink()
    limited = options.model_copy(update={"ingest_max_bytes": MOST_BYTES})
    for case in FILES:
        put(case, tmp_path / "data")
        with pytest.raises(SourceError, match=re.escape(case.refused)):
            ingest(as_of=READ_AT, settings=limited)
    assert not Observation.objects.exists()
    assert not QuarantinedRow.objects.exists()


def put(case: Case, folder: Path) -> None:
    Source.objects.update(url=case.file, options={"time_column": "time", **OPTIONS, **case.options})
    (folder / case.file).write_bytes(case.octets)
