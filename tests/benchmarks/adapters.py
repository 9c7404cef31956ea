"""Our models as plug-ins of a benchmark: `tests.benchmarks.adapters:KIND` for every kind of `available_models()`.

A plug-in is a class with `__init__(ctx)`, `fit(history, columns)` and `predict(history, future)`. Its frames have a
column `timestamp` (naive, regular), `local` (the wall clock) and, in a history, `y`; a prediction has `timestamp` and
`q0.1`, `q0.5`, `q0.9`. What is imported in `__init__` is billed neither to `fit` nor to `predict`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pandas as pd

import forecasting
from forecasting import available_models, create_model

QUANTILES = (0.1, 0.5, 0.9)
FAHRENHEIT = {"isone_2017"}
"""Data sets whose temperature is not in °C, as the library asks for it."""


class Adapter:
    """One of our kinds, with its default settings: fitted once, then forecasting from any later history."""

    kind: str
    refit_each_origin = False
    packages: list[str] = ["numpy"]  # noqa: RUF012 - the interface: each kind's class gets its own when it is made

    def __init__(self, ctx: Any) -> None:
        # A series that has only its local clock is given as it is: its local days then are days of UTC.
        wall_clock = ctx.ts_kind == "local-naive"
        self._celsius = ctx.dataset not in FAHRENHEIT
        self._columns: list[str] = []
        self._settings = {
            "timezone": "UTC" if wall_clock else ctx.tz,
            "country": ctx.country,
            "subdivision": ctx.subdiv,
            "quantiles": QUANTILES,
            "horizon": f"{24 * ctx.horizon // ctx.steps_per_day}h",
            "threads": 1,
        }
        self._model = create_model(self.kind, **self._settings)
        type(self).packages = list(self._model.libraries)
        for library in self._model.libraries:
            if find_spec(library) is not None:
                importlib.import_module(library)

    def fit(self, history: pd.DataFrame, columns: list[str]) -> None:
        self._columns = list(columns)
        self._model.fit(self._frame(history))

    def predict(self, history: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
        forecast = self._model.predict(self._frame(history), self._frame(future))
        quantiles = {f"q{level:g}": forecast[level].to_numpy() for level in QUANTILES}
        return pd.DataFrame({"timestamp": future["timestamp"].to_numpy(), **quantiles})

    def _frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows as the library takes them: UTC index, `load`, and the covariates of this regime."""
        frame = pd.DataFrame(index=pd.DatetimeIndex(rows["timestamp"], name="valid_time").tz_localize("UTC"))
        if "y" in rows:
            frame["load"] = rows["y"].to_numpy(dtype=float)
        for column in self._columns:
            frame[column] = rows[column].to_numpy(dtype=float)
        if "temperature" in frame and not self._celsius:
            frame["temperature"] = (frame["temperature"] - 32) / 1.8
        return frame


class ManyAdapter(Adapter):
    """With the library's call for many series at once."""

    def fit_many(self, histories: Mapping[str, pd.DataFrame]) -> None:
        frames = {name: self._frame(history) for name, history in histories.items()}
        # A series that failed early would count as a fast one.
        for error in forecasting.fit_many(self.kind, frames, **self._settings).failures.values():
            raise error


def __getattr__(name: str) -> type[Adapter]:
    """The plug-in of a kind, so that a kind added to the library is benchmarked without a line here."""
    if name.startswith("_") or name not in available_models():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    base = ManyAdapter if hasattr(forecasting, "fit_many") else Adapter
    made: type[Adapter] = type(name, (base,), {"kind": name})
    globals()[name] = made
    return made
