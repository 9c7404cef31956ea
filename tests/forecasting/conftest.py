"""Demand with a known make-up: a local day and week, a response to temperature, and a little noise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting import Forecaster, create_model

Demand = Callable[..., pd.DataFrame]

KNOWN = ("temperature",)

# Small networks and few trees: these tests ask how models behave, the benchmarks how well they do.
SMALL: dict[str, dict[str, Any]] = {
    "seasonal_naive": {},
    "arima": {"daily_harmonics": 5},
    "exponential_smoothing": {},
    "regression": {},
    "recursive_boosting": {"trees": 60},
    "ensemble": {},
    "auto": {},
    "gradient_boosting": {"trees": 120},
    "lstm": {
        "epochs": 12,
        "learning_rate": 0.01,
        "most_origins": 400,
        "leads_per_origin": 16,
        "units": 12,
        "decoder_units": 16,
    },
}


def make_demand(
    *,
    start: str = "2024-02-01",
    days: int = 70,
    minutes: int = 60,
    timezone: str = "Europe/London",
    temperature: bool = True,
    mw_per_degree: float = 12.0,
    seed: int = 1,
) -> pd.DataFrame:
    index = pd.date_range(start, periods=days * 1440 // minutes, freq=f"{minutes}min", tz="UTC")
    local = index.tz_convert(timezone)
    generator = np.random.default_rng(seed)
    hour = local.hour + local.minute / 60
    weekend = local.weekday >= 5
    spells = np.repeat(generator.normal(0, 4, days + 1), 1440 // minutes)[: len(index)]
    celsius = 10 + spells + 3 * np.sin(2 * np.pi * (hour - 9) / 24)
    load = 1000 + 200 * np.sin(2 * np.pi * (hour - 8) / 24) - 150 * weekend - mw_per_degree * (celsius - 10)
    frame = pd.DataFrame({"load": load + generator.normal(0, 8, len(index))}, index=index)
    if temperature:
        frame["temperature"] = celsius
    return frame


@pytest.fixture(scope="session")
def demand() -> Demand:
    return make_demand


@pytest.fixture(scope="session")
def new_model() -> Callable[..., Forecaster]:
    """Makes a small model that knows no covariate ahead, unless told otherwise."""

    def build(kind: str, **options: Any) -> Forecaster:
        settings = {"timezone": "Europe/London", "country": "GB", "known_future": (), **SMALL[kind]}
        return create_model(kind, **{**settings, **options})

    return build


@pytest.fixture(scope="session")
def fitted(new_model: Callable[..., Forecaster]) -> Callable[[str], Forecaster]:
    """Each kind, trained once on all but the last three days of the usual demand, and told the weather to come."""
    trained: dict[str, Forecaster] = {}

    def get(kind: str) -> Forecaster:
        if kind not in trained:
            trained[kind] = new_model(kind, known_future=KNOWN).fit(make_demand().iloc[:-72])
        return trained[kind]

    return get
