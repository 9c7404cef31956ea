"""Forecast runs and scores as the API takes and gives them."""

from __future__ import annotations

import math
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.times import TimeField
from portal.forecasts.models import ForecastRun, ForecastScore
from portal.series.models import Series
from portal.series.serializers import ChampionSerializer

MOST_SCORES = 10_000


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


class FiniteField(serializers.FloatField):
    """A number that JSON can hold."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class ScoreRequestSerializer(serializers.Serializer[dict[str, Any]]):
    """How good a run was; a figure that is undefined is null."""

    forecast_run = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    as_of = TimeField()
    n = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    mae = FiniteField(allow_null=True, required=False, default=None)
    rmse = FiniteField(allow_null=True, required=False, default=None)
    mape = FiniteField(allow_null=True, required=False, default=None)
    pinball = FiniteField(allow_null=True, required=False, default=None)
    coverage_80 = FiniteField(allow_null=True, required=False, default=None)
    bias = FiniteField(allow_null=True, required=False, default=None)
    baseline = serializers.DictField(required=False, default=dict)
    by_lead_time = serializers.JSONField(required=False, default=list)  # type: ignore[arg-type]


class ScoreSerializer(serializers.ModelSerializer[ForecastScore]):
    """How good a run was."""

    series = serializers.CharField(source="forecast_run.series.slug", read_only=True)
    issue_time = serializers.DateTimeField(source="forecast_run.issue_time", read_only=True)
    by_lead_time = serializers.JSONField(read_only=True)

    class Meta:
        model = ForecastScore
        fields = (
            "id",
            "forecast_run",
            "series",
            "issue_time",
            "as_of",
            "n",
            "mae",
            "rmse",
            "mape",
            "pinball",
            "coverage_80",
            "bias",
            "baseline",
            "by_lead_time",
            "recorded_at",
        )


class RecordedScoreSerializer(serializers.Serializer[Any]):
    """What became of one score."""

    id = serializers.IntegerField()
    forecast_run = serializers.IntegerField()
    as_of = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=("created", "updated", "unchanged"))


class RecordedScoresSerializer(serializers.Serializer[Any]):
    """What became of the scores of a body."""

    scores = RecordedScoreSerializer(many=True)
