"""A search of hyper-parameters: bounded, seeded, pruned, resumed after a kill, and never worse than where it began."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecasting import (
    ArtifactError,
    DataContractError,
    Forecaster,
    ForecastingError,
    SettingsError,
    StudyBusyError,
    Tuning,
    available_models,
    create_model,
    tune,
    tuning,
)
from forecasting.search_space import SPACES, Range, tunable_kinds
from tests.forecasting.conftest import Demand

ROOT = Path(__file__).parents[2]
DAYS = 32
SPACE = {"trees": Range(2, 20), "learning_rate": Range(0.01, 0.3, log=True)}
BUDGET: dict[str, Any] = {"trials": 12, "folds": 3, "origins_per_fold": 2, "space": SPACE}

CHILD = """
import sys
from forecasting import create_model, tune
from tests.forecasting.conftest import make_demand
from tests.forecasting.test_tuning import BUDGET, DAYS, small_booster

def told(done, _):
    print(done, flush=True)

tune(small_booster(), make_demand(days=DAYS), storage=sys.argv[1], progress=told, **BUDGET)
"""


def small_booster(**options: Any) -> Forecaster:
    facts = {
        "timezone": "Europe/London",
        "country": "GB",
        "known_future": (),
        "horizon": "24h",
        "trees": 10,
        "lead_times_per_target": 1,
    }
    return create_model("gradient_boosting", **{**facts, **options})


@pytest.fixture(scope="session")
def history(demand: Demand) -> pd.DataFrame:
    return demand(days=DAYS)


@pytest.fixture(scope="session")
def found(history: pd.DataFrame) -> Tuning:
    """A study that nothing interrupted."""
    return tune(small_booster(), history, **BUDGET)


def test_a_study_starts_with_the_models_own_values_and_chooses_nothing_worse(found: Tuning) -> None:
    first = found.study["trials"][0]
    assert first["parameters"] == {"trees": 10, "learning_rate": 0.05}
    assert [trial["default"] for trial in found.study["trials"]] == [True] + [False] * 11
    complete = [trial for trial in found.study["trials"] if trial["state"] == "complete"]
    assert found.study["best"]["value"] == min(trial["value"] for trial in complete) <= first["value"]
    assert found.study["best"]["parameters"] == found.best
    assert found.study["default"] == {"number": 0, "parameters": first["parameters"], "value": first["value"]}


def test_the_tuned_model_is_new_and_differs_in_what_was_searched_alone(found: Tuning, history: pd.DataFrame) -> None:
    assert found.model.parameters == {**small_booster().parameters, **found.best}
    with pytest.raises(ForecastingError, match="fit"):
        _ = found.model.training
    assert found.model.fit(history).training["rows"] == len(history)


def test_every_trial_is_told_with_its_folds_in_order_of_time_and_within_its_range(found: Tuning) -> None:
    assert json.loads(json.dumps(found.study, allow_nan=False)) == found.study
    folds = found.study["folds"]
    assert len(folds) == 3
    for before, after in pairwise(folds):
        assert before["scored_until"] <= after["scored_until"]
        assert before["last_origin"] < after["first_origin"]
    for trial in found.study["trials"]:
        assert 2 <= trial["parameters"]["trees"] <= 20
        assert 0.01 <= trial["parameters"]["learning_rate"] <= 0.3
        if trial["state"] == "complete":
            assert trial["value"] == pytest.approx(sum(trial["per_fold"]) / 3)


def test_a_trial_that_does_worse_than_most_is_given_up_before_its_last_fold(found: Tuning) -> None:
    pruned = [trial for trial in found.study["trials"] if trial["state"] == "pruned"]
    assert pruned
    assert all(trial["value"] is None and 1 <= len(trial["per_fold"]) < 3 for trial in pruned)


def test_the_same_study_gives_the_same_and_another_seed_looks_elsewhere(found: Tuning, history: pd.DataFrame) -> None:
    assert tune(small_booster(), history, **BUDGET).study == found.study
    other = tune(small_booster(seed=1), history, **BUDGET).study
    assert other["trials"][1]["parameters"] != found.study["trials"][1]["parameters"]


def test_a_study_killed_in_the_middle_ends_as_if_nothing_had_happened(
    found: Tuning, history: pd.DataFrame, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    judged = 0
    for _ in range(2):  # the second process resumes what the first left behind
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [int(child.stdout.readline()) for _ in range(3)]
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        assert lines[0] > judged
        judged = lines[-1]
    journal = next(tmp_path.glob("*.journal"))
    # What a kill within a write leaves: a line cut off, and Optuna's lock.
    with journal.open("ab") as stream:
        stream.write(b'{"op_code":8,"worker_id":"killed while it wr')
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    journal.with_name(f"{journal.name}.lock").symlink_to(journal)
    calls: list[int] = []
    resumed = tune(small_booster(), history, storage=tmp_path, progress=lambda done, _: calls.append(done), **BUDGET)
    assert 0 < len(calls) < 12, "what was judged before the kill is not judged again"
    assert resumed.study == found.study
    assert resumed.best == found.best


def test_a_finished_study_is_answered_from_its_store_and_goes_on_where_more_trials_are_asked(
    found: Tuning, history: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tune(small_booster(), history, storage=tmp_path, **{**BUDGET, "trials": 5})
    assert short.study["trials"] == found.study["trials"][:5]
    longer = tune(small_booster(), history, storage=tmp_path, **BUDGET)
    assert longer.study == found.study
    monkeypatch.setattr(tuning, "backtest", None)
    assert tune(small_booster(), history, storage=tmp_path, **BUDGET).study == found.study
    assert tune(small_booster(), history, storage=tmp_path, **{**BUDGET, "trials": 5}).study == short.study


@pytest.mark.parametrize("change", ["history", "setting", "hyper-parameter", "space", "folds"])
def test_another_history_model_or_fold_never_resumes_a_study(
    history: pd.DataFrame, tmp_path: Path, change: str
) -> None:
    small = {**BUDGET, "trials": 1}
    tune(small_booster(), history, storage=tmp_path, **small)
    other = history.copy()
    other.iloc[5, 0] += 1
    done: list[int] = []
    tune(
        small_booster(**{"setting": {"seed": 1}, "hyper-parameter": {"leaves": 7}}.get(change, {})),
        other if change == "history" else history,
        storage=tmp_path,
        progress=lambda number, _: done.append(number),
        **{**small, **{"space": {"space": {"trees": Range(3, 20)}}, "folds": {"folds": 2}}.get(change, {})},
    )
    assert done == [1]
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_one_process_at_a_time_works_on_a_study(history: pd.DataFrame, tmp_path: Path) -> None:
    def second(_: int, __: int) -> None:
        tune(small_booster(), history, storage=tmp_path, **BUDGET)

    with pytest.raises(StudyBusyError, match="another process works on the study"):
        tune(small_booster(), history, storage=tmp_path, progress=second, **BUDGET)


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(history: pd.DataFrame) -> None:
    space = {"learning_rate": Range(0.04, 20.0)}  # the booster takes at most 1
    study = tune(small_booster(), history, **{**BUDGET, "trials": 4, "space": space}).study
    failed = [trial for trial in study["trials"] if trial["state"] == "failed"]
    assert failed
    assert all("must be above 0 and at most 1" in trial["reason"] and trial["value"] is None for trial in failed)
    assert study["best"]["number"] == 0


def test_a_study_in_which_every_trial_fails_says_why(history: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    class Diverged:
        metrics = {"pinball": float("nan")}  # noqa: RUF012

    monkeypatch.setattr(tuning, "backtest", lambda *_, **__: Diverged)
    with pytest.raises(ForecastingError, match=r"none of 2 trials succeeded; the first says: .* loss is nan"):
        tune(small_booster(), history, **{**BUDGET, "trials": 2})


def test_a_fold_knows_nothing_of_what_comes_after_it(history: pd.DataFrame) -> None:
    one = {**BUDGET, "trials": 1}
    study = tune(small_booster(), history, **one).study
    later = history.copy()
    later.loc[later.index >= pd.Timestamp(study["folds"][0]["scored_until"]), "load"] *= 3
    changed = tune(small_booster(), later, **one).study
    assert changed["trials"][0]["per_fold"][0] == study["trials"][0]["per_fold"][0]
    assert changed["trials"][0]["per_fold"][2] != study["trials"][0]["per_fold"][2]


def test_the_rows_that_a_trial_trains_on_can_be_bounded(history: pd.DataFrame) -> None:
    study = tune(small_booster(), history, **{**BUDGET, "trials": 1, "training_rows": 16 * 24}).study
    for fold in study["folds"]:
        assert pd.Timestamp(fold["first_origin"]) - pd.Timestamp(fold["trained_from"]) == pd.Timedelta(days=16)


def test_a_bound_in_seconds_judges_at_least_the_default(history: pd.DataFrame) -> None:
    study = tune(small_booster(), history, seconds=1e-9, **BUDGET).study
    assert [trial["default"] for trial in study["trials"]] == [True]
    assert (study["trials_allowed"], study["seconds_allowed"]) == (12, 1e-9)


def test_a_range_is_widened_to_the_models_own_value(history: pd.DataFrame) -> None:
    space = {"trees": Range(2, 5), "l2": Range(0.1, 1.0, log=True)}
    study = tune(small_booster(l2=0), history, **{**BUDGET, "trials": 2, "space": space}).study
    assert study["space"] == {
        "l2": {"low": 0.0, "high": 1.0, "log": False},
        "trees": {"low": 2, "high": 10, "log": False},
    }
    assert study["trials"][0]["parameters"] == {"l2": 0.0, "trees": 10}


def test_days_without_loads_judge_nothing_and_a_short_history_is_refused(history: pd.DataFrame) -> None:
    gap = history.copy()
    gap.loc[gap.index[-4 * 24 :], "load"] = float("nan")
    study = tune(small_booster(), gap, **{**BUDGET, "trials": 1}).study
    assert pd.Timestamp(study["folds"][-1]["last_origin"]) < gap.index[-4 * 24]
    with pytest.raises(DataContractError, match=r"holds 2 days to forecast from.*3 folds need 3"):
        tune(small_booster(), history.iloc[: 16 * 24], **BUDGET)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "trials 0"),
        ({"trials": 2.5}, "trials 2.5"),
        ({"folds": True}, "folds True"),
        ({"origins_per_fold": 0}, "origins_per_fold 0"),
        ({"training_rows": 100}, "training_rows 100 must cover 14 days"),
        ({"seconds": -1}, "seconds -1"),
        ({"seconds": float("nan")}, "seconds nan"),
        ({"space": {}}, "no hyper-parameter is left"),
        ({"space": {"threads": Range(1, 2)}}, "no hyper-parameter 'threads' to tune"),
    ],
)
def test_a_wrong_argument_is_named(history: pd.DataFrame, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        tune(small_booster(), history, **{**BUDGET, **options})


@pytest.mark.parametrize("facts", [(5, 2, False), (0, 2, True), (float("nan"), 1, False)])
def test_an_impossible_range_is_refused(facts: tuple[float, float, bool]) -> None:
    with pytest.raises(SettingsError, match="range from"):
        Range(*facts)


def test_a_kind_with_nothing_to_tune_is_refused_by_name(history: pd.DataFrame) -> None:
    naive = create_model("seasonal_naive", timezone="Europe/London")
    with pytest.raises(SettingsError, match=r"seasonal_naive has no hyper-parameters to tune; .*gradient_boosting"):
        tune(naive, history)


def test_a_folder_that_is_a_file_and_a_journal_that_is_none_are_refused(history: pd.DataFrame, tmp_path: Path) -> None:
    small = {**BUDGET, "trials": 1}
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be kept in"):
        tune(small_booster(), history, storage=tmp_path / "file", **small)
    tune(small_booster(), history, storage=tmp_path / "studies", **small)
    (journal,) = (tmp_path / "studies").glob("*.journal")
    journal.write_text("what is this?\nand that?\n")
    with pytest.raises(ArtifactError, match="is no journal of a study"):
        tune(small_booster(), history, storage=tmp_path / "studies", **small)


@pytest.mark.parametrize("kind", tunable_kinds())
def test_the_ends_of_every_declared_range_make_a_model(kind: str) -> None:
    assert kind in available_models()
    for end in ("low", "high"):
        chosen = {name: getattr(span, end) for name, span in SPACES[kind].items()}
        assert create_model(kind, timezone="UTC", **chosen).parameters.items() >= chosen.items()


@pytest.mark.parametrize("kind", ["arima"])
def test_a_kind_is_tuned_over_its_declared_ranges(
    history: pd.DataFrame, new_model: Callable[..., Forecaster], kind: str
) -> None:
    study = tune(new_model(kind, horizon="24h"), history, trials=2, folds=2, origins_per_fold=1).study
    assert set(study["trials"][1]["parameters"]) == set(SPACES[kind])
    assert study["trials"][1]["state"] in {"complete", "pruned"}
