"""A training killed at any step, and tried again, ends in one registered version with a sound artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forecasting import load_model
from include.artifacts import load_artifact
from include.settings import Settings
from include.tasks.train import Trained
from portal.registry.models import ModelVersion
from tests.include.facts import AIRFLOW
from tests.include.town import END
from tests.include.training_process import Facts, Order, Trainers, open_trainers

MOST_STEPS = 40


@pytest.fixture
def small(options: Settings) -> Settings:
    return options.model_copy(update={"backtest_origins": 1, "training_days": 21})


@pytest.fixture
def trainers(live_server: Any, token: str, small: Settings) -> Iterator[Trainers]:
    """Processes that train the town."""
    facts = Facts(live_server.url, token, small.model_dump(mode="json"), AIRFLOW)
    with open_trainers(facts) as opened:
        yield opened


def visible(options: Settings) -> list[Path]:
    """The folders that a reader of artifacts may find; each holds a whole model."""
    found = [each for each in folder_of(options).glob("town/*") if not each.name.startswith(".")]
    for each in found:
        load_model(each)
    return found


def folder_of(options: Settings) -> Path:
    return Path(options.artifacts_url.removeprefix("file://"))


def check_registry(options: Settings) -> None:
    """Versions have no holes, each has its own sound artifact, and there is no other artifact."""
    models = list(ModelVersion.objects.order_by("version"))
    assert [model.version for model in models] == list(range(1, len(models) + 1))
    for model in models:
        assert load_artifact(model.artifact_uri, sha256=model.artifact_sha256).parameters == model.parameters
    assert {each.name for each in visible(options)} == {model.training_key for model in models}


def test_killed_at_every_step_of_storing_an_artifact_a_training_ends_in_one_version(
    ingested: Callable[..., None], trainers: Trainers, small: Settings
) -> None:
    """The same training, killed one step later each time: each try is a retry of all that came before."""
    ingested()
    steps = []
    while "rename" not in steps:
        ended = trainers.train(Order(END.isoformat(), folder=str(folder_of(small)), step=len(steps)))
        assert ended.killed
        steps.append(ended.at)
        assert visible(small) == []
        assert not ModelVersion.objects.exists()
        assert len(steps) < MOST_STEPS
    assert set(steps) == {"mkdir", "BufferedWriter.write", "fsync", "chmod", "rename"}
    assert trainers.train(Order(END.isoformat())).status == 0
    check_registry(small)
    (model,) = ModelVersion.objects.all()
    left = [each.name for each in folder_of(small).glob("town/.*")]
    assert left
    assert all(name.startswith(f".{model.training_key[:40]}.") for name in left), "the orphans of the killed tries"


def test_killed_at_any_step_of_registering_a_training_ends_in_one_version(
    ingested: Callable[..., None], train: Callable[..., list[Trained]], trainers: Trainers, small: Settings
) -> None:
    """Each step is one of a training of its own: from the artifact's name to the last byte of the portal's answer."""
    ingested()
    changed = small.model_dump(include={"backtest_origins", "training_days"})
    steps: list[str] = []
    while True:
        seed = len(steps)
        order = Order(END.isoformat(), settings={"seed": seed}, folder=str(folder_of(small)), step=seed, after="rename")
        ended = trainers.train(order)
        visible(small)
        (trained,) = train(**changed, seed=seed)
        assert trained.version == seed + 1, ended
        check_registry(small)
        if not ended.killed:
            break
        steps.append(ended.at)
        assert len(steps) < MOST_STEPS
    assert (ended.status, trained.new) == (0, False)
    assert set(steps) == {"fsync", "socket.send", "socket.recv"}


def test_killed_again_and_again_while_it_tunes_and_backtests_a_training_leaves_one_version(
    ingested: Callable[..., None], trainers: Trainers, small: Settings, tmp_path: Path
) -> None:
    ingested()
    studies = tmp_path / "studies"
    facts: dict[str, Any] = {
        "kind": "gradient_boosting",
        "settings": {"tuning_trials": 3, "tuning_folder": str(studies)},
    }
    for number in (0, 3, 6):
        ended = trainers.train(Order(END.isoformat(), folder=str(studies), step=number, only=("fsync",), **facts))
        assert ended.killed
    for line in ("backtest: 1 of 1", "pinball of"):
        assert trainers.train(Order(END.isoformat(), line=line, **facts)).at == line
        assert not ModelVersion.objects.exists()
        assert visible(small) == []
    assert trainers.train(Order(END.isoformat(), **facts)).status == 0
    check_registry(small)
    (model,) = ModelVersion.objects.all()
    assert [trial["state"] for trial in model.evidence["tuning"]["trials"]] == ["complete"] * 3
    assert not list(studies.iterdir())
