"""Addresses of forecasts, the ledger, deadlines and scores under /api/v1/."""

from __future__ import annotations

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from portal.forecasts.api import ForecastRunViewSet, ForecastsBulkView
from portal.forecasts.deadlines.api import DeadlineRecordViewSet, PublicationDeadlineViewSet
from portal.forecasts.ledger.api import AsKnownView, ByLeadTimeView, LatestForecastView, RevisionView
from portal.forecasts.overrides.api import OverrideView, ValueAddedView
from portal.forecasts.scores.api import AccuracySignalViewSet, AccuracyView, DueForScoringView, ScoreViewSet

RUN = r"(?P<pk>\d{1,18})"

router = SimpleRouter()
router.register("forecast-runs", ForecastRunViewSet, basename="forecast-runs")
router.register("publication-deadlines", PublicationDeadlineViewSet, basename="publication-deadlines")
router.register("deadline-records", DeadlineRecordViewSet, basename="deadline-records")
router.register("scores", ScoreViewSet, basename="scores")
router.register("accuracy-signals", AccuracySignalViewSet, basename="accuracy-signals")

urlpatterns = [
    path("forecasts/bulk/", ForecastsBulkView.as_view(), name="forecasts-bulk"),
    path("forecasts/latest/", LatestForecastView.as_view(), name="forecasts-latest"),
    path("forecasts/as-known/", AsKnownView.as_view(), name="forecasts-as-known"),
    path("forecasts/by-lead-time/", ByLeadTimeView.as_view(), name="forecasts-by-lead-time"),
    path("overrides/value-added/", ValueAddedView.as_view(), name="overrides-value-added"),
    re_path(rf"^forecast-runs/{RUN}/revision/$", RevisionView.as_view(), name="forecast-runs-revision"),
    re_path(rf"^forecast-runs/{RUN}/override/$", OverrideView.as_view(), name="forecast-runs-override"),
    path("forecast-runs/due-for-scoring/", DueForScoringView.as_view(), name="forecast-runs-due-for-scoring"),
    path("accuracy/", AccuracyView.as_view(), name="accuracy"),
    *router.urls,
]
