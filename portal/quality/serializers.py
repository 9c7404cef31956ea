"""Check runs as the API takes and gives them."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from portal.core.airflow import AirflowRunSerializer
from portal.core.bodies import Body, NamedField
from portal.core.times import TimeField
from portal.quality.models import CheckReport, CheckResult, CheckRun
from portal.series.models import Series


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}], "nullable": True})
class ScalarField(serializers.Field[Any, Any, Any, Any]):
    """A number, a text, a truth value or null: what a check measured, or its threshold."""

    default_error_messages = {"invalid": "A number, a text, a truth value or null is wanted."}  # noqa: RUF012

    def to_internal_value(self, data: object) -> object:
        if not isinstance(data, str | int | float | bool) or (isinstance(data, float) and not math.isfinite(data)):
            self.fail("invalid")
        if isinstance(data, str) and len(data) > 500:
            return data[:499] + "…"
        return data

    def to_representation(self, value: object) -> object:
        return value


class CheckResultSerializer(Body, serializers.ModelSerializer[CheckResult]):
    """One result of a run."""

    value = ScalarField(allow_null=True, default=None)
    threshold = ScalarField(allow_null=True, default=None)
    message = serializers.CharField(allow_blank=True, default="", max_length=5000)

    class Meta:
        model = CheckResult
        fields = ("engine", "name", "status", "severity", "value", "threshold", "message")


class CheckReportSerializer(serializers.ModelSerializer[CheckReport]):
    """A stored report: where it is served, and what it should hash to."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = CheckReport
        fields = ("name", "size", "sha256", "uploaded_at", "url")

    def get_url(self, report: CheckReport) -> str:
        return reverse("check-run-report", args=(report.run_id, report.name), request=self.context.get("request"))


class CheckRunSerializer(Body, serializers.ModelSerializer[CheckRun]):
    """A run with its results; its status is derived from them."""

    series = NamedField(slug_field="slug", queryset=Series.objects.all())
    period_start = TimeField()
    period_end = TimeField()
    as_of = TimeField(help_text="The checks saw what was known at this time")
    airflow = AirflowRunSerializer(required=False, default=dict)
    results = CheckResultSerializer(many=True, allow_empty=False)
    reports = CheckReportSerializer(many=True, read_only=True)

    class Meta:
        model = CheckRun
        fields = (
            "id",
            "series",
            "stage",
            "period_start",
            "period_end",
            "as_of",
            "airflow",
            "status",
            "recorded_at",
            "results",
            "reports",
        )
        read_only_fields = ("status", "recorded_at")

    def validate_results(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        named = Counter((result["engine"], result["name"]) for result in results)
        twice = sorted(f"{engine}: {name}" for (engine, name), times in named.items() if times > 1)
        if twice:
            raise serializers.ValidationError(
                f"Each check is reported once in a run; reported twice: {', '.join(twice)}."
            )
        return results

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["period_start"] >= attrs["period_end"]:
            raise serializers.ValidationError({"period_end": "The period ends before it starts."})
        return attrs
