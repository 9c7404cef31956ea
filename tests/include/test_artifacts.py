"""A model is stored whole under its key, on a disk or an object store, and used only when it is what was registered."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pandas as pd
import pytest

from forecasting import Forecaster, create_model
from include.artifacts import code_version, load_artifact, save_artifact
from include.errors import BadArtifact, Refusal
from tests.include.town import TIMEZONE, readings

PROVENANCE = {"series": "town"}


@pytest.fixture(scope="module")
def model() -> Forecaster:
    """A trained seasonal naive."""
    return create_model("seasonal_naive", timezone=TIMEZONE, horizon="24h").fit(readings()[["load"]])


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the model goes: a folder of a disk, or a prefix of an object store."""
    return f"{request.param}://{tmp_path}/town/key"


def damage(uri: str, name: str) -> None:
    """Change one byte of a stored file."""
    filesystem, path = fsspec.core.url_to_fs(uri)
    content = bytearray(filesystem.cat_file(f"{path}/{name}"))
    content[len(content) // 2] ^= 1
    filesystem.pipe_file(f"{path}/{name}", bytes(content))


def test_a_stored_model_forecasts_as_before(model: Forecaster, uri: str) -> None:
    loaded = load_artifact(uri, sha256=save_artifact(model, uri, provenance=PROVENANCE))
    history = readings()[["load"]]
    future = pd.DataFrame(index=pd.date_range(history.index[-1], periods=49, freq="30min")[1:])
    pd.testing.assert_frame_equal(loaded.predict(history, future), model.predict(history, future))


def test_storing_again_gives_the_same(model: Forecaster, uri: str) -> None:
    assert len({save_artifact(model, uri, provenance=PROVENANCE) for _ in range(2)}) == 1


def test_what_a_broken_attempt_left_is_replaced(model: Forecaster, uri: str) -> None:
    filesystem, path = fsspec.core.url_to_fs(uri)
    filesystem.makedirs(path)
    filesystem.pipe_file(f"{path}/manifest.json", b'{"format": 1')
    digest = save_artifact(model, uri, provenance=PROVENANCE)
    assert load_artifact(uri, sha256=digest).kind == "seasonal_naive"


def test_a_place_that_cannot_be_written_is_an_error_that_may_pass(model: Forecaster, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where a folder should be")
    with pytest.raises(BadArtifact, match=r"full/key cannot be written: ") as failure:
        save_artifact(model, f"file://{tmp_path}/full/key", provenance=PROVENANCE)
    assert not isinstance(failure.value, Refusal)


@pytest.mark.parametrize("name", ["manifest.json", "calibration.json"])
def test_a_damaged_artifact_is_refused_by_its_address(model: Forecaster, uri: str, name: str) -> None:
    digest = save_artifact(model, uri, provenance=PROVENANCE)
    damage(uri, name)
    with pytest.raises(BadArtifact, match=f"The artifact {uri} cannot be used: "):
        load_artifact(uri, sha256=digest)


def test_a_missing_file_is_refused(model: Forecaster, uri: str) -> None:
    digest = save_artifact(model, uri, provenance=PROVENANCE)
    filesystem, path = fsspec.core.url_to_fs(uri)
    filesystem.rm(f"{path}/calibration.json")
    with pytest.raises(BadArtifact, match="cannot be used"):
        load_artifact(uri, sha256=digest)


def test_a_sound_artifact_of_another_training_is_refused(model: Forecaster, uri: str) -> None:
    digest = save_artifact(model, uri, provenance=PROVENANCE)
    save_artifact(model, f"{uri}-2", provenance={"series": "village"})
    with pytest.raises(BadArtifact, match="cannot be used"):
        load_artifact(f"{uri}-2", sha256=digest)


@pytest.mark.parametrize("uri", ["file:///nowhere/key", "memory://nowhere/key", "nothing://x/key", "/etc/passwd", ""])
def test_an_address_without_a_model_is_refused(uri: str) -> None:
    with pytest.raises(BadArtifact, match="cannot be used"):
        load_artifact(uri, sha256="ab" * 32)


def test_the_code_has_one_name_with_its_version() -> None:
    version, _, digest = code_version().partition("+")
    assert version[0].isdigit()
    assert len(digest) == 12
    code_version.cache_clear()
    assert code_version() == f"{version}+{digest}"
