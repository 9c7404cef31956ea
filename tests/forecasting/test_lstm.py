"""The network of its own kind: what it does with bad inputs, with several series at once, and with threads."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting import SettingsError, load_model
from forecasting.models.lstm import fit_jointly

ROOT = Path(__file__).parents[2]
DAY = 24
SHARED = {"known_future": None, "epochs": 12, "learning_rate": 0.01, "leads_per_origin": 8, "most_origins": 300}
COUNT_THREADS = """
import os
import numpy as np
from forecasting.network import Shape, built, quantiles
shape = Shape(steps=4, past=3, ahead=2, levels=(0.1, 0.5, 0.9), units=4, decoder_units=4)
network = built(shape, seed=0, threads=3)
quantiles(network, np.zeros((1, 4, 3), dtype="float32"), np.zeros((1, 2, 2), dtype="float32"))
names = [open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")]
print(sum("XLAEigen" in name for name in names))
"""


@pytest.fixture(scope="module")
def towns(demand):
    """Four weeks and two days of five towns that differ in size, weather and noise."""
    frames = []
    for number, size in enumerate((0.1, 0.5, 1.0, 3.0, 20.0)):
        frame = demand(days=30, seed=10 + number)
        frames.append(frame.assign(load=size * frame["load"]))
    return frames


@pytest.fixture(scope="module")
def together(towns, new_model):
    return fit_jointly([new_model("lstm", **SHARED) for _ in towns], [town.iloc[: -2 * DAY] for town in towns])


def forecast(model, town):
    return model.predict(town.iloc[: -2 * DAY], town.iloc[-2 * DAY :].drop(columns="load"))


def relative_error(model, town):
    actual = town["load"].iloc[-2 * DAY :]
    return (forecast(model, town)[0.5] - actual).abs().mean() / actual.mean()


def test_short_series_that_share_a_network_are_forecast_better_than_each_alone(towns, together, new_model):
    errors = []
    for number in (0, 4):
        alone = new_model("lstm", **SHARED).fit(towns[number].iloc[: -2 * DAY])
        errors.append([relative_error(model, towns[number]) for model in (together[number], alone)])
    shared, single = np.mean(errors, axis=0)
    assert shared < 0.9 * single


def test_a_model_of_a_shared_network_is_saved_and_loaded_alone(towns, together, tmp_path):
    for number in (0, 4):
        together[number].save(tmp_path / str(number))
        again = load_model(tmp_path / str(number))
        pd.testing.assert_frame_equal(
            forecast(again, towns[number]), forecast(together[number], towns[number]), check_exact=True
        )


def test_the_same_series_together_give_the_same_models_again(towns, new_model, tmp_path):
    digests = []
    for attempt in ("one", "two"):
        models = fit_jointly(
            [new_model("lstm", **SHARED | {"epochs": 1}) for _ in range(2)], [town.iloc[:-DAY] for town in towns[:2]]
        )
        digests.append([model.save(tmp_path / f"{attempt}-{n}") for n, model in enumerate(models)])
    assert digests[0] == digests[1]


def test_series_of_other_places_resolutions_and_covariates_can_share_a_network(demand, new_model):
    frames = [demand(days=20), demand(days=20, minutes=30, temperature=False, timezone="Australia/Melbourne")]
    models = [
        new_model("lstm", horizon="12h", epochs=1, known_future=None, timezone=timezone, country=country)
        for timezone, country in (("Europe/London", "GB"), ("Australia/Melbourne", None))
    ]
    for model, frame in zip(fit_jointly(models, frames), frames, strict=True):
        future = frame.iloc[-4:].drop(columns="load")
        values = model.predict(frame.iloc[:-4], future).to_numpy()
        assert np.isfinite(values).all()
        assert 300 < values.min() <= values.max() < 1700


@pytest.mark.parametrize("other", [{"seed": 1}, {"units": 5}, {"quantiles": (0.2, 0.5, 0.8)}])
def test_models_of_different_make_cannot_share_a_network(other, new_model, towns):
    models = [new_model("lstm"), new_model("lstm", **other)]
    with pytest.raises(SettingsError, match="must have the same quantiles, seed and hyper-parameters"):
        fit_jointly(models, towns[:2])


def test_there_must_be_a_history_for_each_model(new_model, towns):
    with pytest.raises(SettingsError, match="1 models cannot learn from 2 histories"):
        fit_jointly([new_model("lstm")], towns[:2])
    assert fit_jointly([], []) == []


def test_a_step_that_does_not_divide_the_week_is_refused(new_model):
    with pytest.raises(SettingsError, match="hours_per_step 5 must divide the 168 hours"):
        new_model("lstm", hours_per_step=5)


def test_a_temperature_that_was_never_measured_does_no_harm(demand, new_model):
    frame = demand(days=24).assign(temperature=np.nan)
    history, future = frame.iloc[: -2 * DAY], frame.iloc[-2 * DAY :].drop(columns="load")
    model = new_model("lstm", known_future=None, epochs=2).fit(history)
    values = model.predict(history, future.assign(temperature=40.0)).to_numpy()
    assert np.isfinite(values).all()
    assert 300 < values.min() <= values.max() < 1700


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted where Linux lists them")
def test_xla_computes_with_as_many_threads_as_the_first_network_is_given():
    plain = {name: value for name, value in os.environ.items() if name != "NPROC"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=plain,
        timeout=240,
    )
    assert int(done.stdout) == 3
