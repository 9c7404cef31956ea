"""Addresses under /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from portal.pipeline.api import DagRunRequestViewSet

router = SimpleRouter()
router.register("dag-run-requests", DagRunRequestViewSet, basename="dag-run-request")

urlpatterns = router.urls
