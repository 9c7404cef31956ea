"""Addresses under /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from portal.alerts.api import AlertRuleViewSet, AlertViewSet

router = SimpleRouter()
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("alerts", AlertViewSet, basename="alert")

urlpatterns = router.urls
