"""Forecast runs as the API takes and gives them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.forecasts.models import ForecastRun
from portal.series.models import Series
from portal.series.serializers import ChampionSerializer


class ForecastRunSerializer(serializers.ModelSerializer[ForecastRun]):
    """A run without its values."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)
    model = ChampionSerializer(read_only=True, allow_null=True)
    airflow = serializers.DictField(read_only=True, help_text="dag_id and run_id, or empty")
    adjusted_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)
    adjustment = serializers.DictField(read_only=True)

    class Meta:
        model = ForecastRun
        fields = (
            "id",
            "series",
            "issue_time",
            "model",
            "data_cutoff",
            "rung",
            "reason",
            "publisher",
            "airflow",
            "adjusts",
            "adjusted_by",
            "adjustment",
            "quantiles",
            "valid_from",
            "valid_until",
            "value_count",
            "published_at",
        )


class ForecastSerializer(serializers.ModelSerializer[ForecastRun]):
    """A run with its values, one entry per valid time: `valid_time`, `local_time`, and each quantile by its name."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)
    unit = serializers.CharField(source="series.unit", read_only=True)
    timezone = serializers.CharField(source="series.timezone", read_only=True)
    model = ChampionSerializer(read_only=True, allow_null=True)
    adjusted_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)
    values = serializers.SerializerMethodField()

    class Meta:
        model = ForecastRun
        fields = (
            "id",
            "series",
            "unit",
            "timezone",
            "issue_time",
            "data_cutoff",
            "model",
            "rung",
            "reason",
            "publisher",
            "adjusts",
            "adjusted_by",
            "adjustment",
            "quantiles",
            "published_at",
            "values",
        )

    @extend_schema_field(
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["valid_time", "local_time"],
                "properties": {
                    "valid_time": {"type": "string", "format": "date-time"},
                    "local_time": {"type": "string", "format": "date-time"},
                },
                "additionalProperties": {"type": "number", "description": "Value of the quantile of this name"},
            },
        }
    )
    def get_values(self, run: ForecastRun) -> list[dict[str, Any]]:
        from portal.forecasts.queries import values_by_time

        return values_by_time(run)


class ForecastValueSerializer(serializers.Serializer[dict[str, Any]]):
    """One value of a run."""

    valid_time = serializers.DateTimeField()
    quantile = serializers.FloatField()
    value = serializers.FloatField()


class PublishedRunSerializer(serializers.Serializer[Any]):
    """What became of one run."""

    id = serializers.IntegerField()
    series = serializers.CharField()
    issue_time = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=("created", "unchanged"))
    deadline = serializers.DateTimeField(allow_null=True, help_text="The first one after the issue time, if any is set")
    minutes_before = serializers.IntegerField(allow_null=True, help_text="From the publication to it; negative if late")


class PublishedSerializer(serializers.Serializer[Any]):
    """What became of the runs of a body."""

    runs = PublishedRunSerializer(many=True)
