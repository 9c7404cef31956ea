"""Daylight counts where the place is known: as a covariate of our own, known ahead."""

import numpy as np
import pandas as pd
import pytest

from forecasting import SettingsError, create_model
from forecasting.daylight import solar_elevation_sine

PLACE = {"latitude": 59.3, "longitude": 18.1}


def lit_demand(days: int) -> pd.DataFrame:
    """Solar panels take 300 MW at full sun from a flat load; the days grow longer through March."""
    index = pd.date_range("2024-02-01", periods=24 * days, freq="h", tz="UTC")
    sun = np.maximum(solar_elevation_sine(index + pd.Timedelta(minutes=30), **PLACE), 0.0)
    return pd.DataFrame({"load": 800.0 - 300.0 * sun + np.random.default_rng(0).normal(0, 2, len(index))}, index=index)


def error(settings: dict[str, float], kind: str) -> float:
    frame = lit_demand(60)
    history, future = frame.iloc[:-48], frame.iloc[-48:]
    model = create_model(kind, timezone="Europe/Stockholm", **settings).fit(history)
    return float((model.predict(history, future[[]])[0.5] - future["load"]).abs().mean())


@pytest.mark.parametrize("kind", ["regression", "arima"])
def test_a_model_that_knows_the_place_follows_the_lengthening_days(kind):
    assert error(PLACE, kind) < 0.8 * error({}, kind)


def test_the_place_is_part_of_the_model(tmp_path):
    model = create_model("regression", timezone="Europe/Stockholm", **PLACE).fit(lit_demand(20))
    assert "covariate_sun_elevation" in model.features
    assert model.training["covariates"] == []
    assert create_model("regression", **model.parameters).parameters == model.parameters


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"latitude": 50.0}, "must be given together"),
        ({"latitude": 95.0, "longitude": 0.0}, "latitude 95.0"),
        ({"latitude": 50.0, "longitude": float("nan")}, "longitude nan"),
    ],
)
def test_a_place_that_is_none_is_refused(place, words):
    with pytest.raises(SettingsError, match=words):
        create_model("regression", timezone="UTC", **place)
