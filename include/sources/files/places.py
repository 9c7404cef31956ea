"""Where each record of a text lies, kept on disk: what a row looked like can be told later, without reading it all."""

from __future__ import annotations

from bisect import bisect_right
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_PAIR = np.dtype([("row", "i8"), ("place", "i8")])


class Places:
    """Rows in ascending order with the byte at which they begin, bit by bit into a file and out of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._file.truncate(0)
        self._first: list[int] = []
        self._bits: list[tuple[int, int, int]] = []
        """Where in the file, how many rows, and where the text of the last one ends."""
        self._at_hand: tuple[int, NDArray[Any]] | None = None

    def add(self, rows: Any, places: Any, *, end: int) -> None:
        """More rows; `end` is behind the last of them."""
        if not len(rows):
            return
        pairs = np.empty(len(rows), dtype=_PAIR)
        pairs["row"], pairs["place"] = rows, places
        self._first.append(int(pairs["row"][0]))
        self._bits.append((self._file.seek(0, 2), len(pairs), end))
        self._file.write(pairs.tobytes())
        self._file.flush()

    def find(self, row: int) -> tuple[int, int]:
        """Where a row begins, and where the next one does. Raises KeyError where there is none of this number."""
        number = bisect_right(self._first, row) - 1
        if number < 0:
            raise KeyError(row)
        offset, count, end = self._bits[number]
        if self._at_hand is None or self._at_hand[0] != number:
            self._file.seek(offset)
            self._at_hand = number, np.frombuffer(self._file.read(count * _PAIR.itemsize), dtype=_PAIR)
        pairs = self._at_hand[1]
        found = int(np.searchsorted(pairs["row"], row))
        if found >= count or pairs["row"][found] != row:
            raise KeyError(row)
        return int(pairs["place"][found]), int(pairs["place"][found + 1]) if found + 1 < count else end
