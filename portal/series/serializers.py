"""Series, sources, observations and weather forecasts as the API takes and gives them."""

from __future__ import annotations

from math import isnan
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.core.bodies import Body, NamedField
from portal.core.resolution import DurationField
from portal.forecasts.deadlines.queries import deadline_of
from portal.registry.models import ModelVersion
from portal.series.external_forecast import check_series
from portal.series.models import Covariate, Series, Source
from portal.series.source_kinds import check_source
from portal.series.validators import validate_resolution


class ChampionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version in short."""

    class Meta:
        model = ModelVersion
        fields = ("id", "version", "kind")


class CovariateSerializer(Body, serializers.ModelSerializer[Covariate]):
    """A series that helps to forecast another."""

    series = NamedField(slug_field="slug", queryset=Series.objects.all())

    class Meta:
        model = Covariate
        fields = ("name", "series", "weight")

    def validate_weight(self, weight: float) -> float:
        if not 0 < weight < float("inf"):
            raise serializers.ValidationError("A weight is a positive number.")
        return weight


class DegreesField(serializers.FloatField):
    """A latitude or longitude, from −`max_value` to `max_value`; null: the place is not known."""

    def __init__(self, *, max_value: float, **kwargs: Any) -> None:
        super().__init__(min_value=-max_value, max_value=max_value, allow_null=True, required=False, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        degrees = super().to_internal_value(data)
        # Python reads the text “nan”, and a NaN is beyond no bound.
        if isnan(degrees) or isinstance(data, bool):
            self.fail("invalid")
        return degrees


class NextDeadlineSerializer(serializers.Serializer[Any]):
    """By when the next forecast must be out, and of which day on the clock of the series."""

    delivery_day = serializers.DateField(source="day")
    deadline = serializers.DateTimeField()


class SeriesSerializer(Body, serializers.ModelSerializer[Series]):
    """A series with its covariates and the model that publishes it."""

    resolution = DurationField(validators=[validate_resolution])
    latitude = DegreesField(max_value=90, help_text="Degrees north")
    longitude = DegreesField(max_value=180, help_text="Degrees east")
    covariates = CovariateSerializer(many=True, required=False)
    external_forecast = NamedField(
        slug_field="slug",
        queryset=Series.objects.all(),
        allow_null=True,
        required=False,
        help_text="Slug of somebody else's forecast of this load",
    )
    passed_over = ("champion", "next_deadline")
    champion = serializers.SerializerMethodField()
    next_deadline = serializers.SerializerMethodField()

    class Meta:
        model = Series
        fields = (
            "slug",
            "name",
            "quantity",
            "unit",
            "timezone",
            "resolution",
            "country",
            "subdivision",
            "latitude",
            "longitude",
            "allows_export",
            "preprocessing",
            "scheduled",
            "external_forecast",
            "covariates",
            "champion",
            "next_deadline",
        )

    @extend_schema_field(ChampionSerializer(allow_null=True))
    def get_champion(self, series: Series) -> dict[str, Any] | None:
        champions: list[ModelVersion] = series.champions  # type: ignore[attr-defined]  # from series_with_details
        return dict(ChampionSerializer(champions[0]).data) if champions else None

    @extend_schema_field(NextDeadlineSerializer(allow_null=True))
    def get_next_deadline(self, series: Series) -> dict[str, Any] | None:
        gate = deadline_of(series)
        return dict(NextDeadlineSerializer(gate.next(self.context["at"])).data) if gate is not None else None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        place = {name: attrs.get(name, getattr(self.instance, name, None)) for name in ("latitude", "longitude")}
        missing = [name for name, degrees in place.items() if degrees is None]
        if len(missing) == 1:
            raise serializers.ValidationError({missing[0]: "A place has a latitude and a longitude, or neither."})
        self._check_external_forecast(attrs)
        return attrs

    def _check_external_forecast(self, attrs: dict[str, Any]) -> None:
        there = {name: getattr(self.instance, name) for name in _COMPARED} if self.instance is not None else {}
        facts = {name: value for name, value in attrs.items() if name in _COMPARED}
        try:
            check_series(Series(**{**there, **facts}))
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error

    def validate_slug(self, slug: str) -> str:
        if self.instance is not None and slug != self.instance.slug:
            raise serializers.ValidationError("The slug names the series to other programs and stays as it is.")
        return slug

    def validate_covariates(self, covariates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.instance is not None and any(covariate["series"] == self.instance for covariate in covariates):
            raise serializers.ValidationError("A series is no covariate of itself.")
        if len({(covariate["name"], covariate["series"].pk) for covariate in covariates}) < len(covariates):
            raise serializers.ValidationError("A series comes twice under one name.")
        return covariates


_COMPARED = ("id", "slug", "quantity", "unit", "resolution", "external_forecast")
"""The facts of a series that somebody else's forecast must fit."""


class SourceSerializer(serializers.ModelSerializer[Source]):
    """Where rows come from, and which series they feed; its options depend on its kind."""

    availability_delay = DurationField(allow_null=True, required=False)

    class Meta:
        model = Source
        fields = (
            "slug",
            "name",
            "kind",
            "feeds",
            "url",
            "connection",
            "options",
            "availability_delay",
            "enabled",
            "scheduled",
        )
        extra_kwargs = {"options": {"required": True}}  # noqa: RUF012

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        so_far = self.instance or Source()
        facts = {name: attrs.get(name, getattr(so_far, name)) for name in _DEPENDENT}
        try:
            check_source(**facts)
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return attrs


_DEPENDENT = ("kind", "feeds", "url", "connection", "options")
"""The facts of a source that must fit each other."""


class ObservationSerializer(serializers.Serializer[dict[str, Any]]):
    """A value as known at a time."""

    valid_time = serializers.DateTimeField()
    value = serializers.FloatField(allow_null=True)
    known_at = serializers.DateTimeField()


class WeatherForecastSerializer(serializers.Serializer[dict[str, Any]]):
    """A value as forecast at a time."""

    valid_time = serializers.DateTimeField()
    value = serializers.FloatField()
    issue_time = serializers.DateTimeField()
    known_at = serializers.DateTimeField()


class RejectedRowSerializer(serializers.Serializer[dict[str, Any]]):
    """A row that was not stored, and why."""

    row = serializers.IntegerField(help_text="Counted from 0")
    series = serializers.CharField(allow_null=True)
    valid_time = serializers.DateTimeField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    rule = serializers.CharField()
    message = serializers.CharField()


class RecordedSerializer(serializers.Serializer[Any]):
    """What became of the rows: received = inserted + corrected + unchanged + rejected."""

    received = serializers.IntegerField()
    inserted = serializers.IntegerField()
    corrected = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectedRowSerializer(many=True)


class RejectedForecastSerializer(RejectedRowSerializer):
    """A forecast that was not stored, and why."""

    issue_time = serializers.DateTimeField(allow_null=True)


class RecordedForecastsSerializer(serializers.Serializer[Any]):
    """What became of the rows: received = inserted + unchanged + rejected."""

    received = serializers.IntegerField()
    inserted = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = RejectedForecastSerializer(many=True)
