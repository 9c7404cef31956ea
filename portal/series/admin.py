"""Series, sources, observations and weather forecasts as data engineers see them; quarantine has its own module."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from portal.core.admin import RecordAdmin
from portal.core.paginator import BoundedPaginator
from portal.core.resolution import format_duration
from portal.series.ingests.admin import IngestRunAdmin
from portal.series.models import Covariate, Observation, Series, WeatherForecast
from portal.series.quarantine.admin import QuarantinedRowAdmin
from portal.series.source_admin import SourceAdmin

__all__ = [
    "CovariateInline",
    "IngestRunAdmin",
    "ObservationAdmin",
    "QuarantinedRowAdmin",
    "SeriesAdmin",
    "SourceAdmin",
    "WeatherForecastAdmin",
]


class CovariateInline(TabularInline):
    """What helps to forecast the series."""

    model = Covariate
    fk_name = "of"
    extra = 0
    autocomplete_fields = ("series",)


@admin.register(Series)
class SeriesAdmin(SimpleHistoryAdmin, ModelAdmin):
    """Series; every edit stays in the history."""

    list_display = ("slug", "name", "quantity", "unit", "timezone", "interval", "scheduled")
    list_filter = ("quantity", "scheduled", "country")
    list_select_related = False
    search_fields = ("slug", "name")
    inlines = (CovariateInline,)
    fieldsets = (
        (None, {"fields": (("slug", "name"), ("quantity", "unit"), ("resolution", "timezone"))}),
        ("Calendar and place", {"fields": (("country", "subdivision"), ("latitude", "longitude"))}),
        ("Use", {"fields": ("preprocessing", "external_forecast", ("allows_export", "scheduled"))}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Series | None = None) -> tuple[str, ...]:
        """What observations stand on and other programs know stays as it was made."""
        return ("slug", "resolution", "quantity") if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Series | None = None) -> bool:
        return False

    @display(description="Resolution", ordering="resolution")
    def interval(self, series: Series) -> str:
        return format_duration(series.resolution)


@admin.register(Observation)
class ObservationAdmin(RecordAdmin):
    """Observations with all their corrections."""

    list_display = ("series", "valid_time", "value", "known_at")
    list_filter = ("series",)
    list_select_related = ("series",)
    # As the unique index can be walked backwards: the newest of a series come without a sort.
    ordering = ("-series_id", "-valid_time", "-known_at")
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False


@admin.register(WeatherForecast)
class WeatherForecastAdmin(RecordAdmin):
    """Weather forecasts with all their issues."""

    list_display = ("series", "valid_time", "issue_time", "value", "known_at")
    list_filter = ("series",)
    list_select_related = ("series",)
    # As the unique index can be walked backwards, here too.
    ordering = ("-series_id", "-valid_time", "-issue_time")
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
