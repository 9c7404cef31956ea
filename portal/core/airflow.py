"""The Airflow run behind a fact, as the pipeline names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request

from portal.core.bodies import Body
from portal.core.problems import Problem


class AirflowRunSerializer(Body):
    """Which run of which DAG did it."""

    dag_id = serializers.CharField(max_length=250)
    run_id = serializers.CharField(max_length=250)


def read_airflow(request: Request) -> dict[str, str]:
    """The run that `dag_id` and `run_id` of the query string name; none where neither is given. Raises Problem."""
    given = {name: request.query_params[name] for name in ("dag_id", "run_id") if name in request.query_params}
    if not given:
        return {}
    named = AirflowRunSerializer(data=given)
    if not named.is_valid():
        errors = [
            {"field": name, "value": given.get(name), "rule": error.code, "message": f"{name}: {error}"}
            for name, found in named.errors.items()
            for error in found
        ]
        raise Problem("A run of Airflow is named by dag_id and run_id, both or neither.", errors=errors)
    return dict(named.validated_data)


def airflow_url(airflow: Mapping[str, Any]) -> str:
    """Where people see the run of ``{dag_id, run_id}``; empty where none is known."""
    dag, run = airflow.get("dag_id"), airflow.get("run_id")
    if not (dag and run):
        return ""
    base = settings.AIRFLOW_PUBLIC_URL.rstrip("/")
    return f"{base}/dags/{quote(str(dag), safe='')}/runs/{quote(str(run), safe='')}"
