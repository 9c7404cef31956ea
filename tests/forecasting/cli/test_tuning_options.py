import json

import pytest

from forecasting import load_model
from forecasting.cli import main

TINY = ["--timezone", "Europe/London", "--kind", "gradient_boosting", "--horizon", "24h", "--set", "trees=5"]


def test_a_backtest_can_tune_first_on_the_days_before_it(csv, tmp_path, capsys):
    command = ["backtest", str(csv), *TINY, "--origins", "2", "--tune", "2", "--study", str(tmp_path / "studies")]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    study = report["tuning"]
    assert [trial["default"] for trial in study["trials"]] == [True, False]
    assert study["folds"][-1]["scored_until"] <= report["known_at_origin"][0]["origin"]
    assert "trees" not in study["space"], "what is set by hand stays so"
    assert report["parameters"]["trees"] == 5
    assert report["parameters"].items() >= study["best"]["parameters"].items()
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == report


def test_a_trained_model_carries_the_study_that_chose_its_hyper_parameters(csv, tmp_path, capsys):
    assert main(["train", str(csv), *TINY, "--tune", "2", "--output", str(tmp_path / "model")]) == 0
    study = json.loads(capsys.readouterr().out)["tuning"]
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert manifest["provenance"]["tuning"] == study
    assert load_model(tmp_path / "model").parameters.items() >= study["best"]["parameters"].items()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "seasonal_naive", "--tune", "5"], "seasonal_naive has no hyper-parameters to tune"),
        (["--kind", "arima", "--tune", "-1"], "trials -1 must be a whole number"),
        (["--kind", "arima", "--study", "here"], "--tune-seconds and --study need --tune"),
        (["--kind", "arima", "--tune", "5", "--tune-seconds", "0"], "seconds 0.0 must be a positive number"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_line(csv, capsys, options, words):
    assert main(["backtest", str(csv), "--timezone", "Europe/London", "--origins", "2", *options]) == 2
    assert words in capsys.readouterr().err
