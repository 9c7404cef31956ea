"""What is written about series themselves. Each function is one transaction.

Observations and weather forecasts are in `recording`, rows that break a rule in `quarantine.operations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from portal.core.permissions import require
from portal.core.problems import Conflict
from portal.series.models import Covariate, Observation, Series, WeatherForecast


def create_series(*, facts: Mapping[str, Any], by: User) -> Series:
    """Make a series of validated facts; `covariates` holds ``{name, series, weight}`` each. Raises NotPermitted."""
    require(by, "series.add_series", doing="make series")
    plain = {name: value for name, value in facts.items() if name != "covariates"}
    with transaction.atomic():
        series = Series(**plain)
        series._history_user = by  # type: ignore[attr-defined]  # where simple_history looks for it
        series.save()
        _set_covariates(series, facts.get("covariates", ()))
    return series


def change_series(series: Series, *, changes: Mapping[str, Any], by: User) -> Series:
    """Change validated facts of a series; `covariates`, where given, replace those so far. Raises NotPermitted.

    Raises Conflict where stored observations or forecasts stand on another grid, or are of another quantity.
    """
    require(by, "series.change_series", doing="change series")
    with transaction.atomic():
        locked = Series.objects.select_for_update(no_key=True).get(pk=series.pk)
        fixed = [
            name for name in ("quantity", "resolution") if name in changes and changes[name] != getattr(locked, name)
        ]
        for kind in (Observation, WeatherForecast):
            if fixed and kind.objects.filter(series=locked).exists():
                what = kind._meta.verbose_name_plural
                raise Conflict(f"{locked} has {what} of its {fixed[0]}; another one needs a series of its own.")
        for name, value in changes.items():
            if name != "covariates":
                setattr(locked, name, value)
        locked._history_user = by  # type: ignore[attr-defined]
        locked.save()
        if "covariates" in changes:
            _set_covariates(locked, changes["covariates"])
    return locked


def _set_covariates(series: Series, covariates: Iterable[Mapping[str, Any]]) -> None:
    series.covariates.all().delete()
    Covariate.objects.bulk_create(Covariate(of=series, **covariate) for covariate in covariates)
