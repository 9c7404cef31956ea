"""What the tasks tell the portal, as small as the portal takes it; every fact can be replaced."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from django.contrib.auth.models import User

from include.portal import Portal
from portal.registry import operations as registry
from portal.registry.models import ModelVersion
from tests.include.town import END, HALF_HOUR, START

AIRFLOW = {"dag_id": "some_dag", "run_id": "manual__1"}


def check_run(*, status: str = "passed", as_of: datetime = END, **facts: Any) -> dict[str, Any]:
    """A check run of one fatal check, passed or failed."""
    result = {"engine": "builtin", "name": "freshness", "status": status, "severity": "fatal", "message": "by hand"}
    return {
        "series": "town",
        "stage": "data",
        "period_start": START.isoformat(),
        "period_end": as_of.isoformat(),
        "as_of": as_of.isoformat(),
        "airflow": AIRFLOW,
        "results": [result],
        **facts,
    }


def training(key: str = "key-1", **facts: Any) -> dict[str, Any]:
    """A training whose artifact nobody has written."""
    return {
        "series": "town",
        "kind": "seasonal_naive",
        "training_key": key,
        "artifact_uri": f"file:///nowhere/{key}",
        "artifact_sha256": "ab" * 32,
        "training_start": START.isoformat(),
        "training_end": END.isoformat(),
        "data_cutoff": END.isoformat(),
        "trained_by": "airflow",
        "airflow": AIRFLOW,
        **facts,
    }


def approve(model_id: int, *, at: datetime = END) -> ModelVersion:
    """Make a candidate the champion, by the approver."""
    model = ModelVersion.objects.get(pk=model_id)
    by = User.objects.get(username="approver")
    return registry.approve_model(model, by=by, reason="Better than the naive.", at=at)


def roll_back(champion_id: int) -> int:
    """Put the champion before back, by the approver; returns its id."""
    champion = ModelVersion.objects.get(pk=champion_id)
    by = User.objects.get(username="approver")
    return registry.roll_back(champion, by=by, reason="It drifts.", at=END).pk


def forecast_rows(*, issue_time: datetime = END, hours: float = 24, **facts: Any) -> pd.DataFrame:
    """A seasonal naive by hand: 40, 50 and 60 MW from the issue time on."""
    times = pd.date_range(issue_time, issue_time + timedelta(hours=hours), freq=HALF_HOUR, inclusive="left")
    parts = [
        pd.DataFrame({"valid_time": times, "quantile": q, "value": v}) for q, v in ((0.1, 40), (0.5, 50), (0.9, 60))
    ]
    return (
        pd.concat(parts, ignore_index=True)
        .assign(
            series="town",
            issue_time=issue_time,
            model_id=None,
            data_cutoff=issue_time,
            rung="seasonal_naive",
            reason="by hand",
            value=lambda frame: frame["value"].astype("float64"),
        )
        .assign(**facts)
    )


def publish_by_hand(portal: Portal, **facts: Any) -> int:
    """Put such a run into the ledger; returns its id."""
    return int(portal.publish(forecast_rows(**facts))[0]["id"])
