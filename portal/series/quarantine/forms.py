"""What a person fills in about a bad row: what it should have said, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from portal.series.models import QuarantinedRow, Series
from portal.series.quarantine.operations import Fault
from portal.series.quarantine.readings import (
    Reading,
    Unreadable,
    fed_series,
    gives_forecasts,
    local_text,
    read_moment,
)

MOST_LINES = 50
"""Of a source that feeds more series, those that the row names come first, and the others are left to the API."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class MomentField(forms.CharField):
    """A time that says its offset, ISO 8601."""

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return read_moment(text)
        except Unreadable as unreadable:
            raise forms.ValidationError(f"“{text}” {unreadable}.", code="time") from None


class NumberField(forms.CharField):
    """A number with a decimal point: a comma is refused rather than guessed at."""

    def clean(self, value: Any) -> float | None:
        text = super().clean(value)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise forms.ValidationError(f"“{text}” is not a number such as 4100.5.", code="number")
        return float(text)


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=2000,
        help_text="Stored with the row for good: how is this known?",
    )

    def __init__(self, *args: Any, required: bool = True, first: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].required = required
        self.fields["reason"].widget.attrs["autofocus"] = first


class ReadingForm(forms.Form):
    """One line of a correction: a value of one series. A line without a value is left out."""

    valid_time = MomentField(
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Start of the interval, with its offset from UTC",
    )
    issue_time = MomentField(
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
        help_text="When the forecast was made, with its offset",
    )
    value = NumberField(
        required=False, max_length=64, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    )
    missing = forms.BooleanField(required=False, label="Known to be missing", widget=UnfoldBooleanWidget())

    def __init__(self, data: Any, *, series: Series, read: dict[str, Any], number: int, forecasts: bool) -> None:
        initial = {
            name: local_text(read_moment(read[name]), series.timezone)
            for name in ("valid_time", "issue_time")
            if read.get(name)
        }
        if read.get("value") is not None:
            initial["value"] = repr(float(read["value"])).removesuffix(".0")
        super().__init__(data, prefix=f"{series.slug}.{number}", initial=initial)
        self.series = series
        self.fields["valid_time"].label = f"Valid time ({series.timezone})"
        self.fields["issue_time"].label = f"Issue time ({series.timezone})"
        self.fields["value"].label = f"Value ({series.unit})"
        if forecasts:
            del self.fields["missing"]  # a forecast without a value says nothing
        else:
            del self.fields["issue_time"]

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or {}
        is_missing = facts.get("missing", False)
        if is_missing and facts.get("value") is not None:
            self.add_error("value", "Give a value, or say that it is known to be missing, not both.")
        if is_missing or facts.get("value") is not None:
            for name in ("valid_time", "issue_time"):
                if name in self.fields and name not in self.errors and facts.get(name) is None:
                    self.add_error(name, "A value needs its time.")
        return facts

    def reading(self) -> Reading | None:
        """What the line says, once it is valid; None if it is left out."""
        facts = self.cleaned_data
        if facts["value"] is None and not facts.get("missing"):
            return None
        return Reading(
            series=self.series.slug,
            valid_time=facts["valid_time"],
            value=facts["value"],
            issue_time=facts.get("issue_time"),
        )


class Correction:
    """All that is asked for a correction: a line per series of the source, filled with what could be read, and why."""

    def __init__(self, row: QuarantinedRow, data: Any = None) -> None:
        self.reason = ReasonForm(data, first=False)
        self.lines = _lines(row, data)
        if self.lines:
            self.lines[0].fields["value"].widget.attrs["autofocus"] = True
        self.error = ""

    def is_valid(self) -> bool:
        """True if every field can be read and something is said; the faults are beside the fields."""
        # All of them, so that all faults are shown at once.
        valid = all([self.reason.is_valid(), *(line.is_valid() for line in self.lines)])
        if valid and not self.readings():
            self.error = "Give at least one value. A row that says nothing of use can be dismissed."
        return valid and not self.error

    def readings(self) -> list[Reading]:
        """What is to be recorded."""
        return [reading for line in self.lines if (reading := line.reading()) is not None]

    def refuse(self, faults: Sequence[Fault]) -> None:
        """Put what the rules refuse beside the fields."""
        sent = [line for line in self.lines if line.reading() is not None]
        for fault in faults:
            line = sent[fault.index]
            field = fault.field if fault.field in line.fields else "valid_time" if fault.field == "known_at" else None
            line.add_error(field, f"{fault.message} (rule {fault.rule})")


def _lines(row: QuarantinedRow, data: Any) -> list[ReadingForm]:
    fed = fed_series(row.source)
    known = Series.objects.in_bulk(fed, field_name="slug")
    read: dict[str, list[dict[str, Any]]] = {}
    for value in row.values:
        read.setdefault(value["series"], []).append(value)
    forecasts = gives_forecasts(row.source)
    lines = [
        ReadingForm(data, series=known[slug], read=value, number=number, forecasts=forecasts)
        for slug in sorted(fed, key=lambda slug: slug not in read)
        if slug in known
        for number, value in enumerate(read.get(slug) or [{}])
    ]
    return lines[:MOST_LINES]
