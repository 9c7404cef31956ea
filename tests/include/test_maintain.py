"""The storage of models after a run of maintain_store: orphans are gone, and nothing that a model version needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
from django.contrib.auth.models import User

from forecasting import create_model
from include.artifacts import load_artifact, save_artifact
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.stored_artifacts import remove_artifact, stored_artifacts
from include.tasks.maintain import RetentionHeld, clean_storage, maintain_store
from portal.registry.models import ModelVersion
from portal.registry.operations import approve_model, reject_model
from portal.retention.models import RetentionRule, RetentionRun
from portal.retention.operations import ensure_rules
from portal.series.catalog import load_catalog
from tests.include.facts import training
from tests.include.town import TIMEZONE, catalog, readings

NOW = datetime.now(UTC)
"""Files of object storage are written now, whatever a test says: their age is counted from here."""
LATER = NOW + timedelta(days=30)
DAY = timedelta(days=1)


def key(letter: str) -> str:
    return letter * 64


@pytest.fixture(params=["file", "memory"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where artifacts lie: a folder of a disk, or a prefix of an object store."""
    url = f"{request.param}://{tmp_path}/artifacts"
    yield url
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm(f"{tmp_path}/artifacts", recursive=True)


def put(url: str, name: str, *, content: bytes = b"{}") -> str:
    """An artifact of one file."""
    filesystem, path = fsspec.core.url_to_fs(f"{url}/town/{name}")
    filesystem.makedirs(path, exist_ok=True)
    filesystem.pipe_file(f"{path}/manifest.json", content)
    return f"{url}/town/{name}"


def there(url: str) -> set[str]:
    filesystem, path = fsspec.core.url_to_fs(f"{url}/town")
    return {name.rsplit("/", 1)[-1] for name in filesystem.ls(path, detail=False)}


@pytest.fixture
def register(portal: Portal, token: str) -> Callable[..., ModelVersion]:
    """Registers a model of the town, and has it decided about."""
    load_catalog(catalog())

    def make(name: str, uri: str, status: str = "candidate", *, at: datetime = NOW) -> ModelVersion:
        registered = portal.register_model(training(name, artifact_uri=uri))
        model = ModelVersion.objects.get(pk=registered["id"])
        approver = User.objects.get(username="approver")
        if status == "rejected":
            reject_model(model, by=approver, reason="worse", at=at)
        elif status == "champion":
            approve_model(model, by=approver, reason="better", at=at)
        return model

    return make


@pytest.fixture
def rules(token: str) -> Callable[..., None]:
    """Enables the rules of these kinds, and no other."""

    def enable(**days: int) -> None:
        ensure_rules()
        RetentionRule.objects.update(enabled=False, keep_days=None)
        for kind, keep_days in days.items():
            RetentionRule.objects.filter(kind=kind).update(enabled=True, keep_days=keep_days)

    return enable


def due(kind: str, *, before: datetime) -> list[dict[str, Any]]:
    return [{"kind": kind, "cutoff": before.isoformat()}]


@pytest.fixture
def clean(portal: Portal, options: Settings, artifacts: str) -> Callable[..., dict[str, Any]]:
    """Cleans the storage as the rule of one kind says; what is older than `before` is due."""

    def run(kind: str, *, before: datetime = LATER, dry_run: bool = False, confirmed: bool = False) -> dict[str, Any]:
        settings = options.model_copy(update={"artifacts_url": artifacts})
        (report,) = clean_storage(
            portal, due(kind, before=before), dry_run=dry_run, confirmed=confirmed, settings=settings
        )
        return report

    return run


def test_an_artifact_that_no_model_registers_goes_and_every_registered_one_stays(
    artifacts: str, register: Callable[..., ModelVersion], clean: Callable[..., dict[str, Any]]
) -> None:
    for letter, status in (("a", "candidate"), ("b", "champion"), ("c", "champion"), ("d", "rejected")):
        register(key(letter), put(artifacts, key(letter)), status)
    orphan = put(artifacts, key("e"), content=b"x" * 100)
    dry = clean("orphaned_artifacts", dry_run=True)
    assert (dry["found"], dry["total"], dry["deleted"], dry["bytes"]) == (1, 5, 0, 100)
    assert dry["examples"] == [orphan]
    assert there(artifacts) == {key(letter) for letter in "abcde"}, "a dry run removes nothing"
    report = clean("orphaned_artifacts")
    assert (report["found"], report["deleted"], report["finished"]) == (1, 1, True)
    assert there(artifacts) == {key(letter) for letter in "abcd"}
    assert clean("orphaned_artifacts")["found"] == 0


def test_a_training_in_progress_is_left_alone(
    artifacts: str, register: Callable[..., ModelVersion], clean: Callable[..., dict[str, Any]]
) -> None:
    put(artifacts, key("e"))
    put(artifacts, f".{'e' * 40}.abc123")
    assert clean("orphaned_artifacts", before=NOW - 2 * DAY)["found"] == 0
    assert len(there(artifacts)) == 2


def test_what_a_killed_training_left_goes(artifacts: str, token: str, clean: Callable[..., dict[str, Any]]) -> None:
    put(artifacts, f".{'e' * 40}.abc123")
    assert clean("orphaned_artifacts")["deleted"] == 1
    filesystem, path = fsspec.core.url_to_fs(f"{artifacts}/town")
    assert not filesystem.exists(path) or there(artifacts) == set()


def test_what_no_training_wrote_is_not_even_seen(
    artifacts: str, token: str, clean: Callable[..., dict[str, Any]]
) -> None:
    for name in ("notes", "A" * 64, "e" * 63, ".hidden", ".ssh"):
        put(artifacts, name)
    assert clean("orphaned_artifacts", confirmed=True)["total"] == 0
    assert len(there(artifacts)) == 5


def test_storage_that_has_moved_is_still_known(
    artifacts: str, register: Callable[..., ModelVersion], clean: Callable[..., dict[str, Any]]
) -> None:
    put(artifacts, key("a"))
    register(key("a"), f"s3://the-old-bucket/models/town/{key('a')}")
    assert clean("orphaned_artifacts")["found"] == 0


def test_a_model_registered_between_the_listing_and_the_removal_keeps_its_artifact(
    artifacts: str, register: Callable[..., ModelVersion], portal: Portal
) -> None:
    put(artifacts, key("a"))
    (listed,) = stored_artifacts(artifacts)
    register(key("a"), listed.url)

    def unregistered() -> bool:
        return not list(portal.registered_artifacts(series="town", training_key=key("a")))

    assert not remove_artifact(listed, before=LATER, may=unregistered)
    assert there(artifacts) == {key("a")}


def test_an_artifact_written_again_between_the_listing_and_the_removal_stays(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/artifacts"
    model = create_model("seasonal_naive", timezone=TIMEZONE, horizon="24h").fit(readings()[["load"]])
    uri = f"{url}/town/{key('a')}"
    digest = save_artifact(model, uri, provenance={})
    folder = tmp_path / "artifacts" / "town" / key("a")
    for path in (*folder.iterdir(), folder):
        os.utime(path, (0, 0))
    (listed,) = stored_artifacts(url)
    assert listed.written_at.year == 1970

    def trained_again() -> bool:
        # Another try of the same training finds the folder and is about to register it.
        assert save_artifact(model, uri, provenance={}) == digest
        return True

    assert not remove_artifact(listed, before=NOW - DAY, may=trained_again)
    assert load_artifact(uri, sha256=digest).kind == "seasonal_naive"
    assert there(url) == {key("a")}


def test_a_link_is_never_followed(tmp_path: Path, token: str, portal: Portal, options: Settings) -> None:
    elsewhere = tmp_path / "elsewhere" / key("a")
    elsewhere.mkdir(parents=True)
    (elsewhere / "kept").write_text("kept")
    (tmp_path / "artifacts" / "town").mkdir(parents=True)
    (tmp_path / "artifacts" / "town" / key("b")).symlink_to(elsewhere)
    (tmp_path / "artifacts" / "linked").symlink_to(elsewhere.parent)
    (report,) = clean_storage(
        portal, due("orphaned_artifacts", before=LATER), dry_run=False, confirmed=True, settings=options
    )
    assert report["found"] == 0
    assert (elsewhere / "kept").exists()


def test_the_artifact_of_a_candidate_rejected_long_ago_goes_and_its_facts_stay(
    artifacts: str, register: Callable[..., ModelVersion], clean: Callable[..., dict[str, Any]]
) -> None:
    for letter, status, at in (
        ("a", "candidate", NOW),
        ("b", "champion", NOW),
        ("c", "rejected", LATER + DAY),
        ("d", "rejected", NOW),
    ):
        register(key(letter), put(artifacts, key(letter)), status, at=at)
    assert clean("rejected_artifacts", dry_run=True)["examples"] == [f"{artifacts}/town/{key('d')}"]
    assert clean("rejected_artifacts")["deleted"] == 1
    assert there(artifacts) == {key(letter) for letter in "abc"}
    assert ModelVersion.objects.count() == 4


def test_old_searches_that_nobody_resumed_go(token: str, portal: Portal, options: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "my studies"
    for letter in "ab":
        (folder / key(letter)).mkdir(parents=True)
        (folder / key(letter) / "study.log").write_text("…")
    for path in (folder / key("a") / "study.log", folder / key("a")):
        os.utime(path, (0, 0))
    (folder / "other").mkdir()
    settings = options.model_copy(update={"tuning_folder": folder})
    (report,) = clean_storage(
        portal, due("unfinished_studies", before=NOW - 30 * DAY), dry_run=False, confirmed=False, settings=settings
    )
    assert (report["found"], report["deleted"], report["total"]) == (1, 1, 2)
    assert {path.name for path in folder.iterdir()} == {key("b"), "other"}


def test_artifacts_of_which_half_are_orphans_are_held_until_it_is_confirmed(
    artifacts: str, register: Callable[..., ModelVersion], clean: Callable[..., dict[str, Any]]
) -> None:
    register(key("a"), put(artifacts, key("a")), "champion")
    for letter in "ef":
        put(artifacts, key(letter))
    report = clean("orphaned_artifacts")
    assert (report["found"], report["deleted"], report["held"], report["finished"]) == (2, 0, True, False)
    assert len(there(artifacts)) == 3
    assert clean("orphaned_artifacts", confirmed=True)["deleted"] == 2
    assert there(artifacts) == {key("a")}


def test_the_artifacts_of_another_portal_stay_even_if_it_is_confirmed_and_what_is_half_written_goes(
    artifacts: str, token: str, clean: Callable[..., dict[str, Any]]
) -> None:
    put(artifacts, key("e"))
    put(artifacts, f".{'e' * 40}.abc123")
    report = clean("orphaned_artifacts", confirmed=True)
    assert (report["found"], report["deleted"], report["held"]) == (2, 1, True)
    assert there(artifacts) == {key("e")}


def test_a_run_of_the_dag_leaves_its_outcome_in_the_portal(
    new_run: Callable[..., Run],
    rules: Callable[..., None],
    options: Settings,
    register: Callable[..., ModelVersion],
) -> None:
    rules(mails=365, orphaned_artifacts=2)
    register(key("a"), put(options.artifacts_url, key("a")))
    folder = Path(fsspec.core.url_to_fs(put(options.artifacts_url, key("e")))[1])
    for path in (*folder.iterdir(), folder):
        os.utime(path, (0, 0))
    dry = maintain_store(new_run(as_of=NOW, params={"dry_run": True}))
    assert (dry["found"], dry["deleted"]) == ({"orphaned_artifacts": 1}, {})
    done = maintain_store(new_run(as_of=NOW, params={"dry_run": False}))
    assert (done["found"], done["deleted"]) == ({"orphaned_artifacts": 1}, {"orphaned_artifacts": 1})
    stored = RetentionRun.objects.get(pk=done["retention_run"])
    assert (stored.state, stored.airflow) == ("done", {"dag_id": "some_dag", "run_id": "manual__1"})
    outcome = stored.outcomes.get(kind="orphaned_artifacts")
    assert (outcome.deleted, outcome.bytes, outcome.finished) == (1, 2, True)
    assert not folder.exists()


def test_a_run_with_a_held_rule_does_the_rest_and_says_so(
    new_run: Callable[..., Run],
    rules: Callable[..., None],
    options: Settings,
    portal_of: Callable[..., Portal],
    register: Callable[..., ModelVersion],
) -> None:
    rules(orphaned_artifacts=1)
    register(key("a"), put(options.artifacts_url, key("a")))
    for _ in range(11):
        folder = Path(fsspec.core.url_to_fs(put(options.artifacts_url, uuid4().hex * 2))[1])
        for path in (*folder.iterdir(), folder):
            os.utime(path, (0, 0))
    with pytest.raises(RetentionHeld, match=r"orphaned_artifacts would lose more than half of all"):
        maintain_store(new_run(as_of=NOW, params={}))
    assert RetentionRun.objects.get().outcomes.get().held
    confirmed = new_run(as_of=NOW, params={"confirm": True}, portal=portal_of("manual__2"))
    assert maintain_store(confirmed)["deleted"] == {"orphaned_artifacts": 11}
