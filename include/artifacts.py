"""Model artifacts below one fsspec URL: written once under the training's key, verified before they are used."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from include.errors import BadArtifact

if TYPE_CHECKING:
    from forecasting import Forecaster

MANIFEST = "manifest.json"


def save_artifact(model: Forecaster, uri: str, *, provenance: Mapping[str, Any]) -> str:
    """Save a trained model and return its manifest's SHA-256.

    What a killed or broken attempt left at `uri` is replaced, so give a key that no other training has. On a local
    disk the folder appears whole; on object storage the manifest, without which nothing is read, is written last.

    Raises:
        BadArtifact: it cannot be written, to a full disk say; another try may do.
    """
    from forecasting import ArtifactError

    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        if not isinstance(filesystem, LocalFileSystem):
            return _upload(model, filesystem, path, provenance=provenance)
        with suppress(ArtifactError):
            return _save(model, path, provenance=provenance)
        shutil.rmtree(path, ignore_errors=True)
        return model.save(path, provenance=provenance)
    except (ArtifactError, OSError, ValueError) as error:
        raise BadArtifact(f"The artifact {uri} cannot be written: {error}") from error


def _save(model: Forecaster, path: str, *, provenance: Mapping[str, Any]) -> str:
    digest = model.save(path, provenance=provenance)
    try:
        # What an earlier try left is in use again: only what is old is taken for an orphan.
        os.utime(path)
    except FileNotFoundError:
        return model.save(path, provenance=provenance)
    return digest


def _upload(model: Forecaster, filesystem: Any, path: str, *, provenance: Mapping[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "model"
        digest = model.save(local, provenance=provenance)
        names = sorted(file.name for file in local.iterdir() if file.name != MANIFEST)
        for name in [*names, MANIFEST]:
            filesystem.pipe_file(f"{path}/{name}", (local / name).read_bytes())
    return digest


def load_artifact(uri: str, *, sha256: str) -> Forecaster:
    """Load the registered model.

    Raises:
        BadArtifact: it is missing, unreadable, damaged or another one; nothing of it was used.
    """
    from forecasting import ForecastingError, load_model

    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
        if isinstance(filesystem, LocalFileSystem):
            return load_model(path, expected_sha256=sha256)
        with tempfile.TemporaryDirectory() as folder:
            for place in filesystem.ls(path, detail=False):
                (Path(folder) / place.rsplit("/", 1)[-1]).write_bytes(filesystem.cat_file(place))
            return load_model(folder, expected_sha256=sha256)
    except (ForecastingError, OSError, ValueError, ImportError) as error:
        raise BadArtifact(f"The artifact {uri} cannot be used: {error}") from error


@cache
def code_version() -> str:
    """The library's version and the digest of its sources: the same code has the same name, wherever it runs."""
    import forecasting

    root = Path(str(forecasting.__file__)).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return f"{importlib.metadata.version('gridcast')}+{digest.hexdigest()[:12]}"
