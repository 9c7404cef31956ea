"""The guide names every check and every threshold, with its default, and no other."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from forecasting.quality import CheckSettings
from forecasting.quality.engines.builtin import CHECKS

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "quality-checks.md").read_text()


@pytest.mark.parametrize("name", ["has_observations", *(check.__name__ for check in CHECKS)])
def test_the_guide_has_a_row_for_each_built_in_check_with_its_true_severity(name, check, victoria):
    row = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` |"))
    assert row.endswith(f"| {check(victoria)['builtin', name].severity} |")


def test_the_guide_names_every_threshold_and_no_other():
    assert set(re.findall(r"`C\.(\w+)`", GUIDE)) == {field.name for field in fields(CheckSettings)}


@pytest.mark.parametrize(("name", "value"), re.findall(r"`C\.(\w+)` ([\d.,]+\d|\d)", GUIDE))
def test_the_guide_gives_the_true_default(name, value):
    assert float(value.replace(",", "")) == getattr(CheckSettings(), name)
