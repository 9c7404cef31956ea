"""Addresses of series, sources, ingest runs, observations, weather forecasts and quarantine under /api/v1/."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from portal.series.api import ObservationsBulkView, SeriesViewSet, SourceViewSet, WeatherForecastsBulkView
from portal.series.ingests.api import IngestRunViewSet
from portal.series.quarantine.api import QuarantineViewSet

router = SimpleRouter()
router.register("series", SeriesViewSet, basename="series")
router.register("sources", SourceViewSet, basename="sources")
router.register("ingest-runs", IngestRunViewSet, basename="ingest-run")
router.register("quarantine", QuarantineViewSet, basename="quarantine")

urlpatterns = [
    path("observations/bulk/", ObservationsBulkView.as_view(), name="observations-bulk"),
    path("weather-forecasts/bulk/", WeatherForecastsBulkView.as_view(), name="weather-forecasts-bulk"),
    *router.urls,
]
