"""Models on disk: a directory with `manifest.json` and weight files, never pickle.

The manifest names every file with its SHA-256 and length. A model is written under a temporary name, synced, and
renamed, so that it is there whole or not at all. On loading, the manifest's own hash is compared with the one that is
expected, then every file's, before anything but the manifest is parsed. No wall clock is written: the same training
gives the same bytes.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecasting.errors import ArtifactError, ForecastingError

if TYPE_CHECKING:
    from forecasting.models.base import Forecaster

FORMAT = 2
MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 8 * 1024 * 1024
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Artifact:
    """A saved model whose hashes have been verified; `files` are the raw bytes by name."""

    manifest: dict[str, Any]
    manifest_sha256: str
    files: dict[str, bytes]


def write(directory: Path, *, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Write a model directory atomically and return the SHA-256 of its manifest.

    Raises:
        ArtifactError: the directory exists with other content or cannot be written, or the manifest is not JSON-able.
    """
    listed = {name: {"bytes": len(content), "sha256": _sha256(content)} for name, content in files.items()}
    try:
        content = json.dumps({"format": FORMAT, **manifest, "files": listed}, sort_keys=True, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"the manifest cannot be written as JSON: {error}") from error
    encoded = content.encode() + b"\n"
    digest = _sha256(encoded)
    try:
        if not directory.exists() and _write_whole(directory, {**files, MANIFEST: encoded}):
            return digest
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the model cannot be written to {directory}: {error}") from error
    _require_same(directory, digest)
    return digest


def read(directory: str | Path, *, expected_sha256: str | None = None) -> Artifact:
    """Read and verify a model directory.

    Args:
        directory: where `write` put it.
        expected_sha256: of the manifest, as registered; without it, only the files are checked against the manifest.

    Raises:
        ArtifactError: something is missing, damaged, swapped, extra, outside the directory, or of an unknown format.
    """
    place = Path(directory)
    encoded = _read_plain(place / MANIFEST, limit=_LARGEST_MANIFEST)
    digest = _sha256(encoded)
    if expected_sha256 is not None and digest != expected_sha256:
        raise ArtifactError(
            f"{place / MANIFEST} has SHA-256 {digest}, expected {expected_sha256}: not the registered model"
        )
    try:
        manifest = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{place / MANIFEST} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtifactError(f"{place / MANIFEST} is not a manifest of format {FORMAT}")
    _check_shape(place, manifest)
    files = {}
    for name, facts in manifest["files"].items():
        content = _read_plain(place / name, limit=facts["bytes"])
        if len(content) != facts["bytes"] or _sha256(content) != facts["sha256"]:
            raise ArtifactError(f"{place / name} is damaged: its length or SHA-256 is not what the manifest says")
        files[name] = content
    extra = {entry.name for entry in place.iterdir()} - set(files) - {MANIFEST}
    if extra:
        raise ArtifactError(f"{place} holds files that the manifest does not name: {sorted(extra)}")
    return Artifact(manifest=manifest, manifest_sha256=digest, files=files)


def load_model(directory: str | Path, *, expected_sha256: str | None = None) -> "Forecaster":
    """Load a saved model; it forecasts as it did where it was saved.

    Args:
        directory: the model's directory.
        expected_sha256: what `save` returned. Give it whenever it is known: only then is a swapped model noticed.

    Raises:
        ArtifactError: the directory is missing, damaged, swapped, or holds what no model of this library wrote.
        UnknownModelError: the kind is not known to this version.
    """
    from forecasting.registry import create_model

    artifact = read(directory, expected_sha256=expected_sha256)
    manifest = artifact.manifest
    try:
        model = create_model(manifest["kind"], **manifest["parameters"])
        model.restore(training=manifest["training"], features=manifest["features"], files=artifact.files)
    except ForecastingError:
        raise
    except Exception as error:
        # A file of another make may break its parser in any way.
        reason = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"{directory} does not hold the state of a {manifest['kind']} model: {reason}") from error
    return model


def inside(name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a model within another, by names that `taken_out` gives back."""
    return {f"{name}.{file}": content for file, content in files.items()}


def taken_out(name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the files that `inside` named, by their own names."""
    prefix = f"{name}."
    return {file.removeprefix(prefix): content for file, content in files.items() if file.startswith(prefix)}


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of distributions, for the manifest."""
    return {name: importlib.metadata.version(name) for name in sorted(names)}


def _check_shape(place: Path, manifest: dict[str, Any]) -> None:
    expected = {"kind": str, "parameters": dict, "features": list, "training": dict, "files": dict}
    for key, kind in expected.items():
        if not isinstance(manifest.get(key), kind):
            raise ArtifactError(f"{place / MANIFEST} has no valid {key!r}")
    for name, facts in manifest["files"].items():
        if not _FILE_NAME.fullmatch(name) or name == MANIFEST:
            raise ArtifactError(
                f"{place / MANIFEST} names the file {name!r}, which is not a plain name in its directory"
            )
        whole = isinstance(facts, dict) and isinstance(facts.get("bytes"), int) and isinstance(facts.get("sha256"), str)
        if not whole or facts["bytes"] < 0 or not _SHA256.fullmatch(facts["sha256"]):
            raise ArtifactError(f"{place / MANIFEST} gives no length and SHA-256 for {name!r}")


def _read_plain(path: Path, *, limit: int) -> bytes:
    """Read a regular file, never through a link, and never more than one byte beyond the limit."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ArtifactError(f"{path} is not a regular file")
        return stream.read(limit + 1)


def _write_whole(directory: Path, files: Mapping[str, bytes]) -> bool:
    """Write a directory under a temporary name, then rename it; False if another has taken its name meanwhile."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name[:40]}.", dir=directory.parent))
    try:
        for name, content in files.items():
            _write_synced(temporary / name, content)
        temporary.chmod(0o755)
        _sync_directory(temporary)
        try:
            temporary.rename(directory)
        except OSError:
            if not directory.exists():
                raise
            return False
        _sync_directory(directory.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def _require_same(directory: Path, digest: str) -> None:
    try:
        found = read(directory).manifest_sha256
    except ArtifactError as error:
        raise ArtifactError(f"{directory} exists and is no whole model; save to a new directory ({error})") from error
    if found != digest:
        raise ArtifactError(f"{directory} already holds another model; save to a directory of its own")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
