"""The content of one file on local disk, unpacked and within limits, before a byte of it is believed.

A file is read once from where it lies, so that what is judged is what is stored, even if it changes meanwhile. Memory
holds one piece of it, whatever it unpacks to.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

import pyarrow as pa

from include.errors import SourceError

PIECE = 1 << 18
LONGEST_LINE = 1 << 20
_XZ_MEMORY = 1 << 28
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    ImportError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    pa.ArrowException,
)
"""What may be raised by whoever reads a file that is not what it says."""


@dataclass(frozen=True)
class Spool:
    """An unnamed local file. `digest` is the SHA-256 of what it holds."""

    file: IO[bytes]
    size: int
    digest: str

    def read(self, offset: int, length: int) -> bytes:
        """Some bytes, wherever another reader of the file is."""
        return os.pread(self.file.fileno(), length, offset)


@contextmanager
def scratch() -> Iterator[IO[bytes]]:
    """An unnamed local file, gone at the end."""
    with tempfile.TemporaryFile() as file:
        yield file


@contextmanager
def spooled(stream: IO[bytes], *, name: str, most_bytes: int, is_text: bool) -> Iterator[Spool]:
    """A file's content on local disk; the suffix of `name` says how it is packed.

    Raises:
        SourceError: it unpacks to more than `most_bytes`, is damaged, or is a text (`is_text`) that is none.
    """
    with scratch() as file:
        size, digest, check = 0, hashlib.sha256(), TextCheck()
        for piece in unpacked(stream, name):
            size += len(piece)
            if size > most_bytes:
                raise SourceError(f"has more than {most_bytes:,} bytes; ingest_max_bytes is the limit")
            if is_text:
                check.take(piece)
            digest.update(piece)
            file.write(piece)
        if is_text:
            check.end()
        file.flush()
        file.seek(0)
        yield Spool(file, size, digest.hexdigest())


def unpacked(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """The content in pieces, unpacked as the suffix of `name` says: gz, bz2, xz, zst, zip, or plain.

    Raises:
        SourceError: it is damaged, or of another form.
        ConnectionError, TimeoutError: the storage went away.
    """
    try:
        yield from _PACKED.get(PurePosixPath(name).suffix.lower(), _plain)(stream)
    except (ConnectionError, TimeoutError):
        raise  # of the storage, and none of the file's faults
    except UNREADABLE as error:
        raise SourceError(f"cannot be read: {type(error).__name__}: {error}") from error


def without_packing(name: str) -> str:
    """A file's name without the suffix that says how it is packed."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in _PACKED else name


def _plain(stream: Any) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def _gzip(stream: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=stream, mode="rb") as file:
        yield from _plain(file)


def _bz2(stream: IO[bytes]) -> Iterator[bytes]:
    with bz2.BZ2File(stream, mode="rb") as file:
        yield from _plain(file)


def _xz(stream: IO[bytes]) -> Iterator[bytes]:
    # Not by LZMAFile, which gives a file all the memory that its header asks for.
    unpack = None
    for packed in _plain(stream):
        left = packed
        while True:
            if unpack is None:
                left = left.lstrip(b"\0")
                if not left:
                    break
                unpack = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_XZ_MEMORY)
            if piece := unpack.decompress(left, PIECE):
                yield piece
            if unpack.eof:
                left, unpack = unpack.unused_data, None
            elif unpack.needs_input:
                break
            else:
                left = b""
    if unpack is not None:
        raise EOFError("the file ends before its end was marked")


def _zst(stream: IO[bytes]) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as file:
        yield from _plain(file)


def _zip(stream: IO[bytes]) -> Iterator[bytes]:
    with zipfile.ZipFile(stream) as archive:
        names = [each.filename for each in archive.infolist() if not each.is_dir()]
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} files, where one is expected")
        try:
            with archive.open(names[0]) as file:
                yield from _plain(file)
        except RuntimeError as error:  # it needs a password, or is packed in a way that nobody unpacks
            raise ValueError(str(error)) from error


_PACKED = {".gz": _gzip, ".bz2": _bz2, ".xz": _xz, ".lzma": _xz, ".zst": _zst, ".zip": _zip}


class TextCheck:
    """Takes a text piece by piece, and refuses it where it is not UTF-8, is cut, or has a gigantic line."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_first = True
        self._lines = 0
        self._length = 0

    def take(self, piece: bytes) -> None:
        """Raises SourceError."""
        if self._is_first and piece.startswith(_UTF16):
            raise SourceError("is UTF-16; save it as UTF-8")
        if self._is_first and b"\0\0" in (piece[0:4:2], piece[1:4:2]) and any(piece[:4]):
            raise SourceError("is UTF-16 without a byte order mark, or no text; save it as UTF-8")
        self._is_first = False
        if not piece.isascii() or self._decoder.getstate()[0]:
            self._decode(piece)
        if (place := piece.find(b"\0")) >= 0:
            raise SourceError(f"has a NUL byte in line {self._line(piece, place)}: it is cut, or no text")
        ends = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
        if self._length + (min(ends) if ends else len(piece)) > LONGEST_LINE:
            raise SourceError(f"has more than {LONGEST_LINE:,} bytes in line {self._lines + 1}")
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        self._length = len(piece) - last - 1 if ends else self._length + len(piece)
        self._lines += piece.count(b"\n")

    def end(self) -> None:
        """Raises SourceError where the last character is cut."""
        self._decode(b"", final=True)

    def _decode(self, piece: bytes, *, final: bool = False) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            wrong = error.object[error.start]
            line = self._line(error.object, error.start)
            raise SourceError(f"is not UTF-8: byte {wrong:#04x} in line {line}") from error

    def _line(self, piece: bytes, place: int) -> int:
        return self._lines + piece.count(b"\n", 0, place) + 1
