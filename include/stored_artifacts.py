"""What lies in the storage of models and in the folder of searches, by age; its removal looks again first.

Only what a training of ours can have written is seen: folders named by a training's key below a folder of their series,
and the temporary folders of trainings that were killed. Whatever else lies there is left alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

_KEY = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.[0-9a-f]{40}\.[\w-]+")


@dataclass(frozen=True)
class Stored:
    """A folder, when it was written last, and its size. `key` is empty where no training is done with it."""

    url: str
    series: str
    key: str
    written_at: datetime
    bytes: int


def stored_artifacts(url: str) -> Iterator[Stored]:
    """The artifacts and leftovers below `url`, an fsspec URL; one that is being written may be left out."""
    filesystem, root = fsspec.core.url_to_fs(url)
    for series in _folders(filesystem, root):
        for folder in _folders(filesystem, series):
            name = _name(folder)
            if _KEY.fullmatch(name) or _TEMPORARY.fullmatch(name):
                found = _look(filesystem, folder)
                if found is not None:
                    key = name if _KEY.fullmatch(name) else ""
                    yield Stored(f"{url}/{_name(series)}/{name}", _name(series), key, *found)


def remove_artifact(stored: Stored, *, before: datetime, may: Callable[[], bool]) -> bool:
    """Remove a folder if it still was not written since `before` and `may()` still says so. Returns whether it is gone.

    On a local disk it is set aside first, then looked at again: a training that finds the artifact of an earlier try
    touches it, and so either keeps it or finds it gone and writes it anew.
    """
    filesystem, path = fsspec.core.url_to_fs(stored.url)
    filesystem.invalidate_cache()
    if not _is_old(filesystem, path, before=before) or not may():
        return False
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.rm(path, recursive=True)
        return True
    place = Path(path)
    aside = place.with_name(f".{stored.key[:40]}.removed") if stored.key else place
    if stored.key:
        shutil.rmtree(aside, ignore_errors=True)
        place.rename(aside)
        if not _is_old(filesystem, str(aside), before=before):
            with suppress(OSError):
                aside.rename(place)
            return False
    shutil.rmtree(aside)
    return True


def stored_studies(folder: Path) -> Iterator[Stored]:
    """The unfinished searches of hyper-parameters in a folder of the worker."""
    filesystem = LocalFileSystem()
    for place in _folders(filesystem, str(folder)):
        found = _look(filesystem, place) if _KEY.fullmatch(_name(place)) else None
        if found is not None:
            yield Stored(f"file://{place}", "", _name(place), *found)


def _folders(filesystem: Any, path: str) -> list[str]:
    try:
        entries = filesystem.ls(path, detail=True)
    except FileNotFoundError:
        return []
    # A link may lead anywhere.
    return sorted(entry["name"] for entry in entries if entry["type"] == "directory" and not entry.get("islink"))


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _look(filesystem: Any, folder: str) -> tuple[datetime, int] | None:
    """When a folder was written last, and its bytes; None where it vanishes meanwhile, since somebody works on it."""
    try:
        files = filesystem.find(folder, detail=True)
        times = [filesystem.modified(name) for name in files]
        if isinstance(filesystem, LocalFileSystem):
            times.append(filesystem.modified(folder))
    except FileNotFoundError:
        return None
    if not times:
        return None
    written_at = max(time if time.tzinfo else time.replace(tzinfo=UTC) for time in times)
    return written_at, sum(file["size"] for file in files.values())


def _is_old(filesystem: Any, folder: str, *, before: datetime) -> bool:
    found = _look(filesystem, folder)
    return found is not None and found[0] < before
