"""Quarantined rows as the API takes and gives them."""

from __future__ import annotations

from math import isnan
from typing import Any

import orjson
from django.contrib.auth.models import User
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.bodies import Body, NamedField, NumberedField
from portal.core.times import TimeField
from portal.series.models import IngestRun, QuarantinedRow, Source
from portal.series.quarantine.readings import Reading

ROWS_AT_ONCE = 100_000
VALUES_OF_A_ROW = 10_000


class ReadingSerializer(Body):
    """A value of a series; null is a value that is known to be missing."""

    series = serializers.CharField(max_length=64)
    valid_time = TimeField()
    value = serializers.FloatField(allow_null=True)
    issue_time = TimeField(required=False, help_text="Of weather forecasts")

    def validate_value(self, value: float | None) -> float | None:
        if value is not None and isnan(value):
            raise serializers.ValidationError("NaN is no number; null is a value that is known to be missing.")
        return value


@extend_schema_field(ReadingSerializer(many=True))
class ReadingsField(serializers.ListField):
    """What could be read of a row, ``{series, valid_time, value}`` each; any part may be missing."""

    child = serializers.DictField()


class BadRowSerializer(Body):
    """A row that broke a rule."""

    row = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    raw = serializers.JSONField(allow_null=True, help_text="The row as it came")
    rule = serializers.CharField(max_length=64)
    message = serializers.CharField(allow_blank=True)
    values = ReadingsField(
        required=False, max_length=VALUES_OF_A_ROW, help_text="What could be read of it, each part or none"
    )


class OfAFileSerializer(Body):
    """A file of a source, and the run that read it."""

    source = NamedField(  # type: ignore[assignment]  # a field of this name, as the contract has it
        slug_field="slug", queryset=Source.objects.all()
    )
    file = serializers.CharField(max_length=1024)
    ingest_run = NumberedField(queryset=IngestRun.objects.all())


class QuarantineRequestSerializer(OfAFileSerializer):
    """Bad rows of one file of a source."""

    ingest_run = NumberedField(queryset=IngestRun.objects.all(), required=False, allow_null=True, default=None)
    rows: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=BadRowSerializer(), max_length=ROWS_AT_ONCE
    )


class QuarantineAnswerSerializer(serializers.Serializer[dict[str, int]]):
    """How many rows came, how many of them are new, and how many were kept already."""

    received = serializers.IntegerField()
    inserted = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class SettledSerializer(serializers.Serializer[dict[str, int]]):
    """How many rows have passed."""

    passed = serializers.IntegerField()


class DismissalSerializer(Body):
    """Why a row is left out."""

    reason = serializers.CharField(max_length=2000)


class ReplaySerializer(Body):
    """Why a row is accepted as it came, if there is more to say."""

    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class CorrectionSerializer(DismissalSerializer):
    """What a row should have said, and how that is known."""

    values: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=ReadingSerializer(), max_length=VALUES_OF_A_ROW
    )

    def validate_values(self, values: list[dict[str, Any]]) -> list[Reading]:
        return [Reading(**value) for value in values]


class QuarantinedRowSerializer(serializers.ModelSerializer[QuarantinedRow]):
    """A row as it came, and what became of it."""

    source = serializers.SlugRelatedField[Source](slug_field="slug", read_only=True)  # type: ignore[assignment]
    raw = serializers.SerializerMethodField()
    values = ReadingsField(read_only=True)
    ingest_run = serializers.PrimaryKeyRelatedField[IngestRun](source="last_seen_in", read_only=True)
    resolved_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)
    recorded = ReadingsField(read_only=True)

    class Meta:
        model = QuarantinedRow
        fields = (
            "id",
            "source",
            "file",
            "row",
            "rule",
            "message",
            "raw",
            "values",
            "recorded_at",
            "ingest_run",
            "status",
            "resolved_at",
            "resolved_by",
            "reason",
            "recorded",
        )

    @extend_schema_field(OpenApiTypes.ANY)
    def get_raw(self, row: QuarantinedRow) -> Any:
        return orjson.loads(row.raw)
