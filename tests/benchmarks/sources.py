"""Where cases and protocol come from: an outer harness, run as a program where its folder exists, or the shipped data.

The harness is a folder with `bench.py`, `peers.py` and `data/`. It writes beside itself, so a copy of its programs is
run, in the git-ignored build folder; nothing of it is imported or kept.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.benchmarks import protocol
from tests.benchmarks.results import Key

ROOT = Path(__file__).parents[2]
UNIVARIATE = {"snaive", "sf_mstl_ets", "seasonal_naive"}
"""Models that take no covariates: measured once, in the regime without, and compared in both."""


OURS = "default settings; public holidays by the country's calendar"
PEERS = {
    "snaive": "the load of a week before",
    "operator_da": "the balancing authority's own day-ahead forecast, with its weather: a reference, no peer",
    "sf_mstl_ets": "MSTL (day, week) with AutoETS for the trend; half a year",
    "mlf_lgbm": "LightGBM, recursive, on lags and rolling means; conformal intervals",
    "skf_lgbm": "LightGBM, recursive, on lags and rolling means; conformal intervals",
    "lgbm_direct": "LightGBM alone, one per quantile, on lags of two days and more",
}
"""The other libraries' models, the same by name in both protocols."""


class Source(Protocol):
    """What a run needs to know of a protocol."""

    name: str
    peers: Mapping[str, str]
    """The other libraries' models by name, and what the program calls each."""
    default_cases: tuple[str, ...]
    all_cases: tuple[str, ...]

    def has(self, key: Key) -> bool:
        """Whether this model can be measured there."""

    def command(self, key: Key, *, plugin: str) -> list[str]:
        """Arguments for a Python that print `RESULT` and a JSON row."""

    def recorded(self) -> list[dict[str, str]]:
        """Rows that others measured elsewhere, in the columns of the protocol's row; quoted, never compared."""


@dataclass(frozen=True)
class ShippedData:
    """Our own protocol on data/."""

    name = "shipped data"
    peers = {  # noqa: RUF012 - a constant
        "sf_mstl_ets": "tests.benchmarks.peers:MstlEts",
        "mlf_lgbm": "tests.benchmarks.peers:MlforecastLightgbm",
        "lgbm_direct": "tests.benchmarks.peers:DirectLightgbm",
    }
    default_cases = all_cases = tuple(protocol.CASES)

    def has(self, key: Key) -> bool:
        without_weather = key.case == "shipped:england_wales" and key.regime == "wx"
        return not without_weather and (key.regime == "uni" or key.model not in UNIVARIATE)

    def command(self, key: Key, *, plugin: str) -> list[str]:
        return ["-m", "tests.benchmarks.protocol", key.case, key.regime, plugin]

    def recorded(self) -> list[dict[str, str]]:
        return []


@dataclass(frozen=True)
class Harness:
    """An outer harness; `folder` is the copy that is run, `outer` where it came from."""

    outer: Path
    folder: Path
    all_cases: tuple[str, ...]
    with_weather: frozenset[str]
    name = "outer harness"
    peers = {name: name for name in PEERS}  # noqa: RUF012 - a constant
    default_cases = ("vic_elec:VIC", "gb_load:GB_EW", "isone_2017:ISONE", "eia_ba_2019:ERCO", "eia_ba_2019:ISNE")

    @classmethod
    def copied(cls, outer: Path, *, into: Path) -> Harness:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        for program in outer.glob("*.py"):
            shutil.copyfile(program, into / program.name)
        (into / "data").symlink_to((outer / "data").resolve())
        described = json.loads((into / "data" / "meta.json").read_text(encoding="utf-8"))
        cases = {
            f"{dataset}:{series}": about["columns"]
            for dataset, about in described.items()
            for series in about["series"]
        }
        weather = frozenset(case for case, columns in cases.items() if "temperature" in columns)
        return cls(outer, into, tuple(cases), weather)

    def has(self, key: Key) -> bool:
        if key.model == "operator_da" and not key.case.startswith("eia_ba_2019:"):
            return False
        if key.regime == "wx":
            return key.case in self.with_weather and key.model not in {*UNIVARIATE, "operator_da"}
        return True

    def command(self, key: Key, *, plugin: str) -> list[str]:
        return [str(self.folder / "bench.py"), "--one", key.case, key.regime, plugin]

    def recorded(self) -> list[dict[str, str]]:
        results = self.outer / "results.csv"
        if not results.is_file():
            return []
        with results.open(newline="", encoding="utf-8") as rows:
            return list(csv.DictReader(rows))


def chosen(outer: Path | None, *, scratch: Path) -> Source:
    """The harness where its program is at hand, else the shipped data."""
    if outer is not None and (outer / "bench.py").is_file() and (outer / "data" / "meta.json").is_file():
        return Harness.copied(outer, into=scratch / "harness")
    return ShippedData()
