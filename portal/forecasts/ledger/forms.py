"""What a person asks the ledger."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from portal.core.columns import EARLIEST, LATEST
from portal.core.times import Unplaced, require_placed
from portal.series.models import Series

MOST_DAYS = 31
MOST_HOURS = 24 * 30
DAY = timedelta(days=1)


class DayWidget(UnfoldAdminTextInputWidget):
    """The browser's own calendar."""

    input_type = "date"


class AskForm(forms.Form):
    """A series, local days, and either a moment or a lead time; times are on the clock of the series."""

    series = forms.ModelChoiceField(Series.objects.none(), to_field_name="slug", widget=UnfoldAdminSelectWidget())
    first = forms.DateField(label="First day", widget=DayWidget())
    last = forms.DateField(label="Last day", widget=DayWidget(), help_text="Included")
    as_of = forms.CharField(
        label="As known at",
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2014-11-01 12:00"}),
        help_text="Runs issued by then; all if it is empty. On the clock of the series, or with an offset",
    )
    lead_time_hours = forms.IntegerField(
        label="Or lead time in hours",
        required=False,
        min_value=0,
        max_value=MOST_HOURS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Per interval the newest run issued so long before it, or longer: 24 is the day-ahead view",
    )
    published_by = forms.CharField(
        label="In the ledger at",
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2014-11-01 12:00"}),
        help_text="Only runs that had been published by then",
    )
    originals = forms.BooleanField(label="Without what people adjusted", required=False, widget=UnfoldBooleanWidget())

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        choice = self.fields["series"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101
        choice.queryset = Series.objects.filter(quantity=Series.Quantity.LOAD)

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or {}
        for name in ("first", "last"):
            if name in facts and not EARLIEST.date() < facts[name] < LATEST.date():
                self.add_error(name, f"The day is not within {EARLIEST:%Y} and {LATEST:%Y}.")
        first, last = facts.get("first"), facts.get("last")
        if first and last and not timedelta(0) <= last - first < MOST_DAYS * DAY:
            self.add_error(
                "last",
                f"The last day is not before the first, and shows at most {MOST_DAYS} days; the REST API gives more.",
            )
        if facts.get("as_of") and facts.get("lead_time_hours") is not None:
            self.add_error("lead_time_hours", "Give a time or a lead time, one of the two.")
        series = facts.get("series")
        for name in ("as_of", "published_by"):
            facts[name] = self._moment(name, facts.get(name, ""), series) if series is not None else None
        return facts

    def period(self) -> tuple[datetime, datetime]:
        """The days as a half-open period, once the form is valid: 23 or 25 hours where the clock is changed."""
        zone = ZoneInfo(self.cleaned_data["series"].timezone)
        return _midnight(self.cleaned_data["first"], zone), _midnight(self.cleaned_data["last"] + DAY, zone)

    def _moment(self, name: str, text: str, series: Series) -> datetime | None:
        if not text:
            return None
        try:
            time = datetime.fromisoformat(text)
            placed = time if time.tzinfo is not None else time.replace(tzinfo=ZoneInfo(series.timezone))
            require_placed(placed)
        except Unplaced as unplaced:
            self.add_error(name, f"The time {unplaced.what}.")
        except ValueError:
            self.add_error(name, f"“{text}” is not a time such as 2014-11-01 12:00.")
        else:
            return placed
        return None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
