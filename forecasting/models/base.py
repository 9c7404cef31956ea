"""What every model shares: the checks at the door, and what is written about a training."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from forecasting import contributions, persistence
from forecasting.cleaning import implausible
from forecasting.contracts import (
    LOAD,
    MINIMUM_TRAINING,
    Window,
    fingerprint,
    observed_span,
    resolution_of,
    validate_history,
    validate_window,
)
from forecasting.daylight import SUN, solar_elevation_sine
from forecasting.errors import DataContractError, ForecastingError, NotFittedError, SettingsError
from forecasting.grid import Grid, build_grid
from forecasting.models.settings import Settings
from forecasting.sampling import require_loads

_SCREENED = pd.Timedelta(weeks=13)
"""What is usual, a gross outlier or a frozen meter shows over months, even where a forecast needs only days."""


@dataclass(frozen=True)
class NoParameters:
    """For models without hyper-parameters."""


class Forecaster(ABC):
    """A model of one series: fit once, then forecast from any later history without refitting.

    Subclasses give `kind`, `Parameters` (a frozen dataclass of hyper-parameters), `libraries` (whose versions decide
    the outcome), `holds_out` (whether the end of the history calibrates what is learned from the rest), `explains`
    (whether `explain` can tell what a forecast is made of), and the underscored methods.
    """

    kind: ClassVar[str]
    Parameters: ClassVar[type] = NoParameters
    holds_out: ClassVar[bool] = True
    explains: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pandas", "holidays")

    def __init__(self, settings: Settings, hyperparameters: Mapping[str, Any]) -> None:
        known: dict[str, Any] = {field.name: field.default for field in fields(self.Parameters)}
        for name, value in hyperparameters.items():
            if name not in known:
                raise SettingsError(f"{self.kind} has no hyper-parameter {name!r}; it has {list(known)}")
            whole = isinstance(known[name], int)
            fraction = isinstance(value, float) and math.isfinite(value)
            if not (type(value) is int or (fraction and not whole)):
                what = "a whole number" if whole else "a finite number"
                raise SettingsError(f"{self.kind}: {name} {value!r} must be {what}")
        self.settings = settings
        self.hyperparameters = self.Parameters(**hyperparameters)
        self.features: list[str] = []
        self._covariates: tuple[str, ...] = ()
        self._training: dict[str, Any] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Settings and hyper-parameters, JSON-able; `create_model(kind, **parameters)` gives the same model."""
        settings = self.settings
        return {
            **asdict(settings),
            "quantiles": list(settings.quantiles),
            "horizon": _exact(settings.horizon),
            "known_future": None if settings.known_future is None else list(settings.known_future),
            **asdict(self.hyperparameters),
        }

    @property
    def training(self) -> dict[str, Any]:
        """Facts of the training, JSON-able: period, resolution, rows, missing loads, covariates, hash of the data.

        Raises:
            NotFittedError: before `fit`.
        """
        if self._training is None:
            raise NotFittedError(f"this {self.kind} model has not been fitted: call fit(history) first")
        return self._training

    @property
    def evidence(self) -> dict[str, Any]:
        """What the training found besides, JSON-able; it joins the facts of `training`."""
        return {}

    def known_ahead(self, covariates: Sequence[str]) -> tuple[str, ...]:
        """Those of a history's covariates that will be given for the forecast period."""
        return tuple(covariates) if self.settings.known_future is None else self.settings.known_future

    def validate(self, history: pd.DataFrame) -> pd.DataFrame:
        """Check, without training, that `fit` would take a history; return it as `validate_history` does.

        Raises:
            DataContractError: naming the row, the value and the rule.
            SettingsError: the horizon is shorter than an interval.
        """
        frame = validate_history(history, minimum=MINIMUM_TRAINING)
        covariates = [column for column in frame.columns if column != LOAD]
        for name in self.known_ahead(covariates):
            if name not in covariates:
                raise DataContractError(
                    f"history has no covariate {name!r}; it has {covariates}",
                    rule="the history has every covariate that the model's known_future names",
                    value=name,
                )
        require_loads(observed_span(frame), held_out=self.holds_out)
        if self.settings.horizon < resolution_of(frame.index):
            raise SettingsError(
                f"horizon {self.settings.horizon} must be at least an interval of {resolution_of(frame.index)}"
            )
        return frame

    def fit(self, history: pd.DataFrame) -> Self:
        """Train on a history and return the model.

        Args:
            history: regular UTC DatetimeIndex of 5 to 60 minutes, column `load` in MW (NaN = gap), optional numeric
                covariates (`temperature` in °C gets features of its own). At least 14 days.

        Raises:
            DataContractError: naming the row, the value and the rule.
            SettingsError: the horizon is shorter than an interval.
        """
        frame = self.validate(history)
        self._covariates = tuple(column for column in frame.columns if column != LOAD)
        step = resolution_of(frame.index)
        # Rows without loads at either end teach nothing; at the end they would pass for the part to calibrate on.
        taught = observed_span(frame)
        grid = self._grid(taught)
        self._fit(taught, grid)
        self._training = {
            "start": frame.index[0].isoformat(),
            "end": (frame.index[-1] + step).isoformat(),
            "resolution": f"{step / pd.Timedelta(minutes=1):g}min",
            "rows": len(frame),
            "missing_loads": int(frame[LOAD].isna().sum()),
            "implausible_loads": int(taught[LOAD].notna().sum() - np.isfinite(grid.load).sum()),
            "covariates": list(self._covariates),
            "data_sha256": fingerprint(frame),
            **self.evidence,
        }
        return self

    def validate_window(self, history: pd.DataFrame, future: pd.DataFrame) -> Window:
        """Check, without forecasting, that `predict` would take a history and a future.

        Raises:
            NotFittedError: before `fit`.
            DataContractError: naming the row, the value and the rule.
        """
        resolution = pd.Timedelta(self.training["resolution"])
        return validate_window(
            history, future, horizon=self.settings.horizon, covariates=self._covariates, resolution=resolution
        )

    def predict(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        """Forecast from the history as it is known at the issue time, without refitting.

        Args:
            history: as in `fit`, up to the issue time, at least 7 days; at the resolution of the training.
            future: index to forecast, with the covariates of the training. Those known ahead (`known_future`) count as
                given (NaN where unknown: the last known day stands in); all others are ignored, whatever they hold.

        Returns:
            Loads in MW: index of `future`, columns are the quantile levels as floats; quantiles never cross.

        Raises:
            NotFittedError: before `fit`.
            DataContractError: naming the row, the value and the rule.
        """
        window = self.validate_window(history, future)
        values = np.sort(self._predict(window), axis=1)
        if not np.isfinite(values).all():
            raise ForecastingError(f"{self.kind} gave a forecast that is not finite for {window.origin}")
        return pd.DataFrame(values, index=future.index, columns=list(self.settings.quantiles))

    def explain(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        """What each group of features contributes to the forecast of the median, `predict(history, future)[0.5]`.

        Regressions are linear, and split exactly (in logarithms by Ang, 2004); boosters by SHAP values (Lundberg & Lee,
        2017); ensembles by the weights of their members. `forecasting.contributions` says what each group holds.

        Args:
            history: as in `predict`.
            future: as in `predict`.

        Returns:
            MW: index of `future`, columns `level`, `calendar`, `holiday`, `weather` (where the training had a
            temperature), `recent_load`, every other covariate of the training by its name, and `other`. Each row sums
            to the median, to rounding.

        Raises:
            ForecastingError: this kind of model has no such decomposition (`explains` is False).
            NotFittedError: before `fit`.
            DataContractError: naming the row, the value and the rule.
        """
        if not self.explains:
            raise ForecastingError(
                f"{self.kind} has no decomposition of its forecast into contributions; linear models, boosting, "
                "exponential smoothing and their ensembles have one"
            )
        parts = self._explain(self.validate_window(history, future))
        return contributions.table(parts, covariates=self._covariates, index=pd.DatetimeIndex(future.index))

    def save(self, directory: str | Path, *, provenance: Mapping[str, Any] | None = None) -> str:
        """Write the model to a directory of JSON and weight files; return the SHA-256 of its manifest.

        The directory appears whole or not at all. Saving the same model to the same place again changes nothing.

        Args:
            directory: must not exist, unless it holds this very model.
            provenance: JSON-able facts that belong to the model, such as the vintage of its data.

        Raises:
            NotFittedError: before `fit`.
            ArtifactError: the directory holds something else, or cannot be written.
        """
        manifest = {
            "kind": self.kind,
            "parameters": self.parameters,
            "features": self.features,
            "training": self.training,
            "library_versions": persistence.library_versions(self.libraries),
            "provenance": dict(provenance or {}),
        }
        return persistence.write(Path(directory), manifest=manifest, files=self._files())

    def restore(self, *, training: dict[str, Any], features: list[str], files: Mapping[str, bytes]) -> None:
        """Take over the state of a saved model, whose hashes have been verified."""
        self._covariates = tuple(training["covariates"])
        self.features = list(features)
        self._restore(files)
        self._training = training

    def _grid(self, history: pd.DataFrame, future: pd.DataFrame | None = None) -> Grid:
        """A history, without its implausible loads, and what is known of the future on one axis."""
        return self._laid_out(_screened(history), future)

    def _grid_of(self, window: Window, context: pd.Timedelta) -> tuple[Grid, int]:
        """The last `context` of a window's history, and its future, on one axis; and the position of the origin.

        Only what the window holds decides which loads are implausible: nothing from the origin on.
        """
        recent = _screened(window.history.loc[window.origin - max(context, _SCREENED) :])
        shown = recent.loc[window.origin - context :]
        return self._laid_out(shown, window.future), len(shown)

    def _laid_out(self, history: pd.DataFrame, future: pd.DataFrame | None) -> Grid:
        settings = self.settings
        grid = build_grid(
            history,
            future,
            timezone=settings.timezone,
            country=settings.country,
            subdivision=settings.subdivision,
            known_future=self.known_ahead(self._covariates),
        )
        if settings.latitude is None or settings.longitude is None:
            return grid
        middle = grid.index + pd.Timedelta(minutes=grid.minutes) / 2
        sun = solar_elevation_sine(middle, latitude=settings.latitude, longitude=settings.longitude)
        return replace(
            grid,
            covariates={**grid.covariates, SUN: np.maximum(sun, 0.0)},
            known_future=(*grid.known_future, SUN),
        )

    @abstractmethod
    def _fit(self, history: pd.DataFrame, grid: Grid) -> None:
        """Train on a validated history; set `features`."""

    @abstractmethod
    def _predict(self, window: Window) -> np.ndarray:
        """Quantiles of shape (rows of the future, levels) in MW."""

    def _explain(self, window: Window) -> contributions.Parts:
        """Contributions of shape (rows of the future,) in MW, where `explains`."""
        raise NotImplementedError

    @abstractmethod
    def _files(self) -> dict[str, bytes]:
        """The trained state as named files, byte for byte the same for the same training."""

    @abstractmethod
    def _restore(self, files: Mapping[str, bytes]) -> None:
        """Take the trained state from files whose hashes have been verified."""


def _screened(history: pd.DataFrame) -> pd.DataFrame:
    load = history[LOAD].to_numpy()
    per_day = int(pd.Timedelta(days=1) / resolution_of(history.index))
    return history.assign(load=np.where(implausible(load, steps_per_day=per_day), np.nan, load))


def _exact(span: pd.Timedelta) -> str:
    """A duration in hours where a few digits say it, else in ISO 8601: the same model must come back from it."""
    hours = f"{span / pd.Timedelta(hours=1):g}h"
    return hours if pd.Timedelta(hours) == span else str(span.isoformat())
