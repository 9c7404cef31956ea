"""Bad rows on local disk, from when they are found until the whole file is known to be readable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from include.sources.connector import BadRow

_MOST_ROWS = 2000


@dataclass
class BadOnDisk:
    """Takes bad rows, and gives them back in their order, some at a time."""

    file: IO[bytes]
    count: int = 0

    def add(self, rows: Iterable[BadRow]) -> None:
        """More of them."""
        for row in rows:
            self.file.write(json.dumps(row.as_dict()).encode() + b"\n")
            self.count += 1

    def parts(self) -> Iterator[list[BadRow]]:
        """All of them."""
        self.file.seek(0)
        part: list[BadRow] = []
        for line in self.file:
            part.append(BadRow(**json.loads(line)))
            if len(part) == _MOST_ROWS:
                yield part
                part = []
        if part:
            yield part
