"""A portal whose worker is killed in the middle of a registration has it once, whole, when the pipeline asks again."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.artifacts import load_artifact
from include.portal import Portal
from include.tasks.train import Trained
from portal.registry.models import ModelVersion
from tests.include.dying_portal import ANSWERED
from tests.include.facts import training
from tests.portal_environment import portal_environment

ROOT = Path(__file__).parents[2]
MOST_STATEMENTS = 60


@dataclass(frozen=True)
class DyingPortal:
    """A portal of one worker, which is replaced when it dies."""

    url: str
    order: Path

    def dies_at(self, moment: str | int) -> None:
        """The next registration kills the worker then."""
        self.order.write_text(str(moment), encoding="utf-8")

    @property
    def has_died(self) -> bool:
        return not self.order.exists()


@pytest.fixture
def dying_portal(token: str, tmp_path: Path) -> Iterator[DyingPortal]:
    """On the database of the test, by gunicorn as in production."""
    order = tmp_path / "dies-at"
    environment = portal_environment(DIES_AT=str(order))
    options = ["--config", "python:portal.config.gunicorn", "--workers", "1", "--preload", "--no-control-socket"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        command = [sys.executable, "-m", "gunicorn", *options, "--bind", f"fd://{number}"]
        with subprocess.Popen(
            [*command, "tests.include.dying_portal:application"], cwd=ROOT, env=environment, pass_fds=(number,)
        ) as gunicorn:
            yield DyingPortal(f"http://127.0.0.1:{listener.getsockname()[1]}", order)
            gunicorn.terminate()


def test_a_worker_killed_before_any_statement_of_a_registration_leaves_one_version_when_asked_again(
    town: Callable[..., Path], dying_portal: DyingPortal, portal_of: Callable[..., Portal]
) -> None:
    """The call itself asks again: the worker's death looks to it like a portal that does not answer."""
    town()
    portal = portal_of("manual__1", url=dying_portal.url)
    for number in range(MOST_STATEMENTS):
        dying_portal.dies_at(number)
        registered = portal.register_model(training(f"key-{number}"))
        assert (registered["version"], registered["training_key"]) == (number + 1, f"key-{number}")
        if not dying_portal.has_died:
            break
    assert number > 5, "the token, the key of the request, the series' lock, the version"
    assert not dying_portal.has_died, "the last one ran out of statements"
    stored = ModelVersion.objects.order_by("version").values_list("version", "training_key")
    assert list(stored) == [(each + 1, f"key-{each}") for each in range(number + 1)]


def test_a_worker_killed_after_the_commit_has_registered_the_training_whose_answer_is_lost(
    ingested: Callable[..., None],
    train: Callable[..., list[Trained]],
    dying_portal: DyingPortal,
    portal_of: Callable[..., Portal],
    tmp_path: Path,
) -> None:
    ingested()
    dying_portal.dies_at(ANSWERED)
    (trained,) = train(through=portal_of("manual__1", url=dying_portal.url))
    assert dying_portal.has_died
    model = ModelVersion.objects.get()
    assert (model.pk, model.version) == (trained.id, 1)
    assert load_artifact(model.artifact_uri, sha256=model.artifact_sha256).parameters == model.parameters
