"""The facts of a training as the pipeline posts them."""

from __future__ import annotations

from typing import Any


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "series": "victoria",
        "kind": "arima",
        "training_key": "key-1",
        "artifact_uri": "file:///artifacts/victoria/key-1",
        "artifact_sha256": "ab" * 32,
        "training_start": "2013-12-31T14:00:00Z",
        "training_end": "2014-11-01T00:00:00Z",
        "data_cutoff": "2014-11-01T01:00:00Z",
        "parameters": {"order": [2, 0, 1]},
        "features": ["temperature"],
        "evidence": {"metrics": {"mae": 180.5}, "by_lead_time": []},
        "library_versions": {"statsmodels": "0.15.0"},
        "code_version": "0.1.0",
        "trained_by": "forecaster",
        "airflow": {"dag_id": "train_models", "run_id": "manual__1"},
        **changes,
    }
