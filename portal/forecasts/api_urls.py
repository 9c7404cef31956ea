"""Addresses of forecasts, the ledger and scores under /api/v1/."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from portal.forecasts.api import ForecastRunViewSet, ForecastsBulkView, LatestForecastView, ScoreViewSet

router = SimpleRouter()
router.register("forecast-runs", ForecastRunViewSet, basename="forecast-runs")
router.register("scores", ScoreViewSet, basename="scores")

urlpatterns = [
    path("forecasts/bulk/", ForecastsBulkView.as_view(), name="forecasts-bulk"),
    path("forecasts/latest/", LatestForecastView.as_view(), name="forecasts-latest"),
    *router.urls,
]
