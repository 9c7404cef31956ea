"""The Airflow run behind a fact, as the pipeline names it."""

from __future__ import annotations

from rest_framework import serializers


class AirflowRunSerializer(serializers.Serializer[dict[str, str]]):
    """Which run of which DAG did it."""

    dag_id = serializers.CharField(max_length=250)
    run_id = serializers.CharField(max_length=250)
