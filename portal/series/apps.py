"""Series, their observations, and where they come from."""

from django.apps import AppConfig


class SeriesConfig(AppConfig):
    name = "portal.series"
    label = "series"
    verbose_name = "Series and observations"
