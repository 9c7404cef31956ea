"""What can go wrong with the stack, said so that the reader knows what to do next."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message names the thing, the value and the way out."""


class NoAnswerError(StackError):
    """A process of the stack does not answer a call; it may have died."""
