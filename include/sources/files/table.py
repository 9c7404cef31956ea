"""What a file holds, chunk by chunk: texts or numbers by column, with the number of each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.sources.connector import BadRow
from include.sources.files.numbers import short

MOST_FIELDS = 100
"""Fields of a row that quarantine keeps."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, in its order. `bad` are those that could not be told apart into columns.

    `is_cut` says that the rows have no end in the file, and may go on.
    """

    rows: NDArray[np.int64]
    columns: Mapping[str, pa.Array]
    bad: Sequence[BadRow] = ()
    is_cut: bool = False


class Table(Protocol):
    """A file that is open and is what it says."""

    def chunks(self) -> Iterator[Chunk]:
        """All of it, from the beginning. Raises SourceError where it turns out to be damaged."""

    def raw(self, row: int) -> dict[str, Any]:
        """A row of the chunks so far, as it came."""


def shown(names: Sequence[str], fields: Sequence[Any], *, first: Sequence[str]) -> dict[str, Any]:
    """A row for quarantine, in the order of its columns; of very many columns, those of `first` and some others."""
    chosen = set(range(len(names)))
    if len(names) > MOST_FIELDS:
        wanted = [names.index(name) for name in first][:MOST_FIELDS]
        chosen = {*wanted, *list(range(MOST_FIELDS))[: MOST_FIELDS - len(wanted)]}
    row: dict[str, Any] = {}
    for number in sorted(chosen):
        name = short(names[number])
        field = fields[number]
        row[name if name not in row else f"{name} ({number + 1})"] = short(field) if isinstance(field, str) else field
    return row
