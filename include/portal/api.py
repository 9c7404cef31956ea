"""The portal's resources, as tasks ask for them. Times are aware datetimes; tables are Parquet on the wire."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.portal.http import PortalHTTP

PARQUET = "application/vnd.apache.parquet"
UTC_US = pa.timestamp("us", "UTC")
QUARANTINE_ROWS_PER_REQUEST = 10_000


class Portal:
    """The portal. Use it as a context manager; every method raises PortalError with the portal's own words."""

    def __init__(self, url: str, *, token: str, **options: Any) -> None:
        """`options` are those of PortalHTTP."""
        self._http = PortalHTTP(url, token=token, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    # series and sources

    def series(self, slug: str) -> dict[str, Any]:
        """One series. Raises NotFound."""
        found: dict[str, Any] = self._http.get_json(f"series/{slug}/")
        return found

    def loads(self, *, scheduled: bool = False) -> list[dict[str, Any]]:
        """The load series: all of them, or those that scheduled runs take."""
        params = {"quantity": "load", **({"scheduled": "true"} if scheduled else {})}
        return list(self._http.pages("series/", params=params))

    def source(self, slug: str) -> dict[str, Any]:
        """One source. Raises NotFound."""
        found: dict[str, Any] = self._http.get_json(f"sources/{slug}/")
        return found

    def scheduled_sources(self, *, feeds: str) -> list[dict[str, Any]]:
        """The enabled sources of demand, or of weather, that scheduled runs take."""
        return list(self._http.pages("sources/", params={"scheduled": "true", "enabled": "true", "feeds": feeds}))

    # observations

    def observations(
        self,
        slug: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: datetime,
        lead_time: timedelta | None = None,
    ) -> pd.DataFrame:
        """What was known at `as_of` of `[start, end)`: index valid_time (UTC), columns value (NaN: none), known_at.

        With `lead_time`, only what was known so long before its valid time.
        """
        period = {"start": start, "end": end, "as_of": as_of}
        params = {name: time.isoformat() for name, time in period.items() if time is not None}
        if lead_time is not None:
            params["lead_time"] = _duration(lead_time)
        table = self._table(f"series/{slug}/observations/", params=params)
        return table.set_index("valid_time").sort_index()

    def record_observations(self, rows: pd.DataFrame, *, recorded_at: datetime) -> dict[str, Any]:
        """Store rows of series, valid_time, value, known_at; `recorded_at` is when corrections became known."""
        schema = pa.schema({"series": pa.string(), "valid_time": UTC_US, "value": pa.float64(), "known_at": UTC_US})
        body = _parquet(pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False))
        answer: dict[str, Any] = self._http.post(
            "observations/bulk/", content=body, content_type=PARQUET, params={"recorded_at": recorded_at.isoformat()}
        )
        return answer

    # weather forecasts

    def weather_forecasts(
        self, slug: str, *, start: datetime, end: datetime, as_of: datetime, lead_time: timedelta = timedelta(0)
    ) -> pd.DataFrame:
        """Per valid time of `[start, end)` the newest forecast known at `as_of`, and `lead_time` before that time.

        Index valid_time (UTC), columns value, issue_time, known_at; a time without one has no row.
        """
        params = {name: time.isoformat() for name, time in (("start", start), ("end", end), ("as_of", as_of))}
        params["lead_time"] = _duration(lead_time)
        table = self._table(f"series/{slug}/weather-forecasts/", params=params)
        return table.set_index("valid_time").sort_index()

    def record_weather_forecasts(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Store rows of series, issue_time, valid_time, known_at, value; what was issued once stays as it is."""
        times = dict.fromkeys(("issue_time", "valid_time", "known_at"), UTC_US)
        schema = pa.schema({"series": pa.string(), **times, "value": pa.float64()})
        body = _parquet(pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False))
        answer: dict[str, Any] = self._http.post("weather-forecasts/bulk/", content=body, content_type=PARQUET)
        return answer

    # ingest runs and their quarantine

    def begin_ingest(self, ingest: dict[str, Any]) -> dict[str, Any]:
        """Begin a run's reading of a source, or go on with it: source, airflow, as_of, period_start, period_end."""
        begun: dict[str, Any] = self._http.send_json("POST", "ingest-runs/", ingest)
        return begun

    def advance_ingest(self, ingest_id: int, **facts: Any) -> None:
        """Say how far a reading is: counts, notes, position, state, error."""
        self._http.send_json("PATCH", f"ingest-runs/{ingest_id}/", facts)

    def quarantine(self, source: str, *, file: str, rows: Sequence[dict[str, Any]], ingest_run: int) -> int:
        """Keep bad rows (row, raw, rule, message, values); returns how many of them are new."""
        new = 0
        for first in range(0, len(rows), QUARANTINE_ROWS_PER_REQUEST):
            part = list(rows[first : first + QUARANTINE_ROWS_PER_REQUEST])
            body = {"source": source, "file": file, "ingest_run": ingest_run, "rows": part}
            new += self._http.send_json("POST", "quarantine/bulk/", body)["inserted"]
        return new

    def settle_quarantine(self, source: str, *, file: str, ingest_run: int) -> int:
        """Rows of the file that were bad in earlier readings and not in this one have passed; returns how many."""
        body = {"source": source, "file": file, "ingest_run": ingest_run}
        return int(self._http.send_json("POST", "quarantine/settle/", body)["passed"])

    # checks

    def check_runs(self, slug: str, *, as_of: datetime) -> Iterator[dict[str, Any]]:
        """The check runs as of `as_of` or before, the latest first; of one as_of, the one recorded last first."""
        # The portal lists them in this order; pages are read only as far as they are asked for.
        runs = self._http.pages("check-runs/", params={"series": slug})
        return (run for run in runs if pd.Timestamp(run["as_of"]) <= pd.Timestamp(as_of))

    def newest_check_run(self, slug: str, *, as_of: datetime) -> dict[str, Any] | None:
        """The check run with the latest as_of at or before `as_of`; of several, the one recorded last."""
        return next(self.check_runs(slug, as_of=as_of), None)

    def record_check_run(self, run: dict[str, Any]) -> dict[str, Any]:
        """Store a check run; the answer has its id and derived status."""
        stored: dict[str, Any] = self._http.post_json("check-runs/", run)
        return stored

    def store_report(self, check_run: int, *, name: str, content: bytes) -> None:
        """Store one report of a check run."""
        self._http.put(f"check-runs/{check_run}/reports/{name}", content=content)

    # models

    def models(self, slug: str, **filters: str) -> list[dict[str, Any]]:
        """Model versions of a series, newest first; filters are status, kind, training_key."""
        return list(self._http.pages("models/", params={"series": slug, **filters}))

    def register_model(self, training: dict[str, Any]) -> dict[str, Any]:
        """Register a candidate; a training that is registered already comes back as it is."""
        model: dict[str, Any] = self._http.post_json("models/", training)
        return model

    def model(self, model_id: int) -> dict[str, Any]:
        """One model version. Raises NotFound."""
        found: dict[str, Any] = self._http.get_json(f"models/{model_id}/")
        return found

    # forecasts

    def publish(self, rows: pd.DataFrame, *, airflow: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Publish rows, one per value, of the schema's columns below; `airflow` is the run that does it.

        Each run comes with its status, and the first deadline after its issue time, if one is set for the series.
        """
        schema = pa.schema(
            {
                "series": pa.string(),
                "issue_time": UTC_US,
                "model_id": pa.int64(),
                "data_cutoff": UTC_US,
                "rung": pa.string(),
                "reason": pa.string(),
                "valid_time": UTC_US,
                "quantile": pa.float64(),
                "value": pa.float64(),
            }
        )
        body = _parquet(pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False))
        runs: list[dict[str, Any]] = self._http.post(
            "forecasts/bulk/", content=body, content_type=PARQUET, params=airflow
        )["runs"]
        return runs

    def forecast_runs(self, slug: str, *, issued_from: datetime, issued_to: datetime) -> list[dict[str, Any]]:
        """The ledger's runs of a series issued in `[issued_from, issued_to)`, newest first."""
        params = {"series": slug, "issued_from": issued_from.isoformat(), "issued_to": issued_to.isoformat()}
        return list(self._http.pages("forecast-runs/", params=params))

    def forecast_run(self, run: int) -> dict[str, Any]:
        """One run of the ledger, without its values. Raises NotFound."""
        found: dict[str, Any] = self._http.get_json(f"forecast-runs/{run}/")
        return found

    def forecast_values(self, run: int) -> pd.DataFrame:
        """A run's values: index valid_time (UTC), one column per quantile as float."""
        table = self._table(f"forecast-runs/{run}/values/")
        return table.pivot(index="valid_time", columns="quantile", values="value").sort_index()  # noqa: PD010 - unique

    def run_before(self, slug: str, *, issue_time: datetime) -> dict[str, Any] | None:
        """The newest run issued before `issue_time` that is no override and has a median; None where there is none."""
        # Newest first, read only as far as needed.
        params = {"series": slug, "issued_to": issue_time.isoformat(), "page_size": "5"}
        runs = self._http.pages("forecast-runs/", params=params)
        return next((run for run in runs if run["rung"] != "override" and 0.5 in run["quantiles"]), None)

    # scores

    def runs_due_for_scoring(self, slug: str, *, as_of: datetime) -> list[dict[str, Any]]:
        """The runs of which more was known at `as_of` than their newest score until then has seen; oldest first."""
        params = {"series": slug, "as_of": as_of.isoformat()}
        return list(self._http.pages("forecast-runs/due-for-scoring/", params=params))

    def record_scores(self, scores: Sequence[dict[str, Any]]) -> None:
        """Keep scores; one on the actuals of the run's score before it is not kept again."""
        self._http.post_json("scores/bulk/", list(scores))

    def newest_scores(
        self, slug: str, *, rung: str, issued_from: datetime, issued_to: datetime, as_of: datetime
    ) -> list[dict[str, Any]]:
        """Of each run issued in `[issued_from, issued_to)` on a rung the newest score as of `as_of` or before."""
        times = {"issued_from": issued_from, "issued_to": issued_to, "as_of": as_of}
        params = {"series": slug, "rung": rung, "newest": "true", **{name: t.isoformat() for name, t in times.items()}}
        return list(self._http.pages("scores/", params=params))

    def record_accuracy(self, signal: dict[str, Any]) -> dict[str, Any]:
        """Keep what the rolling accuracy was; the answer is the signal that the portal has for this series and time."""
        kept: dict[str, Any] = self._http.post_json("accuracy-signals/", signal)
        return kept

    def asking_for_training(self, *, as_of: datetime) -> list[dict[str, Any]]:
        """The signals as of this very time that ask for a training, of all series."""
        params = {"as_of": as_of.isoformat(), "retrain": "true", "page_size": "1000"}
        return list(self._http.pages("accuracy-signals/", params=params))

    # retention

    def begin_retention(
        self, *, as_of: datetime, dry_run: bool, confirm: bool, airflow: dict[str, str]
    ) -> dict[str, Any]:
        """Let the portal count what its rules find as of a time; the answer is its retention run."""
        body = {"as_of": as_of.isoformat(), "dry_run": dry_run, "confirm": confirm, "airflow": airflow}
        begun: dict[str, Any] = self._http.post_json("retention-runs/", body)
        return begun

    def advance_retention(self, run: int) -> dict[str, Any]:
        """Let the portal delete for some seconds; to be called again while the answer's state is *running*."""
        # Without an idempotency key: the next call does the next part.
        advanced: dict[str, Any] = self._http.send_json("POST", f"retention-runs/{run}/advance/", {})
        return advanced

    def report_retention(self, run: int, outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Say what was found and removed in the storage of models."""
        body = {"outcomes": list(outcomes)}
        noted: dict[str, Any] = self._http.send_json("PATCH", f"retention-runs/{run}/", body)
        return noted

    def registered_artifacts(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Where the artifacts of all model versions lie; filters are series, training_key, status."""
        return self._http.pages("registered-artifacts/", params={"page_size": "1000", **filters})

    def _table(self, path: str, *, params: dict[str, str] | None = None) -> pd.DataFrame:
        body = self._http.get(path, params=params, accept=PARQUET)
        frame = pq.read_table(io.BytesIO(body)).to_pandas()
        for column in frame.select_dtypes("datetimetz"):
            frame[column] = frame[column].dt.tz_convert("UTC").dt.as_unit("ns")
        return frame


def _duration(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    return f"PT{minutes // 60}H{minutes % 60}M"


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
