"""Every address of the portal."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.core import health

api_v1 = [
    path("", include("portal.series.api_urls")),
    path("", include("portal.forecasts.api_urls")),
    path("", include("portal.registry.api_urls")),
    path("", include("portal.quality.api_urls")),
    path("", include("portal.alerts.api_urls")),
    path("", include("portal.pipeline.api_urls")),
    path("", include("portal.retention.api_urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api_v1)),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("healthz/live", health.live, name="health-live"),
    path("healthz/ready", health.ready, name="health-ready"),
]

handler400 = "portal.core.problems.bad_request"
handler403 = "portal.core.problems.permission_denied"
handler404 = "portal.core.problems.page_not_found"
handler500 = "portal.core.problems.server_error"
