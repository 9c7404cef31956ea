"""Ingest runs as the API takes and gives them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.airflow import AirflowRunSerializer
from portal.core.bodies import Body, NamedField
from portal.core.negotiation import dumps
from portal.core.times import TimeField
from portal.series.ingests.operations import COUNTS
from portal.series.models import IngestRun, Source

MOST_ROWS = 2**63 - 1
MOST_NOTES = 1000
LONGEST_POSITION = 65_536
"""Bytes of JSON: a position says where to go on, and carries no rows."""
LONGEST_ERROR = 20_000


class NoteSerializer(Body):
    """A declared rule that changed or left out rows without fault."""

    rule = serializers.CharField(max_length=64)
    count = serializers.IntegerField(min_value=0, max_value=MOST_ROWS)
    message = serializers.CharField(max_length=2000, allow_blank=True)


class IngestRequestSerializer(Body):
    """Which run of which DAG reads which source, for which time and period."""

    source = NamedField(  # type: ignore[assignment]  # a field of this name, as the contract has it
        slug_field="slug", queryset=Source.objects.all()
    )
    airflow = AirflowRunSerializer()
    as_of = TimeField()
    period_start = TimeField(allow_null=True, default=None, help_text="null: from the beginning")
    period_end = TimeField(allow_null=True, default=None, help_text="null: to the end")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs["period_start"], attrs["period_end"]
        if start is not None and end is not None and start >= end:
            raise serializers.ValidationError({"period_end": "The period ends before it starts."})
        return attrs


class CountField(serializers.IntegerField):
    """How many rows; a number, and no text of digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MOST_ROWS, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class ErrorField(serializers.CharField):
    """What was wrong, in the connector's words: cut where it is long, as no failure is too long to be told."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).replace("\0", "\N{REPLACEMENT CHARACTER}")
        return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"


class IngestProgressSerializer(Body):
    """How far a running ingest is, or how it ended; what is not named stays as it is."""

    received = CountField(required=False)
    inserted = CountField(required=False)
    corrected = CountField(required=False)
    unchanged = CountField(required=False)
    quarantined = CountField(required=False)
    notes: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=NoteSerializer(), required=False, max_length=MOST_NOTES
    )
    position = serializers.JSONField(required=False, allow_null=True, help_text="Where a repetition goes on")
    state = serializers.ChoiceField(
        choices=[IngestRun.State.DONE.value, IngestRun.State.FAILED.value], required=False, help_text="How it ended"
    )
    error = ErrorField(required=False, help_text="What was wrong, of one that failed")

    def validate_position(self, position: Any) -> Any:
        if len(dumps(position)) > LONGEST_POSITION:
            raise serializers.ValidationError(f"A position has at most {LONGEST_POSITION} bytes of JSON.")
        return position

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        failed = attrs.get("state") == IngestRun.State.FAILED
        if failed and "error" not in attrs:
            raise serializers.ValidationError({"error": "A failed ingest says what was wrong."})
        if "error" in attrs and not failed:
            raise serializers.ValidationError(
                {"error": "Only a failed ingest has an error; say state: failed with it."}
            )
        return attrs


class IngestRunSerializer(serializers.ModelSerializer[IngestRun]):
    """A reading of a source."""

    source = serializers.SlugRelatedField[Source](slug_field="slug", read_only=True)  # type: ignore[assignment]
    airflow = serializers.SerializerMethodField()
    notes = NoteSerializer(many=True, read_only=True)

    class Meta:
        model = IngestRun
        fields = (
            "id",
            "source",
            "airflow",
            "as_of",
            "period_start",
            "period_end",
            "state",
            *COUNTS,
            "notes",
            "position",
            "error",
            "started_at",
            "updated_at",
        )
        read_only_fields = fields

    @extend_schema_field(AirflowRunSerializer)
    def get_airflow(self, run: IngestRun) -> dict[str, str]:
        return run.airflow
