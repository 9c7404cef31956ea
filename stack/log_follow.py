"""Several log files as one readable stream: each line behind the name of its process."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

LONGEST_LINE = 240
SHORTEST_LINE = 40
SOURCE_PLACE = re.compile(r" loc=\S+:\d+(?= |$)")
"""Where in its own source the line was written: of no use to the reader of a stream."""
PADDING = re.compile(r" {3,}(?=\S)")
"""Columns within columns: Airflow's, which the name of the process has shifted already."""
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class LogFollower:
    """Prints whole lines as they are added to log files, each on one row of a terminal; the files have all of them."""

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self._output = output
        self._coloured = output.isatty()
        self._read_to: dict[str, int] = {}

    def skip_to_end(self, logs: Mapping[str, Path]) -> None:
        """Leave out what the logs hold so far."""
        for name, path in logs.items():
            self._read_to[name] = path.stat().st_size

    def print_new_lines(self, logs: Mapping[str, Path]) -> None:
        """Print what came since the last call."""
        width = max((len(name) for name in logs), default=0)
        columns = shutil.get_terminal_size().columns - width - len(" | ")
        longest = max(columns, SHORTEST_LINE) if self._coloured else LONGEST_LINE
        for number, (name, path) in enumerate(logs.items()):
            with path.open("rb") as log:
                log.seek(self._read_to.get(name, 0))
                new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read_to[name] = self._read_to.get(name, 0) + len(whole)
            prefix = f"{name:<{width}} | "
            if self._coloured:
                prefix = f"\033[{COLOURS[number % len(COLOURS)]}m{prefix}\033[0m"
            for line in whole.decode(errors="replace").splitlines():
                self._output.write(f"{prefix}{_readable(line, longest)}\n")
        self._output.flush()


def _readable(line: str, longest: int) -> str:
    line = PADDING.sub("  ", SOURCE_PLACE.sub("", line))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
