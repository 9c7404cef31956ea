"""The rule for short histories, as docs/guides/models.md states it: what is left out, and from when on it is there."""

import numpy as np
import pytest

from forecasting import DataContractError, create_model
from forecasting.contracts import validate_history
from forecasting.grid import build_grid
from forecasting.models.exponential_smoothing import ExponentialSmoothing
from forecasting.sampling import held_out_from

PLACE = {"timezone": "Europe/London", "country": None}
LEAST = {"gradient_boosting": {"trees": 1}, "recursive_boosting": {"trees": 1}}


def grid_of(demand, days):
    frame = validate_history(demand(days=days, temperature=False))
    return build_grid(frame, None, **PLACE, subdivision=None)


def test_less_than_two_weeks_or_less_than_one_of_loads_are_refused(demand):
    model, frame = create_model("auto", **PLACE), demand(days=14)
    with pytest.raises(DataContractError, match="at least 14 days"):
        model.fit(frame.iloc[1:])
    sparse = frame.copy()
    sparse.iloc[1::2, 0] = np.nan
    model.validate(sparse)
    sparse.iloc[2, 0] = np.nan
    with pytest.raises(DataContractError, match="at least 7 days of observed loads"):
        model.validate(sparse)


@pytest.mark.parametrize(("days", "held_out"), [(14, 2), (15, 3), (100, 20), (350, 70), (730, 70)])
def test_the_last_fifth_is_held_out_from_two_days_to_ten_weeks(days, held_out, demand):
    assert held_out_from(grid_of(demand, 14), days * 24) == (days - held_out) * 24


@pytest.mark.parametrize(("days", "seasons"), [(2, 0), (3, 1), (17, 1), (18, 2)])
def test_exponential_smoothing_tells_the_week_from_two_weeks_and_a_half_on(days, seasons, demand):
    model = create_model("exponential_smoothing", **PLACE)
    assert isinstance(model, ExponentialSmoothing)
    load = demand(days=days, temperature=False)["load"].to_numpy()
    assert len(model._adjusted(load, 24)[1]) == seasons


@pytest.mark.parametrize("kind", ["regression", "arima", "gradient_boosting", "recursive_boosting"])
def test_the_season_is_known_from_five_hundred_days_on(kind, demand):
    grid = grid_of(demand, 502)
    for days, seasonal in ((500, False), (501, True)):
        model = create_model(kind, **PLACE, known_future=(), horizon="6h", **LEAST.get(kind, {}))
        model.learn(grid, days * 24)
        assert bool({"day_of_year", "year_sin_1"} & set(model.features)) == seasonal
