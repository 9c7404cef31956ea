"""A ledger to be asked: observations sent as the pipeline sends them; runs, scores and decisions by SQL.

What goes in by SQL meets the same constraints and triggers. A ledger grows from one size to the next: more days of the
series that it has, and more series.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa

from tests.benchmarks.ingest import ARROW, as_arrow

START = datetime(2022, 1, 1, tzinfo=UTC)
STEP, BETWEEN, HORIZON = timedelta(minutes=30), timedelta(hours=6), timedelta(hours=48)
QUANTILES = (0.1, 0.5, 0.9)
INTERVALS = HORIZON // STEP
VALUES = INTERVALS * len(QUANTILES)
"""Of a run."""
RUNS_A_DAY = timedelta(days=1) // BETWEEN
DAYS_AT_ONCE = 365
"""Of a series, in a transaction that fills the ledger."""
FILLERS = 2
"""Connections that fill it at once."""
_US = timedelta(microseconds=1)
_UTC = pa.timestamp("us", "UTC")
_MODELS = """
INSERT INTO registry_modelversion (series_id, version, kind, status, training_key, artifact_uri, artifact_sha256,
    training_start, training_end, data_cutoff, parameters, features, evidence, library_versions, code_version, airflow,
    trained_by_id)
SELECT series.id, version, 'gradient_boosting', 'candidate', 'training-' || version, 'file:///models/' || version,
    encode(sha256(convert_to(series.slug || version, 'UTF8')), 'hex'), '2020-01-01Z', '2022-01-01Z', '2022-01-01Z',
    '{}', '[]', jsonb_build_object('by_lead_time', (SELECT jsonb_agg(sin(n + version)) FROM generate_series(1, 500) n)),
    '{}', '', '{}', (SELECT id FROM auth_user WHERE username = 'airflow')
FROM series_series AS series, generate_series(1, %s) AS version
"""
# Each is approved in place of the one before, which retires: two decisions, but one of the first of a series.
_DECIDE = """
DO $$
DECLARE
    person bigint := (SELECT id FROM auth_user WHERE username = 'approver');
    model registry_modelversion;
    before bigint;
BEGIN
    FOR model IN SELECT * FROM registry_modelversion WHERE status = 'candidate' ORDER BY version, series_id LOOP
        UPDATE registry_modelversion SET status = 'retired' WHERE series_id = model.series_id AND status = 'champion'
            RETURNING id INTO before;
        IF before IS NOT NULL THEN
            INSERT INTO registry_decision (model_id, decision, by_id, reason, at, automatic)
                VALUES (before, 'retire', person, 'Replaced by a better one', '2022-01-01Z', false);
        END IF;
        UPDATE registry_modelversion SET status = 'champion', approved_by_id = person, approved_at = '2022-01-01Z'
            WHERE id = model.id;
        INSERT INTO registry_decision (model_id, decision, by_id, reason, at, automatic)
            VALUES (model.id, 'approve', person, 'Better on every segment', '2022-01-01Z', false);
    END LOOP;
END $$
"""
_RUNS = """
WITH new AS (
    INSERT INTO forecasts_forecastrun (series_id, issue_time, model_id, data_cutoff, rung, reason, publisher, airflow,
        adjustment, quantiles, valid_from, valid_until, value_count, values_sha256)
    SELECT %(series)s, issued, %(model)s, issued, 'champion', '', 'pipeline',
        '{"dag_id": "publish_forecasts", "run_id": "scheduled"}', '{}', '{0.1, 0.5, 0.9}',
        issued + interval '30 minutes', issued + interval '48 hours 30 minutes', 288,
        encode(sha256(convert_to(issued::text, 'UTF8')), 'hex')
    FROM generate_series(%(first)s::timestamptz, %(last)s::timestamptz, '6 hours') AS issued
    RETURNING id, valid_from
)
INSERT INTO forecasts_forecastvalue (run_id, valid_time, quantile, value)
SELECT id, valid_from + n * interval '30 minutes', level, load + width
FROM new, generate_series(0, 95) AS n,
    LATERAL (SELECT 6000 + 2000 * sin(n * pi() / 24) + id %% 97 AS load) AS expected,
    (VALUES (0.1, -150), (0.5, 0), (0.9, 150)) AS levels (level, width)
"""
# One when the first day is over, one when the whole run is: what the daily scoring leaves of each.
_SCORES = """
INSERT INTO forecasts_forecastscore (forecast_run_id, as_of, n, expected, actuals_sha256, mae, rmse, mape, pinball,
    coverage_80, bias, peak_mae, peak_bias, peak_time_mae_hours, skill, baseline, external, stability, attribution,
    by_lead_time, by_day, airflow)
SELECT run.id, run.issue_time + hours * interval '1 hour' + interval '1 hour', 2 * hours, 96,
    encode(sha256(convert_to(run.id || '/' || hours, 'UTF8')), 'hex'), 100, 130, 1.2, 40, 0.8, -3, 90, -20, 0.5, 0.4,
    '{"n": 96, "mae": 170.5, "rmse": 210.1, "mape": 2.1, "bias": 1.5, "coverage_80": 0.79}', '{}',
    '{"n": 84, "mean_absolute_change": 12.5}',
    '{"n": 96, "mae": 100, "model_mae": 80, "weather_mae": 45, "observed_share": 1}',
    (SELECT jsonb_agg(jsonb_build_object('lead_time_from', 6 * n, 'lead_time_to', 6 * n + 6, 'n', 12, 'mae', 90 + n,
        'bias', -3, 'coverage_80', 0.8, 'naive_mae', 170)) FROM generate_series(0, 7) AS n),
    (SELECT jsonb_agg(jsonb_build_object('date', (run.issue_time + n * interval '1 day')::date, 'n', 48, 'mae', 100,
        'bias', -3, 'coverage_80', 0.8, 'naive_mae', 170, 'peak_error', 50)) FROM generate_series(0, 1) AS n),
    '{"dag_id": "score_forecasts", "run_id": "scheduled"}'
FROM forecasts_forecastrun AS run CROSS JOIN unnest(ARRAY[24, 48]) AS hours
WHERE run.issue_time + hours * interval '1 hour' + interval '1 hour' <= %s
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many series, each with four runs a day of 96 half-hours and three quantiles, over so many days."""

    series: int
    days: int

    @property
    def runs(self) -> int:
        return self.series * self.days * RUNS_A_DAY

    @property
    def values(self) -> int:
        return self.runs * VALUES

    @property
    def end(self) -> datetime:
        """Until when there are forecasts issued, and observations."""
        return START + timedelta(days=self.days)


def slugs(series: int) -> list[str]:
    """Of so many series."""
    return [f"zone-{number:02}" for number in range(series)]


def catalog(size: Size) -> dict[str, Any]:
    """The series of a ledger."""
    facts = {"quantity": "load", "unit": "MW", "timezone": "Europe/London", "resolution": "PT30M"}
    return {"series": [{"slug": slug, "name": slug, **facts} for slug in slugs(size.series)], "sources": []}


def runs_of(models: dict[str, int], *, first: datetime, runs: int) -> pa.Table:
    """A body as the pipeline sends it: of each series so many runs by its model, the first issued at `first`."""
    generator = np.random.default_rng(0)
    issued = _us(first) + np.arange(len(models) * runs) % runs * (BETWEEN // _US)
    valid = issued[:, None] // (STEP // _US) * (STEP // _US) + np.arange(1, INTERVALS + 1) * (STEP // _US)
    medians = 6000 + 2000 * np.sin(valid * (2 * np.pi / 86_400e6)) + generator.normal(0, 100, valid.shape)
    values = medians[:, :, None] + np.array([-150.0, 0.0, 150.0])
    rows, of_runs = len(issued) * VALUES, np.repeat(issued, VALUES)
    return pa.table(
        {
            "series": pa.array(np.repeat(list(models), runs * VALUES), pa.string()),
            "issue_time": pa.array(of_runs, _UTC),
            "model_id": np.repeat(list(models.values()), runs * VALUES),
            "data_cutoff": pa.array(of_runs, _UTC),
            "rung": pa.array(["champion"] * rows),
            "reason": pa.array([""] * rows),
            "valid_time": pa.array(np.repeat(valid.ravel(), len(QUANTILES)), _UTC),
            "quantile": np.tile(QUANTILES, rows // len(QUANTILES)),
            "value": values.ravel(),
        }
    )


def observed(slug: str, *, first: datetime, end: datetime) -> pa.Table:
    """Half-hours of a series, each known half an hour after its end."""
    valid = np.arange(_us(first), _us(end), STEP // _US)
    return pa.table(
        {
            "series": pa.array([slug] * len(valid)),
            "valid_time": pa.array(valid, _UTC),
            "value": 6000 + 2000 * np.sin(valid * (2 * np.pi / 86_400e6)),
            "known_at": pa.array(valid + 2 * (STEP // _US), _UTC),
        }
    )


def decide(database: psycopg.Connection[Any], *, decisions: int, series: int) -> dict[str, int]:
    """About so many decisions about models of all series; each series' champion by its slug."""
    database.execute(_MODELS, ((decisions + series) // (2 * series),))
    database.execute(_DECIDE)
    query = """
        SELECT slug, model.id FROM registry_modelversion AS model JOIN series_series AS series ON series.id = series_id
        WHERE status = 'champion' ORDER BY slug
    """
    return dict(database.execute(query).fetchall())


def grow(
    database: psycopg.Connection[Any], http: httpx.Client, models: dict[str, int], *, before: Size, to: Size
) -> dict[str, float]:
    """Seconds of each step from one size to the next. Everything is committed, and analysed as autovacuum would."""
    steps = {
        "observations": lambda: _send_observations(http, before, to),
        "forecasts": lambda: _insert_runs(database, models, before, to),
        "scores": lambda: database.execute(_SCORES, (to.end,)),
        "vacuum": lambda: settle(database),
    }
    taken = {}
    for name, step in steps.items():
        begun = time.perf_counter()
        step()
        taken[name] = time.perf_counter() - begun
    return taken


def settle(database: psycopg.Connection[Any]) -> None:
    """Let the server do what it owes, so that no measurement pays for what was written before."""
    database.execute("VACUUM ANALYZE")
    database.execute("CHECKPOINT")


def post(http: httpx.Client, path: str, body: bytes, kind: str) -> Any:
    """The answer to a table that was sent. Raises RuntimeError."""
    answer = http.post(path, content=body, headers={"Content-Type": kind})
    if not answer.is_success:
        raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def _send_observations(http: httpx.Client, before: Size, to: Size) -> None:
    for slug, first in _new_days(before, to):
        post(http, "observations/bulk/", as_arrow(observed(slug, first=first, end=to.end)), ARROW)


def _insert_runs(database: psycopg.Connection[Any], models: dict[str, int], before: Size, to: Size) -> None:
    ids = dict(database.execute("SELECT slug, id FROM series_series").fetchall())
    parts = [
        {"series": ids[slug], "model": models[slug], "first": begin, "last": min(begin + year, to.end) - BETWEEN}
        for year in [timedelta(days=DAYS_AT_ONCE)]
        for slug, first in _new_days(before, to)
        for begin in (first + number * year for number in range(-(-(to.end - first) // year)))
    ]

    def insert(mine: list[dict[str, Any]]) -> None:
        with psycopg.connect(database.info.dsn, password=database.info.password, autocommit=True) as filler:
            for part in mine:
                filler.execute(_RUNS, part)

    with ThreadPoolExecutor(FILLERS) as pool:
        list(pool.map(insert, (parts[number::FILLERS] for number in range(FILLERS))))


def _new_days(before: Size, to: Size) -> Iterator[tuple[str, datetime]]:
    """Each series, and where its new days begin."""
    for number, slug in enumerate(slugs(to.series)):
        yield slug, before.end if number < before.series else START


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _US
