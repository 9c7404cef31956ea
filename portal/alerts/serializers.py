"""Rules and alerts as the API takes and gives them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework import serializers

from portal.alerts.models import Alert, AlertRule
from portal.core.bodies import Body, NamedField
from portal.series.models import Series, Source


class AlertRuleSerializer(Body, serializers.ModelSerializer[AlertRule]):
    """A rule; `series` null means every series (of checks), `source` null every source (of ingests)."""

    series = NamedField(slug_field="slug", queryset=Series.objects.all(), allow_null=True)
    source = NamedField(  # type: ignore[assignment]  # a field of this name, as the contract has it
        slug_field="slug", queryset=Source.objects.all(), allow_null=True
    )
    addresses = serializers.ListField(child=serializers.EmailField(), max_length=50)

    class Meta:
        model = AlertRule
        fields = (
            "id",
            "name",
            "signal",
            "series",
            "source",
            "minimum_severity",
            "notify_operators",
            "addresses",
            "enabled",
        )
        read_only_fields = ("signal",)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        changed = AlertRule(**{field: getattr(self.instance, field) for field in _FIELDS} | attrs)
        try:
            changed.validate_constraints(exclude={"id", "name"})
        except ModelValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return attrs


_FIELDS = ("name", "signal", "series", "source", "minimum_severity", "notify_operators", "addresses", "enabled")


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert: what failed, since when, and who looks after it.

    It is about a check of a series, about a source, about the forecasts of a series (then `engine` is publication or
    accuracy) or about the decisions on its models, without a series on all (`engine` is audit): then `message` says
    what is wrong.
    """

    rule = serializers.SlugRelatedField[AlertRule](slug_field="name", read_only=True)
    signal = serializers.ChoiceField(source="rule.signal", choices=AlertRule.Signal.choices, read_only=True)
    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True, allow_null=True)
    source = serializers.SlugRelatedField[Source](  # type: ignore[assignment]
        slug_field="slug", read_only=True, allow_null=True
    )
    acknowledged_by = serializers.CharField(source="acknowledged_by.username", read_only=True, default=None)

    class Meta:
        model = Alert
        fields = (
            "id",
            "rule",
            "signal",
            "series",
            "engine",
            "check_name",
            "source",
            "message",
            "severity",
            "state",
            "first_run",
            "latest_run",
            "first_ingest",
            "latest_ingest",
            "fired_at",
            "acknowledged_by",
            "acknowledged_at",
            "resolved_by",
            "resolved_by_ingest",
            "resolved_at",
        )
