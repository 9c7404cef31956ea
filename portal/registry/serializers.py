"""Model versions as the API takes and gives them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from portal.core.airflow import AirflowRunSerializer
from portal.core.bodies import Body, NamedField, NumberedField
from portal.core.times import TimeField
from portal.registry.models import ApprovalRule, AuditOutcome, Decision, ModelVersion
from portal.series.models import Series


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    """One entry of a model's history."""

    by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)

    class Meta:
        model = Decision
        fields = ("number", "decision", "by", "reason", "at", "automatic", "previous_sha256", "sha256")


class ChainSerializer(DecisionSerializer):
    """A link of the chain of decisions over all series: what was decided about which model."""

    series = serializers.CharField(source="model.series.slug", read_only=True)
    version = serializers.IntegerField(source="model.version", read_only=True)

    class Meta(DecisionSerializer.Meta):
        fields = ("series", "model", "version", *DecisionSerializer.Meta.fields)  # type: ignore[assignment]
        read_only_fields = fields


class AuditOutcomeSerializer(serializers.ModelSerializer[AuditOutcome]):
    """What an audit of the decisions found. Of one that could not be done, only that."""

    head = serializers.CharField(read_only=True, help_text="NUMBER:SHA256 of the newest decision")
    sound = serializers.BooleanField(read_only=True)

    class Meta:
        model = AuditOutcome
        fields = ("id", "at", "sound", "faults", "decision_count", "model_count", "head")
        read_only_fields = fields


class ApprovalRuleSerializer(Body, serializers.ModelSerializer[ApprovalRule]):
    """Whether candidates of a series are approved without asking, by which margin, and in whose name."""

    series = NamedField(
        slug_field="slug",
        queryset=Series.objects.all(),
        validators=[UniqueValidator(ApprovalRule.objects.all(), "The series has a rule already: change that one.")],
    )
    set_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)
    reason = serializers.CharField(max_length=2000)

    class Meta:
        model = ApprovalRule
        fields = ("id", "series", "enabled", "margin", "reason", "set_by", "set_at")
        read_only_fields = ("set_at",)


class RuleChangeSerializer(ApprovalRuleSerializer):
    """A change of a rule: every one has its reason, and the series stays."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)  # type: ignore[assignment]
    enabled = serializers.BooleanField(required=False)
    margin = serializers.FloatField(required=False, min_value=0.0, max_value=1.0)


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


class CandidateSerializer(Body):
    """A training to be registered. The person who triggered it is named by username."""

    series = NamedField(slug_field="slug", queryset=Series.objects.all())
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
    trained_by = NamedField(slug_field="username", queryset=User.objects.filter(is_active=True), what="active user")
    airflow = AirflowRunSerializer(required=False, default=dict)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["training_start"] >= attrs["training_end"]:
            raise serializers.ValidationError({"training_end": "The training period ends before it starts."})
        return attrs


class ReasonSerializer(Body):
    """Why a decision was taken."""

    reason = serializers.CharField(max_length=2000)


class RollbackSerializer(ReasonSerializer):
    """Why a champion is rolled back, and to which version; to the one that was replaced last where none is named."""

    to = NumberedField(
        queryset=ModelVersion.objects.select_related("series"), required=False, help_text="Id of a retired version"
    )
