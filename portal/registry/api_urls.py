"""Addresses under /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from portal.registry.api import ApprovalRuleViewSet, AuditViewSet, DecisionViewSet, ModelVersionViewSet

router = SimpleRouter()
router.register("models", ModelVersionViewSet, basename="model")
router.register("decisions", DecisionViewSet, basename="decision")
router.register("decision-audits", AuditViewSet, basename="decision-audit")
router.register("approval-rules", ApprovalRuleViewSet, basename="approval-rule")

urlpatterns = router.urls
