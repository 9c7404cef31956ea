"""The Airflow run behind a fact, as the pipeline names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from rest_framework import serializers


class AirflowRunSerializer(serializers.Serializer[dict[str, str]]):
    """Which run of which DAG did it."""

    dag_id = serializers.CharField(max_length=250)
    run_id = serializers.CharField(max_length=250)


def airflow_url(airflow: Mapping[str, Any]) -> str:
    """Where people see the run of ``{dag_id, run_id}``; empty where none is known."""
    dag, run = airflow.get("dag_id"), airflow.get("run_id")
    if not (dag and run):
        return ""
    base = settings.AIRFLOW_PUBLIC_URL.rstrip("/")
    return f"{base}/dags/{quote(str(dag), safe='')}/runs/{quote(str(run), safe='')}"
