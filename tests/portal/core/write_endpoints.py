"""Each endpoint of the API that writes, with a body that it takes and bodies that it must refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from portal.alerts.operations import ensure_default_rules
from portal.forecasts.models import PublicationDeadline
from portal.registry.models import ApprovalRule
from portal.registry.operations import Training, approve_model, register_candidate
from portal.retention.operations import begin_run, ensure_rules
from portal.series.models import IngestRun, QuarantinedRow, Series, Source
from tests.portal.forecasts.ledgers import ISSUED, put_run

Case = tuple[str, Any, str]
"""Where in the body, as `field` or ``row.field`` of a refusal; what is put there; the rule that it breaks."""
ISSUED_AT, LATER = "2014-11-01T13:00:00Z", "2014-11-01T14:00:00Z"
AIRFLOW = {"dag_id": "a_dag", "run_id": "manual__1"}
LONG, NUL, NAIVE = "x" * 10_000, "nul \0", "2014-11-01T13:00:00"
REASON: tuple[Case, ...] = (
    ("reason", LONG, "max_length"),
    ("reason", NUL, "null_characters_not_allowed"),
    ("reason", "", "blank"),
    ("reason", None, "null"),
    ("reason", ["flat", "is", "due"], "invalid"),
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`address` as the OpenAPI document has it; `body` is None where none is read."""

    method: str
    address: str
    body: Any = None
    cases: tuple[Case, ...] = ()
    of: str = ""
    """Which id of the world `{id}` is."""
    taken: int = 200

    def __str__(self) -> str:
        return f"{self.method} {self.address}"

    def url(self, world: Mapping[str, Any]) -> str:
        return self.address.replace("{id}", str(world.get(self.of))).replace("{slug}", "victoria")

    def valid(self, world: Mapping[str, Any]) -> Any:
        """The body, with ids of the world for the texts that name one, as ``<run>``."""
        return _filled(self.body, world)


def _filled(body: Any, world: Mapping[str, Any]) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, world) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, world) for value in body]
    return world[body[1:-1]] if isinstance(body, str) and body.startswith("<") else body


def make_world(by: User) -> dict[str, Any]:
    """One of everything that the endpoints are about; gives the ids."""
    facts: dict[str, Any] = {"unit": "MW", "timezone": "Australia/Melbourne", "resolution": timedelta(minutes=30)}
    series = Series.objects.create(slug="victoria", name="Victoria", quantity="load", **facts)
    Series.objects.create(slug="tasmania", name="Tasmania", quantity="load", **facts)
    Series.objects.create(slug="melbourne", name="Melbourne", quantity="temperature", **{**facts, "unit": "°C"})
    source = Source.objects.create(slug="archive", name="Archive", url="a.csv", options={"columns": []})
    ingest = IngestRun.objects.create(source=source, **AIRFLOW, as_of=ISSUED, started_at=ISSUED, updated_at=ISSUED)
    bad = QuarantinedRow.objects.create(source=source, file="a.csv", row=1, rule="missing", message="", raw="[1]")
    trainer = User.objects.create_user("trainer")
    trained: dict[str, Any] = {
        "kind": "arima",
        "artifact_uri": "file:///a",
        "artifact_sha256": "ab" * 32,
        "trained_by": trainer,
    }
    times: dict[str, Any] = {
        "training_start": ISSUED - timedelta(days=9),
        "training_end": ISSUED - timedelta(days=1),
        "data_cutoff": ISSUED,
    }
    champion, candidate = (
        register_candidate(series, training=Training(training_key=key, **trained, **times), by=by)[0]
        for key in ("first", "second")
    )
    approve_model(champion, by=by, reason="good", at=ISSUED)
    rule = ApprovalRule.objects.create(series=series, margin=0.1, set_by=by, set_at=ISSUED, reason="so")
    retention = begin_run(as_of=ISSUED, dry_run=False, confirmed=False, by=by, at=datetime.now(UTC), airflow={})
    return {
        "ingest": ingest.pk,
        "bad": bad.pk,
        "champion": champion.pk,
        "candidate": candidate.pk,
        "approval": rule.pk,
        "run": put_run(series, [1000.0, 2000.0, 3000.0]).pk,
        "deadline": PublicationDeadline.objects.create(series=series, gate_closure="10:00", days_ahead=1).pk,
        "retention_rule": ensure_rules()[0].pk,
        "retention": retention.pk,
        "alert_rule": ensure_default_rules()[0].pk,
    }


ENDPOINTS = (
    Endpoint(
        method="POST",
        address="/api/v1/series/",
        taken=201,
        body={
            "slug": "geelong",
            "name": "Geelong",
            "quantity": "load",
            "unit": "MW",
            "timezone": "Australia/Melbourne",
            "resolution": "PT30M",
            "latitude": -38.1,
            "longitude": 144.4,
            "covariates": [{"name": "temperature", "series": "melbourne", "weight": 1.0}],
        },
        cases=(
            ("slug", "a b", "invalid"),
            ("slug", LONG, "max_length"),
            ("slug", "victoria", "unique"),
            ("name", NUL, "null_characters_not_allowed"),
            ("quantity", "rain", "invalid_choice"),
            ("quantity", ["load"], "invalid_choice"),
            ("timezone", "Mars/Olympus", "timezone"),
            ("resolution", "PT7M", "resolution"),
            ("resolution", 30, "invalid"),
            ("latitude", 91, "max_value"),
            ("latitude", "NaN", "invalid"),
            ("longitude", "Infinity", "invalid"),
            ("allows_export", "perhaps", "invalid"),
            ("external_forecast", "atlantis", "does_not_exist"),
            ("external_forecast", NUL, "does_not_exist"),
            ("covariates", "melbourne", "not_a_list"),
            ("covariates.0.series", "atlantis", "does_not_exist"),
            ("covariates.0.weight", -1, "invalid"),
            ("covariates.0.wieght", 1, "unknown_field"),
        ),
    ),
    Endpoint(
        method="PATCH",
        address="/api/v1/series/{slug}/",
        body={"name": "Victoria", "scheduled": True},
        cases=(
            ("slug", "other", "invalid"),
            ("timezone", None, "null"),
            ("preprocessing", "washed", "invalid_choice"),
            ("sheduled", True, "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/ingest-runs/",
        taken=201,
        body={
            "source": "archive",
            "airflow": {**AIRFLOW, "run_id": "manual__2"},
            "as_of": LATER,
            "period_start": ISSUED_AT,
            "period_end": LATER,
        },
        cases=(
            ("source", "atlantis", "does_not_exist"),
            ("source", 7, "invalid"),
            ("airflow", "a_dag", "invalid"),
            ("airflow.run_id", LONG, "max_length"),
            ("airflow.task_id", "a", "unknown_field"),
            ("as_of", NAIVE, "naive"),
            ("as_of", "2500-01-01T00:00:00Z", "out_of_range"),
            ("as_of", 1414800000, "invalid"),
            ("period_end", ISSUED_AT, "invalid"),
        ),
    ),
    Endpoint(
        method="PATCH",
        address="/api/v1/ingest-runs/{id}/",
        of="ingest",
        body={"received": 3, "notes": [{"rule": "r", "count": 1, "message": "m"}], "position": {"page": 2}},
        cases=(
            ("received", "3", "invalid"),
            ("received", -1, "min_value"),
            ("inserted", 10**30, "invalid"),
            ("notes", {"rule": "r"}, "not_a_list"),
            ("notes.0.count", "many", "invalid"),
            ("state", "running", "invalid_choice"),
            ("error", "why", "invalid"),
            ("recieved", 1, "unknown_field"),
        ),
    ),
    Endpoint(method="POST", address="/api/v1/observations/bulk/"),
    Endpoint(method="POST", address="/api/v1/weather-forecasts/bulk/"),
    Endpoint(method="POST", address="/api/v1/forecasts/bulk/"),
    Endpoint(
        method="POST",
        address="/api/v1/quarantine/bulk/",
        body={
            "source": "archive",
            "file": "a.csv",
            "ingest_run": "<ingest>",
            "rows": [{"row": 7, "raw": ["n/a"], "rule": "missing", "message": "n/a is no number", "values": []}],
        },
        cases=(
            ("source", "atlantis", "does_not_exist"),
            ("file", LONG, "max_length"),
            ("ingest_run", 10**30, "invalid"),
            ("ingest_run", 999_999, "does_not_exist"),
            ("ingest_run", True, "invalid"),
            ("rows", {"row": 7}, "not_a_list"),
            ("rows.0.row", -1, "min_value"),
            ("rows.0.rule", NUL, "null_characters_not_allowed"),
            ("rows.0.values", 5, "not_a_list"),
            ("rows.0.why", "so", "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/quarantine/settle/",
        body={"source": "archive", "file": "a.csv", "ingest_run": "<ingest>"},
        cases=(("ingest_run", 1.5, "invalid"), ("source", LONG, "does_not_exist"), ("fiel", "a.csv", "unknown_field")),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/quarantine/{id}/correct/",
        of="bad",
        taken=400,
        body={"reason": "read from the paper", "values": [{"series": "victoria", "valid_time": LATER, "value": 1.0}]},
        cases=(
            *REASON,
            ("values", "none", "not_a_list"),
            ("values.0.value", "NaN", "invalid"),
            ("values.0.value", "much", "invalid"),
            ("values.0.valid_time", NAIVE, "naive"),
            ("values.0.quantile", 0.5, "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/quarantine/{id}/replay/",
        of="bad",
        taken=400,
        body={"reason": "as it came"},
        cases=(("reason", LONG, "max_length"), ("value", 1, "unknown_field")),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/quarantine/{id}/dismiss/",
        of="bad",
        body={"reason": "a test of the meter"},
        cases=(*REASON, ("raison", "so", "unknown_field")),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/models/",
        taken=201,
        body={
            "series": "victoria",
            "kind": "arima",
            "training_key": "third",
            "artifact_uri": "file:///artifacts/third",
            "artifact_sha256": "ab" * 32,
            "training_start": "2013-12-31T14:00:00Z",
            "training_end": "2014-11-01T00:00:00Z",
            "data_cutoff": "2014-11-01T01:00:00Z",
            "parameters": {"order": [2, 0, 1]},
            "features": ["temperature"],
            "evidence": {"metrics": {"mae": 180.5}},
            "library_versions": {"statsmodels": "0.15.0"},
            "trained_by": "trainer",
            "airflow": AIRFLOW,
        },
        cases=(
            ("series", "atlantis", "does_not_exist"),
            ("kind", LONG, "max_length"),
            ("artifact_sha256", "AB", "invalid"),
            ("training_end", "2013-12-31T14:00:00Z", "invalid"),
            ("data_cutoff", NAIVE, "naive"),
            ("parameters", [1], "not_a_dict"),
            ("parameters.order", NUL, "nul"),
            ("features", "temperature", "not_a_list"),
            ("features.0", LONG, "max_length"),
            ("library_versions.statsmodels", [1], "invalid"),
            ("trained_by", "nobody", "does_not_exist"),
            ("approved_by", "trainer", "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/models/{id}/approve/",
        of="candidate",
        body={"reason": "better"},
        cases=(*REASON, ("raeson", "so", "unknown_field")),
    ),
    Endpoint(
        method="POST", address="/api/v1/models/{id}/reject/", of="candidate", body={"reason": "worse"}, cases=REASON
    ),
    Endpoint(
        method="POST",
        address="/api/v1/models/{id}/rollback/",
        of="champion",
        taken=409,
        body={"reason": "it drifts"},
        cases=(*REASON, ("to", 999_999, "does_not_exist"), ("to", "the last", "invalid"), ("to", [1], "invalid")),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/approval-rules/",
        taken=201,
        body={"series": "tasmania", "enabled": True, "margin": 0.05, "reason": "to learn"},
        cases=(
            *REASON,
            ("series", "victoria", "unique"),
            ("margin", 1.5, "max_value"),
            ("margin", "NaN", "invalid"),
            ("enabled", 7, "invalid"),
            ("set_by", "trainer", "read_only"),
        ),
    ),
    Endpoint(
        method="PATCH",
        address="/api/v1/approval-rules/{id}/",
        of="approval",
        body={"margin": 0.2, "reason": "to be surer"},
        cases=(*REASON, ("margin", -0.1, "min_value"), ("series", "tasmania", "read_only")),
    ),
    Endpoint(method="POST", address="/api/v1/dag-run-requests/{id}/retry/"),
    Endpoint(
        method="POST",
        address="/api/v1/forecast-runs/{id}/override/",
        of="run",
        taken=201,
        body={"start": ISSUED_AT, "end": LATER, "reason": "a holiday", "percentage": 5},
        cases=(
            *REASON,
            ("start", NAIVE, "naive"),
            ("start", "2014-11-01T13:07:00Z", "off_grid"),
            ("end", "2014-12-01T13:00:00Z", "outside_run"),
            ("end", ISSUED_AT, "empty_period"),
            ("percentage", 5000, "out_of_range"),
            ("percentage", "Infinity", "invalid"),
            ("values", "5", "not_a_list"),
            ("values", {}, "not_a_list"),
            ("valeus", [5], "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/publication-deadlines/",
        taken=201,
        body={"series": "tasmania", "gate_closure": "10:00", "days_ahead": 1, "guard_before": "PT30M", "enabled": True},
        cases=(
            ("series", "melbourne", "does_not_exist"),
            ("gate_closure", "25:00", "invalid"),
            ("days_ahead", 10**30, "invalid"),
            ("days_ahead", -1, "min_value"),
            ("guard_before", "half an hour", "invalid"),
            ("id", 5, "read_only"),
        ),
    ),
    Endpoint(
        method="PATCH",
        address="/api/v1/publication-deadlines/{id}/",
        of="deadline",
        body={"days_ahead": 2},
        cases=(("series", "tasmania", "invalid"), ("days_ahead", "two", "invalid"), ("day", 1, "unknown_field")),
    ),
    Endpoint(method="DELETE", address="/api/v1/publication-deadlines/{id}/", of="deadline", taken=204),
    Endpoint(
        method="POST",
        address="/api/v1/check-runs/",
        taken=201,
        body={
            "series": "victoria",
            "stage": "data",
            "period_start": ISSUED_AT,
            "period_end": LATER,
            "as_of": LATER,
            "airflow": AIRFLOW,
            "results": [
                {
                    "engine": "builtin",
                    "name": "gaps",
                    "status": "passed",
                    "severity": "fatal",
                    "value": 1,
                    "threshold": 2,
                    "message": "",
                }
            ],
        },
        cases=(
            ("series", "atlantis", "does_not_exist"),
            ("stage", "moon", "invalid_choice"),
            ("period_end", ISSUED_AT, "invalid"),
            ("as_of", NAIVE, "naive"),
            ("results", [], "empty"),
            ("results.0.status", "good", "invalid_choice"),
            ("results.0.value", [1], "invalid"),
            ("results.0.message", LONG, "max_length"),
            ("results.0.note", "so", "unknown_field"),
            ("status", "passed", "read_only"),
        ),
    ),
    Endpoint(method="PUT", address="/api/v1/check-runs/{run_id}/reports/{name}"),
    Endpoint(
        method="POST",
        address="/api/v1/scores/bulk/",
        body=[
            {
                "forecast_run": "<run>",
                "as_of": "2014-11-02T14:00:00Z",
                "n": 96,
                "expected": 96,
                "actuals_sha256": "ab" * 32,
                "mae": 120.5,
                "coverage_80": 0.81,
                "baseline": {"n": 96, "mae": 300.0, "mape": None},
                "by_lead_time": [{"lead_time_from": 0, "lead_time_to": 6, "mae": 80.0}],
                "by_day": [{"date": "2014-11-02", "n": 48, "mae": 80.0}],
                "airflow": AIRFLOW,
            }
        ],
        cases=(
            ("0.forecast_run", 999_999, "unknown_run"),
            ("0.forecast_run", 10**30, "invalid"),
            ("0.as_of", NAIVE, "naive"),
            ("0.n", -1, "min_value"),
            ("0.mae", "NaN", "invalid"),
            ("0.mae", {"mae": 1}, "invalid"),
            ("0.coverage_80", 1.5, "max_value"),
            ("0.actuals_sha256", LONG, "invalid"),
            ("0.baseline.mae", "much", "figure"),
            ("0.by_day.0.date", "someday", "figure"),
            ("0.by_day", [5], "not_a_dict"),
            ("0.mase", 1.0, "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/accuracy-signals/",
        taken=201,
        body={
            "series": "victoria",
            "as_of": LATER,
            "window_days": 14,
            "n": 14,
            "mae": 300.0,
            "naive_mae": 350.0,
            "reference_mae": None,
            "state": "unknown",
            "message": "too few",
            "airflow": AIRFLOW,
        },
        cases=(
            ("series", LONG, "does_not_exist"),
            ("window_days", 0, "min_value"),
            ("mae", "Infinity", "invalid"),
            ("state", "fine", "invalid_choice"),
            ("retrain", "perhaps", "invalid"),
            ("message", NUL, "null_characters_not_allowed"),
            ("skill", 1.0, "unknown_field"),
        ),
    ),
    Endpoint(
        method="PATCH",
        address="/api/v1/retention-rules/{id}/",
        of="retention_rule",
        body={"enabled": False},
        cases=(
            ("keep_days", 0, "min_value"),
            ("keep_days", 10**30, "invalid"),
            ("keep_days", "NaN", "invalid"),
            ("kind", "mails", "read_only"),
            ("keep", 5, "unknown_field"),
        ),
    ),
    Endpoint(
        method="POST",
        address="/api/v1/retention-runs/",
        taken=201,
        body={"as_of": ISSUED_AT, "dry_run": True, "confirm": False, "airflow": AIRFLOW},
        cases=(
            ("as_of", NAIVE, "naive"),
            ("dry_run", None, "null"),
            ("dry_run", "perhaps", "invalid"),
            ("airflow.dag_id", NUL, "null_characters_not_allowed"),
            ("force", True, "unknown_field"),
        ),
    ),
    Endpoint(
        method="PATCH",
        address="/api/v1/retention-runs/{id}/",
        of="retention",
        taken=409,
        body={"outcomes": [{"kind": "orphaned_artifacts", "found": 1, "deleted": 0, "finished": True}]},
        cases=(
            ("outcomes", "none", "not_a_list"),
            ("outcomes.0.kind", "mails", "invalid_choice"),
            ("outcomes.0.found", 2**63, "max_value"),
            ("outcomes.0.oldest", NAIVE, "naive"),
            ("outcomes.0.examples", "a", "not_a_list"),
            ("outcomes.0.note", "a", "unknown_field"),
        ),
    ),
    Endpoint(method="POST", address="/api/v1/retention-runs/{id}/advance/", of="retention"),
    Endpoint(
        method="PATCH",
        address="/api/v1/alert-rules/{id}/",
        of="alert_rule",
        body={"name": "Checks", "addresses": ["olga@example.org"], "enabled": True},
        cases=(
            ("name", LONG, "max_length"),
            ("series", "atlantis", "does_not_exist"),
            ("minimum_severity", "awful", "invalid_choice"),
            ("addresses", "olga@example.org", "not_a_list"),
            ("addresses.0", "olga", "invalid"),
            ("signal", "accuracy_lost", "read_only"),
            ("adresses", [], "unknown_field"),
        ),
    ),
    Endpoint(method="POST", address="/api/v1/alerts/{id}/acknowledge/"),
)
"""One for each operation that writes; a test holds them to the OpenAPI document."""
