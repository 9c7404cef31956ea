"""What people are told about the options of each kind, from the options' own descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from rest_framework import serializers

from portal.series.source_kinds.kind import Need
from portal.series.source_kinds.kinds import KINDS

_NEEDS = {Need.REQUIRED: "needed", Need.OPTIONAL: "if wanted", Need.REFUSED: "none"}


@dataclass(frozen=True)
class Meaning:
    """One option: its key (that of columns as ``columns[].series``), whether it must be there, and what it means."""

    key: str
    required: bool
    meaning: str


@dataclass(frozen=True)
class Reference:
    """All that there is to say about a kind."""

    kind: str
    feeds: str
    url: str
    connection: str
    options: tuple[Meaning, ...]
    example: str
    example_facts: tuple[tuple[str, str], ...]


@cache
def reference(kind: str) -> Reference:
    """The reference of a kind, required options first."""
    facts = KINDS[kind]
    found = sorted(_options(facts.options()), key=lambda option: (option.key.count("[]"), not option.required))
    connection = facts.about_connection
    if facts.connection != Need.REFUSED:
        connection = f"{_NEEDS[facts.connection]}: {connection}"
    return Reference(
        kind=kind,
        feeds=" or ".join(facts.feeds),
        url="needed: a path below the data folder, or a whole URL; * stands for any name"
        if facts.url == Need.REQUIRED
        else "none",
        connection=connection,
        options=tuple(found),
        example=json.dumps(facts.example["options"], indent=2, ensure_ascii=False),
        example_facts=tuple(
            (name, str(facts.example[name])) for name in ("feeds", "url", "connection") if facts.example[name]
        ),
    )


@cache
def meanings(kind: str) -> dict[str, str]:
    """What the options of a kind mean, by their bare names."""
    return {option.key.rpartition(".")[2]: option.meaning for option in reversed(reference(kind).options)}


def _options(serializer: serializers.Serializer[Any], prefix: str = "") -> Iterator[Meaning]:
    for name, field in serializer.fields.items():
        key = f"{prefix}{name}"
        yield Meaning(key, bool(field.required), str(field.help_text or ""))
        if isinstance(field, serializers.ListSerializer) and isinstance(field.child, serializers.Serializer):
            yield from _options(field.child, f"{key}[].")
