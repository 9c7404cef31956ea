"""Rules, runs and registered artifacts as the API takes and gives them."""

from __future__ import annotations

from rest_framework import serializers

from portal.core.airflow import AirflowRunSerializer
from portal.core.bodies import Body
from portal.core.times import TimeField
from portal.registry.models import ModelVersion
from portal.retention.kinds import PIPELINE_KINDS
from portal.retention.models import LONGEST_KEPT_DAYS, RetentionOutcome, RetentionRule, RetentionRun
from portal.series.models import Series

MOST_EXAMPLES = 100
MOST = 2**62


class RetentionRuleSerializer(Body, serializers.ModelSerializer[RetentionRule]):
    """A rule: what is older than `keep_days` is deleted while the rule is enabled; null keeps it for good."""

    keep_days = serializers.IntegerField(min_value=1, max_value=LONGEST_KEPT_DAYS, allow_null=True)
    about = serializers.CharField(source="get_kind_display", read_only=True)
    counted_from = serializers.CharField(source="policy.counted_from", read_only=True)
    at_least = serializers.IntegerField(source="policy.at_least", read_only=True, help_text="Fewest days allowed")
    kept = serializers.CharField(source="policy.kept", read_only=True, help_text="What stays however old it is")

    class Meta:
        model = RetentionRule
        fields = ("id", "kind", "about", "keep_days", "enabled", "counted_from", "at_least", "kept")
        read_only_fields = ("kind",)


class RetentionOutcomeSerializer(serializers.ModelSerializer[RetentionOutcome]):
    """What a rule found, and how much of it is deleted."""

    class Meta:
        model = RetentionOutcome
        fields = (
            "kind",
            "keep_days",
            "cutoff",
            "found",
            "total",
            "deleted",
            "bytes",
            "oldest",
            "newest",
            "held",
            "finished",
            "examples",
        )


class RetentionRunSerializer(serializers.ModelSerializer[RetentionRun]):
    """A run of the retention, with what each rule found."""

    by = serializers.CharField(source="by.username", read_only=True)
    outcomes = RetentionOutcomeSerializer(many=True, read_only=True)

    class Meta:
        model = RetentionRun
        fields = (
            "id",
            "as_of",
            "dry_run",
            "confirmed",
            "state",
            "by",
            "airflow",
            "started_at",
            "finished_at",
            "outcomes",
        )


class RetentionRequestSerializer(Body):
    """As of when, and whether anything is to be deleted."""

    as_of = TimeField()
    dry_run = serializers.BooleanField(help_text="true: only count what would be deleted")
    confirm = serializers.BooleanField(default=False, help_text="Delete even where it is more than half of all records")
    airflow = AirflowRunSerializer(required=False, default=dict)


class PipelineOutcomeSerializer(Body):
    """What the pipeline found of one kind that only it reaches."""

    kind = serializers.ChoiceField(choices=[(kind.value, kind.label) for kind in PIPELINE_KINDS])
    found = serializers.IntegerField(min_value=0, max_value=MOST)
    total = serializers.IntegerField(min_value=0, max_value=MOST, required=False)
    deleted = serializers.IntegerField(min_value=0, max_value=MOST)
    bytes = serializers.IntegerField(min_value=0, max_value=MOST, required=False)
    oldest = TimeField(required=False, allow_null=True)
    newest = TimeField(required=False, allow_null=True)
    held = serializers.BooleanField(required=False)
    finished = serializers.BooleanField()
    examples = serializers.ListField(
        child=serializers.CharField(max_length=1024), required=False, max_length=MOST_EXAMPLES
    )


class PipelineReportSerializer(Body):
    """What the pipeline found and deleted, of what lies in the storage of models."""

    outcomes = PipelineOutcomeSerializer(many=True)


class RegisteredArtifactSerializer(serializers.ModelSerializer[ModelVersion]):
    """Where the artifact of a model version lies, without the rest of its facts."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)
    rejected_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = ModelVersion
        fields = ("id", "series", "version", "status", "training_key", "artifact_uri", "rejected_at")
