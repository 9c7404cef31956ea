"""What a training is given: the history as it was known, its preparation, and the weather as it was forecast."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.history import fingerprint
from include.inputs import Recipe, WeatherAhead, horizon_index, load_inputs
from include.portal import Portal
from include.settings import Settings
from include.times import resolution_of

if TYPE_CHECKING:
    from forecasting.preprocessing import Preprocessed


class TrainingInputs:
    """The inputs of the trainings of one series at one time, whatever the kind of model."""

    def __init__(self, portal: Portal, series: Mapping[str, Any], *, as_of: datetime, settings: Settings) -> None:
        """Raises NothingKnown where no load was known."""
        self._series = series
        self._as_of = as_of
        self._settings = settings
        self._recipe = Recipe.of_series(series, weather_lead=settings.weather_lead_time)
        self._inputs = load_inputs(portal, series, as_of=as_of, days=settings.training_days, recipe=self._recipe)
        self._ahead = WeatherAhead(portal, series)

    @property
    def history(self) -> pd.DataFrame:
        """As it was known, before its profile."""
        return self._inputs.history

    @cached_property
    def prepared(self) -> Preprocessed:
        """After its profile, as a model is trained on it."""
        return self._recipe.prepared(self.history, self._series)

    @property
    def known_future(self) -> tuple[str, ...]:
        """The covariates whose forecasts were known for the whole horizon from `as_of` on.

        Others are withheld: what was measured of them would flatter the backtest, and nothing would stand in for it
        when the model is live.
        """
        return tuple(sorted(name for name, share in self._horizon_shares.items() if share == 1))

    def in_backtest(self) -> dict[str, Any]:
        """What a backtest is told at each origin: the weather as it was forecast, and the history as prepared then."""
        return {
            "covariates_at": self._ahead if self.known_future else None,
            "prepare": self._recipe.preparation(self._series),
        }

    def facts(self, origins: pd.DatetimeIndex) -> dict[str, Any]:
        """What of this decides the outcome of a training and its backtest, JSON-able."""
        return {
            "data_sha256": fingerprint(self.history),
            "preprocessing": self._recipe.profile.to_dict(),
            "weather_lead": str(self._recipe.weather_lead),
            "weather_ahead_sha256": [self._weather_sha256(origin) for origin in origins] if self.known_future else [],
        }

    def evidence(self) -> dict[str, Any]:
        """What whoever approves a model reads of its inputs, JSON-able.

        `training_data`: the history before its profile: SHA-256, rows, and its half-open period in UTC; `weather`: per
        covariate, how much of the history was forecast and how much observed, from when to when, and
        whether forecasts of it were known for the horizon; `preprocessing`: what each step changed.
        """
        covariates = {
            name: {
                "known_ahead": name in self.known_future,
                "horizon_share": self._horizon_shares.get(name, 0.0),
                **extents,
            }
            for name, extents in self._inputs.told.evidence().items()
        }
        lead_time_hours = self._settings.weather_lead_time / timedelta(hours=1)
        history = self.history
        step = resolution_of(self._series)  # type: ignore[arg-type]
        return {
            "training_data": {
                "sha256": fingerprint(history),
                "rows": len(history),
                "start": history.index[0].isoformat(),
                "end": (history.index[-1] + step).isoformat(),
            },
            "weather": {"lead_time_hours": lead_time_hours, "covariates": covariates},
            "preprocessing": self.prepared.evidence(),
        }

    @cached_property
    def _horizon_shares(self) -> dict[str, float]:
        index = horizon_index(self._series, start=self._as_of, horizon=self._settings.horizon)
        known = self._ahead(pd.Timestamp(self._as_of), index)
        return {str(name): float(known[name].notna().mean()) for name in known.columns}

    def _weather_sha256(self, origin: pd.Timestamp) -> str:
        index = horizon_index(self._series, start=origin, horizon=self._settings.horizon)
        # As the backtest asks for it: an origin's horizon ends with the history.
        return fingerprint(self._ahead(origin, index[index <= self.history.index[-1]]))
