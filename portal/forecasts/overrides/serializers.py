"""Adjustments as the API takes them, and what they were worth."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.core.bodies import Body
from portal.core.figures import FiniteField
from portal.core.times import TimeField
from portal.forecasts.incoming import LONGEST_REASON

MOST_VALUES = 10_000


class OverrideRequestSerializer(Body):
    """What to change: a percentage of every quantile, or values of the median; one of the two."""

    start = TimeField()
    end = TimeField(help_text="The period is half-open")
    reason = serializers.CharField(max_length=LONGEST_REASON)
    percentage = FiniteField(
        required=False, allow_null=True, default=None, help_text="Above -100, at most 1000: 5 makes 100 MW 105 MW"
    )
    values = serializers.ListField(
        child=FiniteField(),
        required=False,
        allow_null=True,
        default=None,
        min_length=1,
        max_length=MOST_VALUES,
        help_text="In order of time, one per interval; one alone is for every interval. The other quantiles move along",
    )


class WorthSerializer(serializers.Serializer[Any]):
    """Errors before and after adjusting, on the same `n` intervals, in the unit of the series."""

    person = serializers.CharField(allow_null=True, help_text="null: all together")
    overrides = serializers.IntegerField()
    scored = serializers.IntegerField(help_text="Overrides of which both runs are scored on the same actuals")
    n = serializers.IntegerField()
    mae_original = serializers.FloatField(allow_null=True)
    mae_adjusted = serializers.FloatField(allow_null=True)
    value_added = serializers.FloatField(allow_null=True, help_text="mae_original - mae_adjusted")


class ValueAddedSerializer(serializers.Serializer[Any]):
    """What adjustments were worth, per person and in all."""

    series = serializers.CharField()
    unit = serializers.CharField()
    people = WorthSerializer(many=True)
    total = WorthSerializer()
