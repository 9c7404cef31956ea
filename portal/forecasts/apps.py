"""The forecast ledger: what was published when, by which model, from which data, and how good it was."""

from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    name = "portal.forecasts"
    label = "forecasts"
    verbose_name = "Forecasts"
