"""Finds the files of a source and opens them: one, a folder of them or a pattern, on any filesystem that fsspec knows.

The names of files are data. They are handed to the filesystem as they are, and never become part of a URL, of a local
path or of a message without being made readable first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from include.errors import PipelineError, SourceError, SourceUnavailable
from include.sources.files.spool import UNREADABLE

_MAGIC = re.compile(r"[*?\[]")
_MOST_FILES = 10_000
_LONGEST_NAME = 1000
_LOCAL = ("file:", "local:")


@dataclass(frozen=True)
class FoundFile:
    """A file. `name` is how people see it: its path below the data folder, or its address without what is secret."""

    filesystem: Any
    path: str
    name: str
    within: str | None = None
    """The data folder that a local file has to be in, wherever links lead."""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file as it lies there, packed maybe.

        Raises:
            SourceError: it cannot be opened, is no file, or changed while it was read.
            SourceUnavailable: the storage does not answer.
        """
        with _named_errors():
            if self.within is not None:
                _require_inside(self.path, data_url=self.within)
            before = self.filesystem.info(self.path)
            if before.get("type") != "file":
                raise SourceError(f"cannot be read: it is no file, but of type {before.get('type')}")
            stream = self.filesystem.open(self.path, "rb")
        # What fails while it is read is the storage, unless whoever reads says that it is the file.
        with stream, _named_errors():
            yield stream
        with _named_errors():
            after = self.filesystem.info(self.path)
        if any(before.get(fact) != after.get(fact) for fact in ("size", "mtime", "ETag")):
            raise SourceError("was written to while it was read; it is read again next time")


def find_files(url: str, *, data_url: str, storage: Mapping[str, Any]) -> list[FoundFile]:
    """The files that a source's URL names, in the order of their names.

    Args:
        url: a path below the data folder, or a whole URL; of a file, of a folder, or with a pattern in it.
        data_url: the data folder.
        storage: options of the filesystem, credentials say.

    Raises:
        SourceError: there is none, the URL leaves the data folder, or no filesystem knows it.
        SourceUnavailable: the storage does not answer.
    """
    if not url or "\0" in url:
        raise SourceError(f"The source's URL {url!r} names no file")
    try:
        with _named_errors():
            if "://" in url:
                return _elsewhere(url, data_url=data_url, storage=storage)
            return _below(url, data_url=data_url, storage=storage)
    except SourceError as error:
        raise SourceError(f"{readable(_without_secrets(url))} {error}") from error


def _below(url: str, *, data_url: str, storage: Mapping[str, Any]) -> list[FoundFile]:
    if url.startswith("/") or ".." in re.split(r"[/\\]", url):
        raise SourceError("leaves the data folder; give a path inside it, or a whole URL")
    filesystem, folder = fsspec.core.url_to_fs(data_url, **storage)
    base = folder.rstrip("/")
    is_pattern = _MAGIC.search(url) is not None and not filesystem.exists(f"{base}/{url}")
    start = re.sub(r"([*?\[])", r"[\1]", base) if is_pattern else base
    within = data_url if isinstance(filesystem, LocalFileSystem) else None
    return [
        FoundFile(filesystem, path, readable(path[len(base) + 1 :]), within=within)
        for path in _listed(filesystem, f"{start}/{url}", is_pattern=is_pattern)
    ]


def _elsewhere(url: str, *, data_url: str, storage: Mapping[str, Any]) -> list[FoundFile]:
    for link in url.split("::"):
        if link.lower().startswith(_LOCAL) or (link.startswith("/") and "::" in url):
            _require_inside(link, data_url=data_url)
    filesystem, path = fsspec.core.url_to_fs(url, **storage)
    is_local = isinstance(filesystem, LocalFileSystem)
    if is_local:
        _require_inside(path, data_url=data_url)
    is_pattern = _MAGIC.search(path) is not None and not filesystem.exists(path)
    return [
        FoundFile(filesystem, each, _address(filesystem, each, url, path), within=data_url if is_local else None)
        for each in _listed(filesystem, path, is_pattern=is_pattern)
    ]


def readable(name: str) -> str:
    """A name as it can be shown and kept: each different name stays different, and nothing in it acts."""
    shown = "".join(
        each if each.isprintable() and each != "\\" else each.encode("unicode_escape").decode() for each in name
    )
    if shown != shown.strip():
        inner = shown.strip()
        left = len(shown) - len(shown.lstrip())
        shown = "\\x20" * left + inner + "\\x20" * (len(shown) - len(inner) - left)
    if len(shown) <= _LONGEST_NAME:
        return shown
    return f"{shown[: _LONGEST_NAME - 20]}…{sha256(shown.encode()).hexdigest()[:16]}"


def _require_inside(path: str, *, data_url: str) -> None:
    """Local files are those of the data folder only: a worker's disk holds what is no source."""
    filesystem, folder = fsspec.core.url_to_fs(data_url)
    base = os.path.realpath(folder)
    real = os.path.realpath(LocalFileSystem._strip_protocol(path))
    if not isinstance(filesystem, LocalFileSystem) or os.path.commonpath([real, base]) != base:
        raise SourceError("leaves the data folder; give a path inside it, or a whole URL of another storage")


def _listed(filesystem: Any, path: str, *, is_pattern: bool) -> list[str]:
    if is_pattern:
        found = filesystem.glob(path, detail=True)
        paths = [each for each, facts in found.items() if facts.get("type") != "directory"]
    elif path.endswith("/") or filesystem.isdir(path):
        listed = {each["name"]: each.get("type") for each in filesystem.ls(path, detail=True)}
        paths = [
            each for each, kind in listed.items() if kind != "directory" and not each.rsplit("/", 1)[-1].startswith(".")
        ]
    else:
        return [path]
    if not paths:
        raise SourceError("names no file: " + ("nothing fits the pattern" if is_pattern else "the folder is empty"))
    if len(paths) > _MOST_FILES:
        raise SourceError(f"names {len(paths):,} files; {_MOST_FILES:,} are the limit")
    return sorted(paths)


def _address(filesystem: Any, found: str, url: str, path: str) -> str:
    if found == path:
        return readable(_without_secrets(url))
    if "://" in found:
        return readable(_without_secrets(found))
    protocol = filesystem.protocol if isinstance(filesystem.protocol, str) else filesystem.protocol[0]
    return readable(f"{protocol}://{found.lstrip('/')}")


def _without_secrets(url: str) -> str:
    """A URL without user, password and query."""
    if "://" not in url or "::" in url:
        return url
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
    except ValueError:
        return url


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except PipelineError:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise SourceUnavailable(f"The storage of a source does not answer: {type(error).__name__}: {error}") from error
    except UNREADABLE as error:
        raise SourceError(f"cannot be read: {type(error).__name__}: {error}") from error
    except Exception as error:  # each filesystem has errors of its own
        raise SourceUnavailable(f"The storage of a source failed: {type(error).__name__}: {error}") from error
