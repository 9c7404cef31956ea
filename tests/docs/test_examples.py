"""What the README and the guides show runs as it stands: their Python, and their commands up to the work itself."""

from __future__ import annotations

import logging
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecasting import create_model
from forecasting.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = "python -m forecasting "
PLACE = {"timezone": "Australia/Melbourne", "country": "AU", "subdivision": "VIC"}
DAYS, HORIZON_DAYS = 70, 2


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of one language, each with as many empty lines before it as put a traceback on the page's own line."""
    text = page.read_text(encoding="utf-8")
    return [
        "\n" * text.count("\n", 0, found.start("text")) + found["text"]
        for found in BLOCK.finditer(text)
        if found["language"] == language
    ]


def named(pages: list[Path]) -> list[Any]:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
WITH_COMMANDS = [page for page in PAGES if any(COMMAND in block for block in blocks(page, "sh"))]


@pytest.fixture(scope="module")
def victoria() -> pd.DataFrame:
    """The last weeks of the shipped data, under the library's names."""
    table = pd.read_csv(ROOT / "data" / "victoria_2014.csv.gz", index_col="timestamp", parse_dates=True)
    table = table.rename(columns={"load_mw": "load", "temperature_c": "temperature"})
    return table.iloc[-(DAYS + HORIZON_DAYS) * 48 :].asfreq("30min")


@pytest.fixture(scope="module")
def presupposed(victoria: pd.DataFrame) -> Callable[[], dict[str, Any]]:
    """The names that the blocks take for granted, as a reader would have them."""
    history, future = victoria.iloc[: DAYS * 48], victoria.iloc[DAYS * 48 :].drop(columns="load")
    model = create_model("regression", **PLACE).fit(history)

    def names() -> dict[str, Any]:
        return {
            "history": history.copy(),
            "future": future.copy(),
            "as_of": future.index[0],
            "model": model,
            "histories": {"city": history[["load"]], "town": history[["load"]] / 10},
            "futures": {"city": future[[]], "town": future[[]]},
        }

    return names


@pytest.fixture(autouse=True)
def in_a_folder_like_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Examples name `data/…` and write beside it; the command line sets up the process's logging."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def test_the_pages_with_examples_are_found():
    names = {page.stem for page in WITH_PYTHON}
    assert {"README", "backtests", "explaining", "many-series", "quality-checks"} <= names
    assert {"README", "backtests", "command-line", "explaining", "quality-checks"} <= {
        page.stem for page in WITH_COMMANDS
    }


@pytest.mark.parametrize("page", named(WITH_PYTHON))
def test_the_python_of_a_page_runs_in_order(page, presupposed):
    names = presupposed()
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)  # noqa: S102 - the pages are our own


@pytest.mark.parametrize("page", named(WITH_COMMANDS))
def test_the_commands_of_a_page_are_valid_in_order(page, capsys):
    for block in blocks(page, "sh"):
        if COMMAND not in block:
            continue
        for line in block.replace("\\\n", " ").strip().splitlines():
            if not line.startswith(COMMAND):
                # What a page has the shell do to the data first.
                subprocess.run(["/bin/bash", "-c", line], timeout=240, check=True)
                continue
            arguments = shlex.split(line.split("&&")[0].removeprefix(COMMAND))
            assert main([*arguments, "--validate-only"]) == 0, (line, capsys.readouterr().err)
            if arguments[0] == "train":
                # The commands that follow need a model where this one puts it; any kind does.
                assert main([*arguments, "--kind", "seasonal_naive"]) == 0, (line, capsys.readouterr().err)
