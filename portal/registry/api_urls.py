"""Addresses under /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from portal.registry.api import ModelVersionViewSet

router = SimpleRouter()
router.register("models", ModelVersionViewSet, basename="model")

urlpatterns = router.urls
