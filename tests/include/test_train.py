"""Training: one candidate per kind and training, with its evidence, whoever tries again and wherever it broke off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from forecasting import StudyBusyError, tuning
from forecasting.search_space import SPACES, Range
from include.artifacts import load_artifact
from include.errors import BadArtifact, ChecksFailed, LibraryRefused, NothingKnown, Refusal, StudyBusy, TrainingHeld
from include.portal import NotFound, NotPermitted, Portal
from include.run import Run
from include.settings import Settings
from include.tasks.check import check_series
from include.tasks.ingest import Ingested
from include.tasks.train import Trained, train_batch
from portal.core.access import ensure_groups
from portal.registry.models import ModelVersion
from tests.include.facts import AIRFLOW, check_run
from tests.include.town import DAY, END, readings


def artifacts(options: Settings) -> dict[str, float]:
    """The manifests of the artifacts with the time at which each was written."""
    folder = Path(options.artifacts_url.removeprefix("file://"))
    return {str(path.parent.name): path.stat().st_mtime for path in folder.glob("town/*/manifest.json")}


def test_each_kind_becomes_a_candidate_with_its_evidence_and_an_artifact_that_forecasts(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    trained = train("seasonal_naive", "gradient_boosting", triggered_by="forecaster")
    assert [(each.kind, each.version, each.new) for each in trained] == [
        ("seasonal_naive", 1, True),
        ("gradient_boosting", 2, True),
    ]
    for each in trained:
        model = ModelVersion.objects.get(pk=each.id)
        assert (model.status, str(model.trained_by), model.airflow) == ("candidate", "forecaster", AIRFLOW)
        # The file's rows are known an hour after their interval: the last one ended at 23:00 on the local clock.
        assert (model.data_cutoff, model.training_end) == (END, END - timedelta(hours=1))
        assert model.evidence["n_origins"] == 2
        assert model.evidence["metrics"]["n"] == model.evidence["baseline"]["n"] == 96
        assert model.evidence["covariates"] == {"temperature": "unknown from the origin on"}
        loaded = load_artifact(model.artifact_uri, sha256=model.artifact_sha256)
        assert (loaded.kind, loaded.parameters) == (model.kind, model.parameters)
    assert "temperature" in ModelVersion.objects.get(kind="gradient_boosting").features


def test_a_run_that_nobody_in_person_triggered_trains_as_the_pipelines_account(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    train()
    assert str(ModelVersion.objects.get().trained_by) == "airflow"


def test_training_the_same_again_registers_and_writes_nothing(
    ingested: Callable[..., None],
    train: Callable[..., list[Trained]],
    options: Settings,
    portal_of: Callable[..., Portal],
) -> None:
    ingested()
    (first,) = train(through=portal_of("monday"))
    written = artifacts(options)
    (second,) = train(through=portal_of("tuesday"), triggered_by="forecaster")
    assert (second.id, second.version, second.new) == (first.id, first.version, False)
    assert artifacts(options) == written
    assert ModelVersion.objects.count() == 1


@pytest.mark.parametrize("change", [{"as_of": END - DAY}, {"seed": 1}, {"horizon": "36h"}, {"backtest_origins": 1}])
def test_another_time_or_setting_is_another_training(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], change: dict[str, Any]
) -> None:
    ingested()
    train()
    (other,) = train(**change)
    assert (other.version, other.new) == (2, True)


def test_what_became_known_later_changes_no_training_of_a_past_time(
    ingested: Callable[..., None],
    town: Callable[..., Path],
    train: Callable[..., list[Trained]],
    ingest: Callable[..., Ingested],
) -> None:
    ingested()
    (first,) = train(as_of=END - DAY)
    frame = readings(end=END + 3 * DAY)
    frame.loc[: END - 2 * DAY, "load"] += 5
    town(frame)
    ingest(as_of=END + 4 * DAY)
    (again,) = train(as_of=END - DAY)
    assert (again.id, again.new) == (first.id, False)


def test_a_training_that_broke_off_before_it_was_registered_is_registered_with_the_same_artifact(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], options: Settings
) -> None:
    ingested()
    pipeline = User.objects.get(username="airflow")
    pipeline.groups.clear()
    pipeline.groups.add(ensure_groups()["forecaster"])  # reads everything, registers nothing
    with pytest.raises(NotPermitted, match=r"registry\.add_modelversion is missing"):
        train()
    written = artifacts(options)
    assert len(written) == 1
    assert not ModelVersion.objects.exists()

    pipeline.groups.add(ensure_groups()["service"])
    (trained,) = train()
    model = ModelVersion.objects.get()
    assert trained.new
    assert artifacts(options) == written
    assert load_artifact(model.artifact_uri, sha256=model.artifact_sha256).kind == "seasonal_naive"


@pytest.mark.parametrize("harm", ["truncated", "gone"])
def test_a_registered_artifact_that_was_harmed_is_made_again_bit_by_bit(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], harm: str
) -> None:
    ingested()
    (first,) = train()
    model = ModelVersion.objects.get()
    manifest = Path(model.artifact_uri.removeprefix("file://")) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-10]) if harm == "truncated" else manifest.unlink()
    with pytest.raises(BadArtifact):
        load_artifact(model.artifact_uri, sha256=model.artifact_sha256)
    (again,) = train()
    assert (again.id, again.new) == (first.id, False)
    assert load_artifact(model.artifact_uri, sha256=model.artifact_sha256).kind == "seasonal_naive"


def test_a_series_whose_newest_check_failed_is_held_until_one_passes(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], portal: Portal
) -> None:
    ingested()
    portal.record_check_run(check_run(as_of=END - 2 * DAY))
    failed = portal.record_check_run(check_run(status="failed", as_of=END - DAY))
    with pytest.raises(TrainingHeld, match=rf"^town: check run {failed['id']} .* failed\. Training waits"):
        train()
    assert not ModelVersion.objects.exists()
    assert train(as_of=END - 2 * DAY)[0].new, "what failed later is no reason on that day"
    passed = portal.record_check_run(check_run(as_of=END))
    train()
    evidence = ModelVersion.objects.order_by("-pk")[0].evidence
    assert (evidence["check_run"]["id"], evidence["check_run"]["status"]) == (passed["id"], "passed")


def test_loads_in_another_unit_fail_the_step_check_and_hold_the_training(
    town: Callable[..., Path],
    ingest: Callable[..., Ingested],
    portal: Portal,
    options: Settings,
    train: Callable[..., list[Trained]],
) -> None:
    """Two days in kW: every row keeps the rules of rows, and is stored as it came; what they say together does not."""
    frame = readings()
    frame.iloc[-96:, 0] *= 1000
    town(frame)
    assert ingest().quarantined == 0
    with pytest.raises(ChecksFailed, match="level_step"):
        check_series(portal, "town", as_of=END, settings=options, airflow=AIRFLOW)
    with pytest.raises(TrainingHeld, match="failed"):
        train("seasonal_naive")


def test_one_kind_that_fails_costs_no_other_and_is_named(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    with pytest.raises(LibraryRefused, match="no model is called 'crystal_ball'"):
        train("crystal_ball", "seasonal_naive")
    assert list(ModelVersion.objects.values_list("kind", flat=True)) == ["seasonal_naive"]


def test_a_history_that_is_too_short_is_refused_in_the_librarys_words(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested(readings(start=END - 10 * DAY))
    with pytest.raises(LibraryRefused, match=r"two weeks"):
        train()


def test_a_series_of_which_nothing_was_known_is_refused(
    town: Callable[..., Path], train: Callable[..., list[Trained]]
) -> None:
    town()
    with pytest.raises(NothingKnown, match="Of town no load of the 35 days before"):
        train()


SMALL_SPACE = {"trees": Range(2, 6), "learning_rate": Range(0.05, 0.3)}


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that costs little."""
    monkeypatch.setitem(SPACES, "gradient_boosting", SMALL_SPACE)  # type: ignore[arg-type]


@pytest.mark.usefixtures("few_trees")
def test_a_tuned_candidate_carries_the_study_that_chose_its_hyper_parameters(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], tmp_path: Path
) -> None:
    ingested()
    train("seasonal_naive", "gradient_boosting", tuning_trials=3, tuning_folder=tmp_path / "studies")
    study = ModelVersion.objects.get(kind="gradient_boosting").evidence["tuning"]
    model = ModelVersion.objects.get(kind="gradient_boosting")
    assert [trial["default"] for trial in study["trials"]] == [True, False, False]
    assert study["folds"][-1]["scored_until"] <= model.evidence["known_at_origin"][0]["origin"], "no leak"
    assert model.parameters.items() >= study["best"]["parameters"].items()
    assert model.evidence["parameters"] == model.parameters, "the backtest judged the tuned model"
    assert load_artifact(model.artifact_uri, sha256=model.artifact_sha256).parameters == model.parameters
    assert ModelVersion.objects.get(kind="seasonal_naive").evidence["tuning"] is None, "it has nothing to tune"
    assert not list((tmp_path / "studies").iterdir()), "a registered training leaves nothing to resume"


@pytest.mark.usefixtures("few_trees")
def test_a_tuned_training_that_broke_off_is_resumed_and_one_that_is_registered_is_not_repeated(
    ingested: Callable[..., None],
    train: Callable[..., list[Trained]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ingested()
    facts: dict[str, Any] = {"tuning_trials": 3, "tuning_folder": tmp_path / "studies"}
    pipeline = User.objects.get(username="airflow")
    pipeline.groups.set([ensure_groups()["forecaster"]])  # reads everything, registers nothing
    with pytest.raises(NotPermitted):
        train("gradient_boosting", **facts)
    assert list((tmp_path / "studies").glob("*/*.journal"))
    pipeline.groups.set([ensure_groups()["service"]])
    monkeypatch.setattr(tuning, "backtest", None)  # a trial that is judged again would fail
    (first,) = train("gradient_boosting", **facts)
    assert [trial["state"] for trial in ModelVersion.objects.get().evidence["tuning"]["trials"]] == ["complete"] * 3
    (again,) = train("gradient_boosting", **facts)
    assert (first.new, again.new, again.id) == (True, False, first.id)


@pytest.mark.usefixtures("few_trees")
def test_the_number_of_trials_makes_another_training_of_a_kind_that_is_tuned_alone(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested()
    train("seasonal_naive", "gradient_boosting")
    untouched, other = train("seasonal_naive", "gradient_boosting", tuning_trials=1)
    assert (untouched.new, other.new) == (False, True)


@pytest.mark.usefixtures("few_trees")
def test_a_series_too_young_to_tune_is_trained_all_the_same_and_says_so(
    ingested: Callable[..., None], train: Callable[..., list[Trained]]
) -> None:
    ingested(readings(start=END - 18 * DAY))
    train("gradient_boosting", tuning_trials=2)
    assert "folds need 3 such days" in ModelVersion.objects.get().evidence["tuning"]["skipped"]


@pytest.mark.usefixtures("few_trees")
def test_a_study_that_another_process_works_on_can_be_tried_again(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise StudyBusyError("another process works on the study")

    ingested()
    monkeypatch.setattr(tuning, "stored_study", busy)
    with pytest.raises(StudyBusy, match="another process") as failed:
        train("gradient_boosting", tuning_trials=2)
    assert not isinstance(failed.value, Refusal)


@pytest.mark.usefixtures("few_trees")
def test_the_form_says_how_many_trials_in_place_of_the_setting(
    ingested: Callable[..., None], new_run: Callable[..., Run]
) -> None:
    ingested()
    for trials in (None, 2):
        run = new_run(params={"kinds": ["gradient_boosting"], "tuning_trials": trials})
        train_batch(run, {"series": ["town"], "as_of": END.isoformat()})
    plain, tuned = ModelVersion.objects.order_by("pk")
    assert plain.evidence["tuning"] is None
    assert len(tuned.evidence["tuning"]["trials"]) == 2


def test_a_batch_trains_the_kinds_of_the_form_for_each_series_though_one_fails(
    ingested: Callable[..., None], new_run: Callable[..., Run]
) -> None:
    ingested()
    run = new_run(params={"kinds": ["seasonal_naive"]}, triggered_by="forecaster")
    with pytest.raises(NotFound, match="series/nowhere/"):
        train_batch(run, {"series": ["nowhere", "town"], "as_of": END.isoformat()})
    registered = ModelVersion.objects.get()
    assert (registered.series.slug, str(registered.trained_by)) == ("town", "forecaster")
