"""Addresses under /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from portal.retention.api import RegisteredArtifactViewSet, RetentionRuleViewSet, RetentionRunViewSet

router = SimpleRouter()
router.register("retention-rules", RetentionRuleViewSet, basename="retention-rule")
router.register("retention-runs", RetentionRunViewSet, basename="retention-run")
router.register("registered-artifacts", RegisteredArtifactViewSet, basename="registered-artifact")

urlpatterns = router.urls
