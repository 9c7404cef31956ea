"""Scores and the accuracy of series as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from portal.core.airflow import AirflowRunSerializer
from portal.core.bodies import Body, NamedField
from portal.core.figures import FiniteField
from portal.core.given import shown
from portal.core.times import TimeField
from portal.forecasts.models import AccuracySignal, ForecastRun, ForecastScore
from portal.forecasts.scores.rows import COUNTS, LARGEST_COUNT, is_count, is_figure, local_date
from portal.series.models import Series

MOST_SCORES = 10_000
MOST_ROWS = 2_000
"""Days, or blocks of lead time, of one score."""
FIGURES = (
    "mae",
    "rmse",
    "mape",
    "pinball",
    "coverage_80",
    "bias",
    "peak_mae",
    "peak_bias",
    "peak_time_mae_hours",
    "skill",
)
PARTS = ("baseline", "external", "stability", "attribution", "by_lead_time", "by_day")


def _figure(**options: Any) -> FiniteField:
    return FiniteField(allow_null=True, required=False, default=None, **options)


class FiguresField(serializers.DictField):
    """Figures by name: numbers, null where undefined; counts are whole. `texts` are words, and `needed` are there."""

    def __init__(self, *, texts: Sequence[str] = (), needed: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**{"required": False, "default": dict, **kwargs})
        self._texts, self._needed = texts, needed

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        figures: dict[str, Any] = super().to_internal_value(data)
        for name in self._needed:
            if figures.get(name) is None:
                raise serializers.ValidationError(
                    {name: [serializers.ErrorDetail(f"{name} is missing.", code="figure")]}
                )
        for name, value in figures.items():
            if what := self._expected_of(name, value):
                message = f"{name} is {str(shown(value))[:100]!r}, and not {what}."
                raise serializers.ValidationError({name: [serializers.ErrorDetail(message, code="figure")]})
        return figures

    def _expected_of(self, name: str, value: Any) -> str:
        """What else the value should be; an empty text where it may be what it is."""
        if name == "date":
            return "" if local_date(value) is not None else "a day such as 2014-11-02 of a year within reason"
        if name in self._texts:
            is_text = isinstance(value, str) and len(value) <= 2000 and "\0" not in value
            return "" if value is None or is_text else "a short text"
        if name in COUNTS:
            return "" if value is None or is_count(value) else "a count"
        return "" if value is None or is_figure(value) else "a number within reason, or null"


class ScoreRequestSerializer(Body):
    """How good a run was; a figure that is undefined is null. Errors are in the unit of the series."""

    forecast_run = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    as_of = TimeField()
    n = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT)
    expected = serializers.IntegerField(
        min_value=0, max_value=LARGEST_COUNT, required=False, default=0, help_text="Intervals of the run"
    )
    actuals_sha256 = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        validators=[RegexValidator(r"\A([0-9a-f]{64})?\Z", "64 hexadecimal digits")],
        help_text="Of the actuals that it was scored on: a score on the same ones as before is not kept again",
    )
    mae = _figure()
    rmse = _figure()
    mape = _figure()
    pinball = _figure()
    coverage_80 = _figure(min_value=0, max_value=1)
    bias = _figure()
    peak_mae = _figure(min_value=0)
    peak_bias = _figure()
    peak_time_mae_hours = _figure(min_value=0)
    skill = _figure(max_value=1)
    baseline = FiguresField(help_text="The same figures of the seasonal naive")
    external = FiguresField(
        texts=("series", "known", "skipped"),
        help_text="Those of somebody else's forecast, and how its values were chosen",
    )
    stability = FiguresField(help_text="Against the run issued before")
    attribution = FiguresField(
        texts=("skipped",), help_text="The error with the weather that happened: n, mae, model_mae, weather_mae"
    )
    by_lead_time: serializers.ListField = serializers.ListField(
        child=FiguresField(needed=("lead_time_from", "lead_time_to")),
        required=False,
        default=list,
        max_length=MOST_ROWS,
    )
    by_day: serializers.ListField = serializers.ListField(
        child=FiguresField(needed=("date",)), required=False, default=list, max_length=MOST_ROWS
    )
    airflow = AirflowRunSerializer(required=False, default=dict)


class ScoreSerializer(serializers.ModelSerializer[ForecastScore]):
    """How good a run was, on the actuals known at `as_of`."""

    series = serializers.CharField(source="forecast_run.series.slug", read_only=True)
    issue_time = serializers.DateTimeField(source="forecast_run.issue_time", read_only=True)
    rung = serializers.ChoiceField(source="forecast_run.rung", choices=ForecastRun.Rung.choices, read_only=True)
    model = serializers.IntegerField(source="forecast_run.model_id", read_only=True, allow_null=True)
    by_lead_time = serializers.JSONField(read_only=True)
    by_day = serializers.JSONField(read_only=True)

    class Meta:
        model = ForecastScore
        fields = (
            "id",
            "forecast_run",
            "series",
            "issue_time",
            "rung",
            "model",
            "as_of",
            "n",
            "expected",
            "actuals_sha256",
            *FIGURES,
            *PARTS,
            "airflow",
            "recorded_at",
        )


class RecordedScoreSerializer(serializers.Serializer[Any]):
    """What became of one score."""

    id = serializers.IntegerField()
    forecast_run = serializers.IntegerField()
    as_of = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=("created", "unchanged"))


class RecordedScoresSerializer(serializers.Serializer[Any]):
    """What became of the scores of a body."""

    scores = RecordedScoreSerializer(many=True)


class AccuracySignalRequestSerializer(Body):
    """The rolling accuracy of a series as of a time, and what follows from it."""

    series = NamedField(slug_field="slug", queryset=Series.objects.all())
    as_of = TimeField()
    window_days = serializers.IntegerField(min_value=1, max_value=3660)
    n = serializers.IntegerField(min_value=0, max_value=LARGEST_COUNT, help_text="Scored runs in the window")
    mae = _figure(min_value=0)
    naive_mae = _figure(min_value=0)
    reference_mae = _figure(min_value=0)
    state = serializers.ChoiceField(choices=AccuracySignal.State.choices)
    retrain = serializers.BooleanField(default=False)
    message = serializers.CharField(max_length=2000, allow_blank=True, default="")
    airflow = AirflowRunSerializer(required=False, default=dict)


class AccuracySignalSerializer(serializers.ModelSerializer[AccuracySignal]):
    """The rolling accuracy of a series as of a time."""

    series = serializers.SlugRelatedField[Series](slug_field="slug", read_only=True)

    class Meta:
        model = AccuracySignal
        fields = (
            "id",
            "series",
            "as_of",
            "window_days",
            "n",
            "mae",
            "naive_mae",
            "reference_mae",
            "state",
            "retrain",
            "message",
            "airflow",
            "recorded_at",
        )


class AccuracyPeriodSerializer(serializers.Serializer[Any]):
    """How good the forecasts of a day, week or month were, weighted by intervals; null where unknown."""

    period = serializers.DateField(help_text="Its first local day")
    n = serializers.IntegerField(help_text="Intervals scored, of all the runs that forecast them")
    mae = serializers.FloatField(allow_null=True)
    bias = serializers.FloatField(allow_null=True)
    coverage_80 = serializers.FloatField(allow_null=True)
    naive_mae = serializers.FloatField(allow_null=True)
    skill = serializers.FloatField(allow_null=True)
    external_mae = serializers.FloatField(allow_null=True)
    mae_beside_external = serializers.FloatField(allow_null=True, help_text="Ours on the intervals of theirs")
    peak_mae = serializers.FloatField(allow_null=True)
    model_mae = serializers.FloatField(allow_null=True)
    weather_mae = serializers.FloatField(allow_null=True)


class LeadTimeAccuracySerializer(serializers.Serializer[Any]):
    """How good the forecasts were so long ahead."""

    lead_time_from = serializers.FloatField()
    lead_time_to = serializers.FloatField()
    n = serializers.IntegerField()
    mae = serializers.FloatField(allow_null=True)
    bias = serializers.FloatField(allow_null=True)
    coverage_80 = serializers.FloatField(allow_null=True)
    naive_mae = serializers.FloatField(allow_null=True)
    external_mae = serializers.FloatField(allow_null=True)


class OverridesAccuracySerializer(serializers.Serializer[Any]):
    """What people's changes were worth, on the intervals that both runs were scored on."""

    runs = serializers.IntegerField()
    mae = serializers.FloatField(allow_null=True)
    adjusted_mae = serializers.FloatField(allow_null=True, help_text="Of the runs that were adjusted")


class AccuracySerializer(serializers.Serializer[Any]):
    """The accuracy of a series over a period, from the newest score of each run; overrides count apart."""

    series = serializers.CharField()
    unit = serializers.CharField()
    by = serializers.ChoiceField(choices=("day", "week", "month"))
    runs = serializers.IntegerField()
    total = AccuracyPeriodSerializer(allow_null=True)
    periods = AccuracyPeriodSerializer(many=True)
    lead_times = LeadTimeAccuracySerializer(many=True)
    overrides = OverridesAccuracySerializer()
