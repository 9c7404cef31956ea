"""How far apart the times of a series are in a file, found while it is read: is it coarser or finer than it says?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ENOUGH = 4
"""Steps from the first to the last time that show a pattern."""
_STRETCH = 24
"""So many equal steps one after the other are another interval, and not a row of gaps."""


@dataclass
class Spacing:
    """The greatest step that all times of a file are multiples of, counted from any one of them."""

    first: int | None = None
    step: int = 0
    earliest: int = 0
    latest: int = 0
    count: int = 0

    def add(self, nanoseconds: NDArray[np.int64]) -> None:
        """More times."""
        if not len(nanoseconds):
            return
        if self.first is None:
            self.first = self.earliest = self.latest = int(nanoseconds[0])
        self.step = int(np.gcd(self.step, np.gcd.reduce(nanoseconds - self.first)))
        self.earliest = min(self.earliest, int(nanoseconds.min()))
        self.latest = max(self.latest, int(nanoseconds.max()))
        self.count += len(np.unique(nanoseconds))

    def is_coarser_than(self, nanoseconds: int) -> bool:
        """Whether the times are regular, and all of them several intervals apart.

        A few rows that are far from each other, corrections say, are no coarser file: there are four steps or more
        from the first to the last time, and half of them are there.
        """
        return self.step > nanoseconds and self.step % nanoseconds == 0 and self._is_regular()

    def is_finer_than(self, nanoseconds: int) -> bool:
        """Whether the times are regular, and less than an interval apart. A few odd times make no finer file."""
        return 0 < self.step < nanoseconds and self._is_regular()

    def _is_regular(self) -> bool:
        steps = (self.latest - self.earliest) // self.step + 1
        return steps >= _ENOUGH and self.count >= max(_ENOUGH, steps / 2)


def in_coarser_stretch(nanoseconds: NDArray[np.int64], interval: int) -> NDArray[np.bool_]:
    """Which of the times, as they follow each other in a file, stand several intervals apart for a whole stretch.

    Values of an hour among those of half-hours, say: each would pass for the half-hour at which it stands.
    """
    found = np.zeros(len(nanoseconds), dtype=bool)
    if len(nanoseconds) <= _STRETCH:
        return found
    steps = np.diff(nanoseconds)
    last = np.flatnonzero(np.append(steps[1:] != steps[:-1], True))
    first = np.append(0, last[:-1] + 1)
    lengths = np.abs(steps[last])
    coarse = (lengths > interval) & (lengths % interval == 0) & (last - first + 1 >= _STRETCH)
    for begin, end in zip(first[coarse], last[coarse], strict=True):
        # The value at the end of the stretch is followed by another interval, and may be one of those.
        found[begin : end + 1] = True
    return found
