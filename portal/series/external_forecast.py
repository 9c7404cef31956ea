"""Somebody else's forecast of a load: of the same unit, and on a grid that can be compared with that of the load."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from portal.core.resolution import format_duration
from portal.series.models import Series

FIELD = "external_forecast"


def check_series(series: Series) -> None:
    """Raise ValidationError unless `series` fits the forecast beside it, and the loads that it is a forecast of."""
    if series.external_forecast is not None:
        check_fit(series, series.external_forecast)
    if series.pk is not None:
        for load in series.forecasts_of.all():
            check_fit(load, series)


def check_fit(load: Series, forecast: Series) -> None:
    """Raise ValidationError, of `FIELD`, unless `forecast` can be scored beside ours of `load`."""
    if load.quantity != Series.Quantity.LOAD:
        raise ValidationError({FIELD: f"{load} is a {load.quantity}; only a load has a forecast beside it."})
    if forecast.quantity != Series.Quantity.LOAD_FORECAST:
        raise ValidationError(
            {FIELD: f"{forecast} is of the quantity {forecast.quantity}; a series of load_forecast is needed."}
        )
    if forecast.unit != load.unit:
        raise ValidationError({FIELD: f"{forecast} is in {forecast.unit} and {load} in {load.unit}."})
    if not (load.resolution and forecast.resolution):
        return  # a form says of the field itself what is wrong with it
    if forecast.resolution % load.resolution and load.resolution % forecast.resolution:
        ours, theirs = format_duration(load.resolution), format_duration(forecast.resolution)
        message = (
            f"{forecast} has intervals of {theirs} and {load} of {ours}: neither is a whole multiple of the other."
        )
        raise ValidationError({FIELD: message})
