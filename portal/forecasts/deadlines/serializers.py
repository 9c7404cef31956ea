"""Deadlines and what became of them, as the API takes and gives them."""

from __future__ import annotations

from rest_framework import serializers

from portal.core.bodies import Body, NamedField
from portal.core.resolution import DurationField
from portal.forecasts.models import DeadlineRecord, PublicationDeadline
from portal.series.models import Series


class PublicationDeadlineSerializer(Body, serializers.ModelSerializer[PublicationDeadline]):
    """By when the forecast of a delivery day must be out, on the clock of the series."""

    series = NamedField(slug_field="slug", queryset=Series.objects.filter(quantity="load"), what="load series")
    publish_before = DurationField(
        required=False,
        allow_null=True,
        help_text="So long before the deadline Airflow is asked for the forecast: PT2H; null: never",
    )
    guard_before = DurationField(required=False, help_text="So long before the deadline the guard acts: PT30M")

    class Meta:
        model = PublicationDeadline
        fields = ("id", "series", "gate_closure", "days_ahead", "publish_before", "guard_before", "enabled")

    def validate_series(self, series: Series) -> Series:
        if self.instance is not None and series != self.instance.series:
            raise serializers.ValidationError("A deadline stays with its series.")
        return series


class DeadlineRecordSerializer(serializers.ModelSerializer[DeadlineRecord]):
    """What was there for a delivery day when the guard looked."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)

    class Meta:
        model = DeadlineRecord
        fields = ("id", "series", "delivery_day", "deadline", "outcome", "run", "reason", "recorded_at")
