"""A tiny ledger filled, asked and told of: every question, over HTTP against a real database."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.management import call_command
from django.db import connection

from portal.forecasts.models import ForecastRun, ForecastScore, ForecastValue
from portal.registry.models import Decision
from tests.benchmarks import __main__, ledger, ledger_report
from tests.benchmarks.ledger_filling import VALUES, Size, catalog, runs_of
from tests.benchmarks.portal_process import PortalProcess

SIZES = [Size(series=2, days=5), Size(series=3, days=6)]


@pytest.fixture
def portal(live_server: Any, tmp_path: Path) -> PortalProcess:
    """The portal on the test run's own database, with the series of the larger ledger."""
    for name, content in (("catalog.json", catalog(SIZES[-1])), ("secrets.json", {"users": {}})):
        (tmp_path / name).write_text(json.dumps(content))
    call_command("load_catalog", tmp_path / "catalog.json")
    call_command("bootstrap", "--secrets", tmp_path / "secrets.json")
    token = json.loads((tmp_path / "secrets.json").read_text())["service_token"]
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}"))
    return PortalProcess(live_server.url, token, url, environment={**os.environ, "DATABASE_URL": url})


def test_every_question_is_answered_with_the_rows_of_its_floor(portal: PortalProcess) -> None:
    lines: list[str] = []
    measured = ledger.measure(portal, sizes=SIZES, decisions=40, repetitions=1, say=lines.append)
    assert measured.questions[0].keys() == measured.questions[1].keys()
    large = {name: pair.ours.rows for name, pair in measured.questions[1].items()}
    assert large[ledger.NOTHING] == 0
    assert (large["latest"], large["as known at its beginning: a day"]) == (VALUES, VALUES // 2)
    assert (large["revision: what a run changed"], large[ledger.MANY_RUNS]) == (VALUES * 7 // 8, 100 * VALUES)
    assert large[ledger.DUE] > 0
    assert large[ledger.AUDIT] == Decision.objects.count() == 39
    # As many as the sizes say, and what was published at each: one, then a hundred, twice.
    assert ForecastRun.objects.count() == SIZES[-1].runs + 2 * 2 * 101
    assert ForecastValue.objects.count() == ForecastRun.objects.count() * VALUES
    assert ForecastScore.objects.filter(n=96).exists()
    assert len(lines) == 2 * (1 + len(large))
    text = ledger_report.as_markdown(measured, commit="", date="2026-11-26", command="make bench", machine={})
    assert "## In a ledger of 20,736 values" in text
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('raw_value')")
        assert cursor.fetchone() == (None,)


def test_a_body_has_whole_runs_of_each_series() -> None:
    table = runs_of({"zone-00": 1, "zone-01": 2}, first=SIZES[0].end, runs=3)
    assert table.num_rows == 6 * VALUES
    assert len(set(zip(table["series"].to_pylist(), table["issue_time"].to_pylist(), strict=True))) == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("6", "is not SERIESxDAYS"),
        ("1x365", "at least 2 series and 5 days"),
        ("6x365,5x400", "as many series and days as the one before"),
    ],
)
def test_sizes_that_no_ledger_grows_through_are_refused(text: str, said: str) -> None:
    assert __main__._sizes("6x365,20x1095") == ((6, 365), (20, 1095))
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        __main__._sizes(text)
