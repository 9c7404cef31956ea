"""The options that the guide shows are options that connectors take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from include.sources.registry import CONNECTORS
from include.sources.rules import columns_of

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "sources.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.mark.parametrize("options", EXAMPLES)
def test_an_example_names_columns(options: dict[str, Any]) -> None:
    assert columns_of(options)


@pytest.mark.parametrize("kind", CONNECTORS)
def test_every_kind_is_told_of_with_an_example(kind: str) -> None:
    assert re.search(rf"Kind `{kind}`.*?```json", GUIDE, re.DOTALL)
    assert len(EXAMPLES) == len(CONNECTORS)
