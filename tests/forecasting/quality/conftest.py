"""The shipped archives as histories, and one way to run the checks on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from forecasting.quality import CheckResult, run_checks

DATA = Path(__file__).parents[3] / "data"
NAMES = {"load_mw": "load", "temperature_c": "temperature"}
Results = dict[tuple[str, str], CheckResult]


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name, index_col="timestamp", parse_dates=True).rename(columns=NAMES)


@pytest.fixture(scope="session")
def victoria_2014() -> pd.DataFrame:
    return _read("victoria_2014.csv.gz")


@pytest.fixture
def victoria(victoria_2014: pd.DataFrame) -> pd.DataFrame:
    return victoria_2014.copy()


@pytest.fixture(scope="session")
def england_wales() -> pd.DataFrame:
    return _read("england_wales_2000.csv.gz")


@pytest.fixture(scope="session")
def check() -> Callable[..., Results]:
    """Runs the built-in checks (or the engines named) an hour and a half after the last interval's start."""

    def run(history: pd.DataFrame, **arguments: object) -> Results:
        defaults: dict[str, object] = {
            "timezone": "Australia/Melbourne",
            "resolution": "30min",
            "as_of": history.index.max() + pd.Timedelta(minutes=90),
            "engines": ("builtin",),
        }
        results = run_checks(history, **(defaults | arguments))
        assert len({(each.engine, each.name) for each in results}) == len(results)
        return {(each.engine, each.name): each for each in results}

    return run
