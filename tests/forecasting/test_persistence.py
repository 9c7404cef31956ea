import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from forecasting import ArtifactError, available_models, load_model, persistence

FORECAST_ELSEWHERE = """
import sys
import pandas as pd
from forecasting import load_model
history, future, directory, sha256, output = sys.argv[1:]
model = load_model(directory, expected_sha256=sha256)
model.predict(pd.read_parquet(history), pd.read_parquet(future)).rename(columns=str).to_parquet(output)
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def saved(fitted, tmp_path):
    directory = tmp_path / "model"
    return directory, fitted("gradient_boosting").save(directory, provenance={"vintage": "2024-04-08T00:00:00Z"})


@pytest.mark.parametrize("kind", available_models())
def test_a_saved_model_forecasts_bit_by_bit_the_same_in_another_process(kind, fitted, demand, tmp_path):
    frame = demand()
    history, future = frame.iloc[:-72], frame.drop(columns="load").iloc[-72:-24]
    here = fitted(kind).predict(history, future)
    sha256 = fitted(kind).save(tmp_path / "model")
    history.to_parquet(tmp_path / "history")
    future.to_parquet(tmp_path / "future")
    names = ("history", "future", "model")
    subprocess.run(
        [
            sys.executable,
            "-c",
            FORECAST_ELSEWHERE,
            *(str(tmp_path / name) for name in names),
            sha256,
            str(tmp_path / "out"),
        ],
        check=True,
        cwd=ROOT,
        timeout=240,
    )
    elsewhere = pd.read_parquet(tmp_path / "out").rename(columns=float)
    pd.testing.assert_frame_equal(elsewhere, here, check_exact=True, check_freq=False, check_names=False)


def test_the_directory_of_the_default_model_stays_small(demand, new_model, tmp_path):
    """The boosters make up most of it, and their trees are as many for two years as for these weeks."""
    history = demand(days=35, minutes=30)
    new_model("auto", horizon="24h").fit(history).save(tmp_path / "model")
    assert sum(entry.stat().st_size for entry in (tmp_path / "model").iterdir()) < 10_000_000


def test_the_manifest_says_what_the_model_is_and_what_it_saw(saved, fitted):
    manifest = json.loads((saved[0] / "manifest.json").read_text())
    assert manifest["kind"] == "gradient_boosting"
    assert manifest["training"]["rows"] == 67 * 24
    assert manifest["training"]["covariates"] == ["temperature"]
    assert manifest["features"] == fitted("gradient_boosting").features
    assert manifest["provenance"] == {"vintage": "2024-04-08T00:00:00Z"}
    assert set(manifest["library_versions"]) >= {"lightgbm", "numpy"}
    assert set(manifest["files"]) == {entry.name for entry in saved[0].iterdir()} - {"manifest.json"}


def test_saving_the_same_model_again_changes_nothing_and_another_is_refused(saved, fitted):
    directory, sha256 = saved
    before = {entry: entry.stat().st_mtime_ns for entry in directory.iterdir()}
    assert fitted("gradient_boosting").save(directory, provenance={"vintage": "2024-04-08T00:00:00Z"}) == sha256
    assert {entry: entry.stat().st_mtime_ns for entry in directory.iterdir()} == before
    with pytest.raises(ArtifactError, match="another model"):
        fitted("seasonal_naive").save(directory)


def test_a_swapped_model_is_refused_by_its_hash(saved):
    directory, sha256 = saved
    manifest = directory / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ArtifactError, match="not the registered model"):
        load_model(directory, expected_sha256=sha256)


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "remove"])
def test_a_damaged_file_is_refused_before_it_is_parsed(damage, saved, monkeypatch):
    directory, sha256 = saved
    booster = directory / "booster.txt"
    content = bytearray(booster.read_bytes())
    if damage == "remove":
        booster.unlink()
    else:
        content[len(content) // 2] ^= 1
        booster.write_bytes({"flip": content, "cut": content[:-1], "grow": content + b"x"}[damage])
    parsed = []
    monkeypatch.setattr("lightgbm.Booster.__init__", lambda *_, **options: parsed.append(options))
    with pytest.raises(ArtifactError, match=r"booster\.txt"):
        load_model(directory, expected_sha256=sha256)
    assert parsed == []


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "sub/booster.txt", "..", "Booster.txt", ""])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(name, saved):
    directory, _ = saved
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"].pop("booster.txt")
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="plain name"):
        load_model(directory)


def test_a_link_in_place_of_a_file_is_refused(saved, tmp_path):
    directory, _ = saved
    (directory / "booster.txt").rename(tmp_path / "booster.txt")
    (directory / "booster.txt").symlink_to(tmp_path / "booster.txt")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_model(directory)


def test_a_pipe_in_place_of_a_file_is_refused_at_once(saved):
    directory, _ = saved
    (directory / "booster.txt").unlink()
    os.mkfifo(directory / "booster.txt")
    with pytest.raises(ArtifactError, match="not a regular file"):
        load_model(directory)


def test_a_file_that_the_manifest_does_not_name_is_refused(saved):
    (saved[0] / "weights.pkl").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"weights\.pkl"):
        load_model(saved[0])


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b'{"format": 99}', b'{"format": 2, "kind": "arima"}'])
def test_a_manifest_of_another_make_is_refused(content, saved):
    (saved[0] / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load_model(saved[0])


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_model(tmp_path / "nothing")


def test_a_save_that_dies_half_way_leaves_nothing_behind(fitted, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(persistence, "_sync_directory", fail)
    with pytest.raises(ArtifactError, match="disk full"):
        fitted("gradient_boosting").save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(fitted, tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for place in (tmp_path / "file" / "model", tmp_path / "nowhere", tmp_path / ("x" * 300)):
        with pytest.raises(ArtifactError, match="cannot be written to"):
            fitted("seasonal_naive").save(place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nowhere"]


def test_a_folder_of_something_else_is_left_alone(fitted, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="is no whole model; save to a new directory"):
        fitted("seasonal_naive").save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_manifest_without_end_is_refused(saved):
    (saved[0] / "manifest.json").write_bytes(b"[" * 1_000_000)
    with pytest.raises(ArtifactError, match="not JSON"):
        load_model(saved[0])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"[]", b"{}"])
def test_files_that_no_model_of_this_library_wrote_are_refused_though_their_hashes_agree(content, fitted, tmp_path):
    fitted("arima").save(tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    for name in manifest["files"]:
        (tmp_path / "model" / name).write_bytes(content)
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "model" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="does not hold the state of a arima model"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("parameters", [{}, {"timezone": "UTC", "kind": "arima"}])
def test_parameters_that_make_no_model_are_refused(parameters, saved):
    manifest = json.loads((saved[0] / "manifest.json").read_text()) | {"parameters": parameters}
    (saved[0] / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="does not hold the state"):
        load_model(saved[0])
