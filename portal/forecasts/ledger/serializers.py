"""What the questions to the ledger are answered with."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.forecasts.models import ForecastRun


class NewestValueSerializer(serializers.Serializer[dict[str, Any]]):
    """One quantile of one valid time, and the run that it is from."""

    valid_time = serializers.DateTimeField()
    local_time = serializers.CharField(help_text="On the clock of the series, with its offset")
    run = serializers.IntegerField()
    issue_time = serializers.DateTimeField()
    rung = serializers.ChoiceField(choices=ForecastRun.Rung.choices)
    quantile = serializers.FloatField()
    value = serializers.FloatField(help_text="In the unit of the series")


class ComparedRunSerializer(serializers.Serializer[Any]):
    """One of the two runs of a comparison."""

    id = serializers.IntegerField()
    issue_time = serializers.DateTimeField()
    rung = serializers.ChoiceField(choices=ForecastRun.Rung.choices)
    published_at = serializers.DateTimeField()


class RevisionSummarySerializer(serializers.Serializer[Any]):
    """What the changes come to, at the median where both runs have it."""

    quantile = serializers.FloatField()
    n = serializers.IntegerField(help_text="Valid times that both runs have")
    mean_absolute_change = serializers.FloatField()
    mean_change = serializers.FloatField()
    largest_change = serializers.FloatField()
    largest_change_at = serializers.DateTimeField()


class ChangeSerializer(serializers.Serializer[Any]):
    """One quantile of one valid time in both runs."""

    valid_time = serializers.DateTimeField()
    local_time = serializers.CharField()
    quantile = serializers.FloatField()
    value = serializers.FloatField()
    earlier = serializers.FloatField()
    change = serializers.FloatField()


class RevisionSerializer(serializers.Serializer[Any]):
    """What a run changed against another."""

    run = ComparedRunSerializer()
    against = ComparedRunSerializer()
    unit = serializers.CharField()
    summary = RevisionSummarySerializer(allow_null=True, help_text="null: the runs have no valid time in common")
    changes = ChangeSerializer(many=True)
