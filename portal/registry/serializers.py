"""Model versions as the API takes and gives them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.validators import RegexValidator
from rest_framework import serializers

from portal.core.airflow import AirflowRunSerializer
from portal.core.times import TimeField
from portal.registry.models import Decision, ModelVersion
from portal.series.models import Series


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    """One entry of a model's history."""

    by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)

    class Meta:
        model = Decision
        fields = ("decision", "by", "reason", "at")


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version with its history."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)
    trained_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)
    approved_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True, allow_null=True)
    decisions = DecisionSerializer(many=True, read_only=True)

    class Meta:
        model = ModelVersion
        fields = (
            "id",
            "series",
            "version",
            "kind",
            "status",
            "training_key",
            "artifact_uri",
            "artifact_sha256",
            "training_start",
            "training_end",
            "data_cutoff",
            "parameters",
            "features",
            "evidence",
            "library_versions",
            "code_version",
            "trained_by",
            "airflow",
            "registered_at",
            "approved_by",
            "approved_at",
            "decisions",
        )


class CandidateSerializer(serializers.Serializer[dict[str, Any]]):
    """A training to be registered. The person who triggered it is named by username."""

    series = serializers.SlugRelatedField(slug_field="slug", queryset=Series.objects.all())
    kind = serializers.CharField(max_length=64)
    training_key = serializers.CharField(max_length=128)
    artifact_uri = serializers.CharField(max_length=1024)
    artifact_sha256 = serializers.CharField(
        validators=[RegexValidator(r"\A[0-9a-f]{64}\Z", "64 lower-case hex digits")]
    )
    training_start = TimeField()
    training_end = TimeField()
    data_cutoff = TimeField()
    parameters = serializers.DictField(required=False, default=dict)
    features = serializers.ListField(child=serializers.CharField(max_length=200), required=False, default=list)
    evidence = serializers.DictField(required=False, default=dict)
    library_versions = serializers.DictField(child=serializers.CharField(max_length=100), required=False, default=dict)
    code_version = serializers.CharField(max_length=128, required=False, default="", allow_blank=True)
    trained_by = serializers.SlugRelatedField(slug_field="username", queryset=User.objects.filter(is_active=True))
    airflow = AirflowRunSerializer(required=False, default=dict)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["training_start"] >= attrs["training_end"]:
            raise serializers.ValidationError({"training_end": "The training period ends before it starts."})
        return attrs


class ReasonSerializer(serializers.Serializer[dict[str, str]]):
    """Why a decision was taken."""

    reason = serializers.CharField(max_length=2000)
