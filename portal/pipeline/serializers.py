"""Requests to Airflow as the API gives them."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework import serializers

from portal.core.airflow import airflow_url
from portal.pipeline.models import DagRunRequest
from portal.series.models import Series


class DagRunRequestSerializer(serializers.ModelSerializer[DagRunRequest]):
    """A run that Airflow is asked for, and how far that has come."""

    conf = serializers.DictField(read_only=True, help_text="The params of the run")
    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True, allow_null=True)
    requested_by = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True, help_text="null: the portal itself"
    )
    delivery = serializers.ChoiceField(choices=("waiting", "failing", "sent"), read_only=True)
    airflow_url = serializers.SerializerMethodField(help_text="The run in Airflow; empty until Airflow has taken it")

    class Meta:
        model = DagRunRequest
        fields = (
            "id",
            "dag_id",
            "run_id",
            "conf",
            "reason",
            "series",
            "requested_by",
            "requested_at",
            "delivery",
            "attempts",
            "next_attempt_at",
            "last_error",
            "sent_at",
            "remark",
            "airflow_url",
        )

    def get_airflow_url(self, request: DagRunRequest) -> str:
        return airflow_url(request.airflow)
