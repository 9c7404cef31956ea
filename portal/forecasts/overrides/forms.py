"""What a forecaster fills in to adjust a forecast."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from portal.core.columns import to_datetime
from portal.forecasts.incoming import LONGEST_REASON
from portal.forecasts.models import ForecastRun
from portal.forecasts.overrides.adjustments import Adjustment, AdjustmentRefused, Integers

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class AdjustForm(forms.Form):
    """A period on the clock of the series, a percentage or values, and why."""

    start = forms.ChoiceField(label="From", widget=UnfoldAdminSelectWidget())
    end = forms.ChoiceField(label="Until", widget=UnfoldAdminSelectWidget(), help_text="This time is not in the period")
    percentage = forms.CharField(
        required=False,
        max_length=32,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="5 raises every quantile by 5 %, -5 lowers it; or leave it empty and give values",
    )
    values = forms.CharField(
        required=False,
        max_length=200_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text="What the median becomes: one value for all intervals, or one line for each, in order of time. "
        "The other quantiles move by as much",
    )
    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        max_length=LONGEST_REASON,
        help_text="Stored with the forecast for good: what does the model not know?",
    )

    def __init__(self, data: Any, *, run: ForecastRun, valid_us: Integers) -> None:
        super().__init__(data)
        zone, step = ZoneInfo(run.series.timezone), run.series.resolution
        times = [to_datetime(time) for time in valid_us.tolist()]
        for name, moved in (("start", timedelta(0)), ("end", step)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101
            field.choices = [((time + moved).isoformat(), _local(time + moved, zone)) for time in times]
            field.label = f"{field.label} ({run.series.timezone})"
        self.fields["end"].initial = (times[-1] + step).isoformat()
        self.fields["percentage"].label = "Percentage"
        self.fields["values"].label = f"Values ({run.series.unit})"

    def clean_percentage(self) -> float | None:
        text = self.cleaned_data["percentage"].strip().removesuffix("%").strip()
        return _number(text) if text else None

    def clean_values(self) -> tuple[float, ...] | None:
        lines = [line.strip() for line in self.cleaned_data["values"].splitlines() if line.strip()]
        return tuple(_number(line) for line in lines) or None

    def adjustment(self) -> Adjustment:
        """What the form says, once it is valid."""
        facts = self.cleaned_data
        return Adjustment(
            start=datetime.fromisoformat(facts["start"]),
            end=datetime.fromisoformat(facts["end"]),
            percentage=facts["percentage"],
            values=facts["values"],
        )

    def refuse(self, refusal: AdjustmentRefused) -> None:
        """Put what a rule refuses beside its field."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))


def _local(time: datetime, zone: ZoneInfo) -> str:
    local = time.astimezone(zone)
    # With the offset: in the hour that comes twice two times would read alike.
    return f"{local:%a %d %b %H:%M} ({local.isoformat()[-6:]})"


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise forms.ValidationError(f"“{text[:40]}” is not a number such as 4100.5.", code="number")
    return float(text)
