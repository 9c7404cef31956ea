"""What is wrong with options, in sentences: each names the key, the value and the rule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 80
"""Characters of a value that a sentence shows."""
Path = tuple[str | int, ...]


def in_words(detail: Any, data: Any, *, helps: Mapping[str, str]) -> list[str]:
    """The sentences of a serializer's errors about `data`; `helps` has what each key means, for one that is missing."""
    return [_sentence(path, error, data, helps) for path, error in _flat(detail)]


def sentence(path: Path, value: Any, rule: str) -> str:
    """``columns[0].scale = 0: must be a number other than 0.``"""
    return f"{_key(path)} = {shown(value)}: {rule.rstrip('.')}." if path else f"{shown(value)}: {rule.rstrip('.')}."


def shown(value: Any) -> str:
    """A value as JSON, on one line of bearable length."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "[…]"
    # A lone surrogate cannot be sent to anybody.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _sentence(path: Path, error: Any, data: Any, helps: Mapping[str, str]) -> str:
    code = getattr(error, "code", "")
    if code == "required":
        name = str(path[-1])
        meaning = f": {helps[name]}" if name in helps else ""
        return f"{_key(path)} is missing{meaning}."
    if code == "unknown":
        # Without its value: who knows what it is.
        return f"There is no option {_key(path)}; {error}"
    return sentence(path, _at(data, path), str(error))


def _flat(detail: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, path if name == "non_field_errors" else (*path, name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from [(path, inner)] if isinstance(inner, str) else _flat(inner, (*path, index))
    else:
        yield path, detail


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data


def _key(path: Path) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in path)
    return key.removeprefix(".")


def _name(key: str) -> str:
    plain = key.encode("utf-8", "backslashreplace").decode("utf-8")
    return plain if plain.isprintable() and len(plain) <= LONGEST else shown(plain[:LONGEST])
