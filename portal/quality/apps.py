"""Data checks: what was checked, what failed, and the reports that show it."""

from django.apps import AppConfig


class QualityConfig(AppConfig):
    name = "portal.quality"
    label = "quality"
    verbose_name = "Data quality"
    default_auto_field = "django.db.models.BigAutoField"
