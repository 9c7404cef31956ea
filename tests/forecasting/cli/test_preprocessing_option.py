"""`--preprocessing` on train, backtest and forecast: the same profile in all three."""

import json

import numpy as np
import pandas as pd
import pytest

from forecasting import load_model
from forecasting.cli import main
from forecasting.preprocessing import preprocess

MODEL = ["--timezone", "Europe/London", "--kind", "regression"]
STANDARD = ["--preprocessing", "standard"]


@pytest.fixture
def damaged(demand, tmp_path):
    frame = demand(days=40)
    frame.iloc[300:340, 0] = np.nan
    frame.iloc[900, 0] *= 1000
    path = tmp_path / "damaged.csv"
    frame.rename_axis("timestamp").to_csv(path)
    return path, frame


def test_a_forecast_is_made_from_a_history_prepared_as_that_of_the_training(damaged, tmp_path, capsys):
    csv, frame = damaged
    assert main(["train", str(csv), *MODEL, *STANDARD, "--output", str(tmp_path / "model")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["preprocessing"]["profile"] == "standard"
    assert printed["training"]["missing_loads"] == 0
    command = ["forecast", str(csv), "--model", str(tmp_path / "model"), "--horizon", "24h"]
    forecasts = {}
    for name, option in (("noted", []), ("named", STANDARD), ("raw", ["--preprocessing", "raw"])):
        assert main([*command, *option, "--output", str(tmp_path / "out.csv")]) == 0
        forecasts[name] = pd.read_csv(tmp_path / "out.csv", index_col=0, parse_dates=True).rename(columns=float)
    history = preprocess(frame, "standard", timezone="Europe/London").values
    future = pd.DataFrame({"temperature": np.nan}, index=forecasts["noted"].index.tz_convert("UTC"))
    expected = load_model(tmp_path / "model").predict(history, future)
    pd.testing.assert_frame_equal(forecasts["noted"], expected, check_names=False, check_freq=False)
    pd.testing.assert_frame_equal(forecasts["named"], forecasts["noted"])


def test_a_training_without_a_profile_is_what_it_was(damaged, tmp_path, capsys):
    csv, _ = damaged
    digests = []
    for name, option in (("one", []), ("other", ["--preprocessing", "raw"])):
        assert main(["train", str(csv), *MODEL, *option, "--output", str(tmp_path / name)]) == 0
        printed = json.loads(capsys.readouterr().out)
        digests.append(printed["sha256"])
        assert "preprocessing" not in printed
    assert digests[0] == digests[1]


def test_a_backtest_prepares_the_history_before_each_origin(damaged, capsys):
    csv, _ = damaged
    scores = []
    for option in ([], STANDARD):
        assert main(["backtest", str(csv), *MODEL, *option, "--origins", "2"]) == 0
        scores.append(json.loads(capsys.readouterr().out))
    plain, standard = scores
    assert plain["baseline"] == standard["baseline"]
    assert plain["metrics"] != standard["metrics"]


def test_an_unknown_profile_is_refused(damaged, capsys):
    with pytest.raises(SystemExit):
        main(["backtest", str(damaged[0]), *MODEL, "--preprocessing", "spotless"])
    assert "invalid choice: 'spotless'" in capsys.readouterr().err
