"""What a request gave, as a refusal repeats it: short, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from portal.core.secrets import holds_a_secret, names_a_secret

LONGEST = 200
"""Characters of a value that are repeated."""
HIDDEN = "(a secret, not repeated)"
NOTHING = object()
"""Nothing was given there; null is something."""


def given_at(data: Any, path: Sequence[str]) -> Any:
    """What stands at a path of keys and list indices; NOTHING where nothing does, HIDDEN under the name of a secret."""
    for step in path:
        if isinstance(data, Mapping) and step in data:
            if names_a_secret(step):
                return HIDDEN
            data = data[step]
        elif isinstance(data, list) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        else:
            return NOTHING
    return data if data is None or isinstance(data, str | int | float | list | Mapping) else NOTHING


def shown(value: Any) -> Any:
    """The value to repeat: itself where it is short, else its beginning as a text; secrets in it are left out."""
    if isinstance(value, str):
        if holds_a_secret(value):
            return HIDDEN
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}… ({len(value):,} characters)"
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if not isinstance(value, list | Mapping):
        return value
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > LONGEST:
            return f"{text[:LONGEST]}…"
    return orjson.loads(text)


def as_text(value: Any) -> str:
    """A shown value as it stands in a sentence."""
    return orjson.dumps(value).decode()


def without(message: str, value: Any) -> str:
    """A message that repeats a value, with the value as it is shown."""
    if isinstance(value, str | list | Mapping) and (short := shown(value)) != value:
        message = message.replace(str(value), short if isinstance(short, str) else as_text(short))
    return message


def texts_with_nul(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in JSON there is a text, or a name, with a NUL character, which PostgreSQL cannot hold."""
    if isinstance(data, str) and "\0" in data:
        yield path
    elif isinstance(data, Mapping):
        for name, value in data.items():
            if "\0" in name:
                yield (*path, name)
            else:
                yield from texts_with_nul(value, (*path, name))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from texts_with_nul(value, (*path, str(index)))


def _pieces(value: Any) -> Iterator[str]:
    """The JSON of a value bit by bit, so that a long one is not written to its end."""
    if isinstance(value, Mapping):
        yield "{"
        for number, (name, inner) in enumerate(value.items()):
            yield f"{', ' if number else ''}{as_text(str(name)[: LONGEST + 1])}: "
            yield from [as_text(HIDDEN)] if names_a_secret(str(name)) else _pieces(inner)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, inner in enumerate(value):
            yield ", " if number else ""
            yield from _pieces(inner)
        yield "]"
    else:
        yield as_text(shown(value))
