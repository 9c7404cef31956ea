"""Addresses under /api/v1/."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from portal.quality.api import CheckReportView, CheckRunViewSet

router = SimpleRouter()
router.register("check-runs", CheckRunViewSet, basename="check-run")

urlpatterns = [
    path("check-runs/<int:run_id>/reports/<str:name>", CheckReportView.as_view(), name="check-run-report"),
    *router.urls,
]
