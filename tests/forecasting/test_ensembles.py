"""What `auto` does about a member that fails, and `ensemble` does not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from forecasting import available_models, create_model, load_model
from forecasting.models.ensemble import Auto, Ensemble
from forecasting.models.exponential_smoothing import ExponentialSmoothing
from forecasting.models.gradient_boosting import GradientBoosting
from forecasting.models.gradient_boosting import Parameters as BoostingParameters
from forecasting.models.regression import Regression

MODEL = {"timezone": "Europe/London", "country": "GB", "horizon": "24h", "known_future": ()}


@dataclass(frozen=True)
class FewTrees(BoostingParameters):
    trees: int = 20


class Boosting(GradientBoosting):
    Parameters = FewTrees


class Singular(Regression):
    """Fails as a solver does."""

    def learn(self, grid, end):
        return np.linalg.solve(np.zeros((2, 2)), np.ones(2))


class Diverging(Boosting):
    """Learns, and forecasts what is no number."""

    def paths(self, state, grid, origins, steps):
        return np.full((len(origins), steps), np.nan)


class FailingLater(Boosting):
    """Is judged well, and fails when it comes to the forecast: more than one origin is the judgement."""

    def paths(self, state, grid, origins, steps):
        if len(origins) == 1:
            raise MemoryError("no room for the path")
        return super().paths(state, grid, origins, steps)


def auto_of(*members, kind=Auto):
    class Chosen(kind):
        Members = members

    # Shrunk to nearly equal weights, so that each member counts.
    return Chosen(create_model("auto", **MODEL).settings, {"tolerance": 1e6, "shrinkage": 10.0})


def past_and_future(demand, days=35):
    frame = demand(days=days)
    return frame.iloc[:-24], frame.iloc[-24:].drop(columns="load")


@pytest.mark.parametrize("broken", [Singular, Diverging], ids=["raises", "not_finite"])
def test_auto_goes_on_without_a_member_that_fails_and_says_so(broken, demand):
    history, future = past_and_future(demand)
    others = [member for member in (Regression, Boosting) if not issubclass(broken, member)]
    model = auto_of(broken, *others).fit(history)
    alone = auto_of(*others).fit(history)
    pd.testing.assert_frame_equal(model.predict(history, future), alone.predict(history, future))
    (reason,) = model.training["failures"].values()
    assert list(model.training["failures"]) == [broken.kind]
    assert reason in {"LinAlgError: Singular matrix", "ForecastingError: a forecast is not finite"}
    assert list(model.training["weights"]) == [member.kind for member in others]


def test_auto_whose_members_all_fail_is_the_weekly_naive(demand, tmp_path):
    history, future = past_and_future(demand)
    model = auto_of(Singular, Diverging).fit(history)
    assert set(model.training["failures"]) == {"regression", "gradient_boosting"}
    forecast = model.predict(history, future)
    naive = create_model("seasonal_naive", **MODEL).fit(history).predict(history, future)
    pd.testing.assert_series_equal(forecast[0.5], naive[0.5])
    assert (forecast[0.9] - forecast[0.1]).min() > 5
    again = load_model(tmp_path / "model", expected_sha256=model.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.predict(history, future), forecast)


def test_auto_forecasts_with_the_others_when_a_member_fails_at_the_issue_time(demand, caplog):
    history, future = past_and_future(demand)
    model = auto_of(ExponentialSmoothing, FailingLater).fit(history)
    assert model.training["failures"] == {}
    forecast = model.predict(history, future)
    assert np.isfinite(forecast.to_numpy()).all()
    assert "goes on without gradient_boosting: no room for the path" in caplog.text


def test_an_ensemble_raises_what_its_member_raised(demand):
    history, _ = past_and_future(demand)
    with pytest.raises(np.linalg.LinAlgError):
        auto_of(Singular, Boosting, kind=Ensemble).fit(history)


def test_an_auto_with_fewer_members_comes_back_from_its_files_as_it_was(demand, tmp_path):
    history, future = past_and_future(demand)
    model = auto_of(Singular, ExponentialSmoothing, Boosting).fit(history)
    again = load_model(tmp_path / "model", expected_sha256=model.save(tmp_path / "model"))
    assert again.training["failures"] == {"regression": "LinAlgError: Singular matrix"}
    pd.testing.assert_frame_equal(again.predict(history, future), model.predict(history, future), check_exact=True)
    names = {entry.name.split(".")[0] for entry in (tmp_path / "model").iterdir()}
    assert names == {"manifest", "calibration", "ensemble", "exponential_smoothing", "gradient_boosting"}


def test_the_members_are_kinds_of_their_own():
    for ensemble in (Auto, Ensemble):
        assert {member.kind for member in ensemble.Members} < set(available_models())
