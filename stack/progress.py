"""Steps as they happen: a line that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_EVERY_SECONDS = 15.0


class Progress:
    """Prints one line per step with its time; ``tick`` keeps a long step visibly alive."""

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self._output = output
        self._terminal = output.isatty()
        self._begun = time.monotonic()
        self._title = ""
        self._detail = ""
        self._step_begun = 0.0
        self._said = 0.0
        self._turn = 0
        self.seconds: dict[str, float] = {}

    @property
    def total_seconds(self) -> float:
        return time.monotonic() - self._begun

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show one step; a step that raises is marked as failed."""
        self._title, self._detail = title, ""
        self._step_begun = self._said = time.monotonic()
        self.tick()
        try:
            yield
        except BaseException:
            self._end("✗")
            raise
        self.seconds[title] = time.monotonic() - self._step_begun
        self._end("✓")

    def tick(self, detail: str | None = None) -> None:
        """Say what the step is at; call it often."""
        if detail is not None:
            self._detail = detail
        now = time.monotonic()
        if self._terminal:
            self._turn += 1
            mark = SPINNER[self._turn % len(SPINNER)]
            # Cut to the window: a line that wraps is not gone over again, it fills the screen.
            width = shutil.get_terminal_size().columns - len("  ⠋ ") - 1
            self._output.write(f"\r\033[K  {mark} {self._line(now)[:width]}")
            self._output.flush()
        elif now - self._said > PLAIN_EVERY_SECONDS:
            self._said = now
            self._output.write(f"  … {self._line(now)}\n")
            self._output.flush()

    def say(self, text: str = "") -> None:
        """Print a line of its own."""
        self._output.write(f"{text}\n")
        self._output.flush()

    def _end(self, mark: str) -> None:
        start = "\r\033[K" if self._terminal else ""
        self._output.write(f"{start}  {mark} {self._line(time.monotonic())}\n")
        self._output.flush()

    def _line(self, now: float) -> str:
        detail = f"  {self._detail}" if self._detail else ""
        return f"{self._title:<46}{now - self._step_begun:6.1f} s{detail}"
