"""What a test says of an endpoint that writes, and the world in which it is asked."""

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
