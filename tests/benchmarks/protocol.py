"""Our own protocol on the shipped data, for where no outer harness is at hand; run as a process of its own.

A plug-in (see `adapters`) is fitted once on all that lies before the first of 14 origins, every four days at local
midnight up to the end of the series, and forecasts 48 hours from each. Regimes: `uni` gives no covariates, `wx` the
observed temperature and the public holidays, known ahead. The row that it prints has the columns of the outer harness.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import holidays
import numpy as np
import pandas as pd

from forecasting import daily_origins
from forecasting.metrics import score, seasonal_scale

DATA = Path(__file__).parents[2] / "data"
ORIGINS, EVERY_DAYS, HOURS = 14, 4, 48
REGIMES = {"uni": (), "wx": ("temperature", "holiday")}


@dataclass(frozen=True)
class Shipped:
    """A series of data/, half-hourly."""

    file: str
    timezone: str
    country: str
    subdivision: str

    def read(self) -> pd.DataFrame:
        """UTC index, columns `load` (MW), `holiday` and, where it was measured, `temperature` (°C)."""
        frame = pd.read_csv(DATA / self.file, index_col="timestamp", parse_dates=True)
        frame = frame.rename(columns={"load_mw": "load", "temperature_c": "temperature"})
        days = pd.DatetimeIndex(frame.index).tz_convert(self.timezone)
        public = holidays.country_holidays(self.country, subdiv=self.subdivision, years=sorted(set(days.year)))
        return frame.assign(holiday=[float(day in public) for day in days.date])


CASES = {
    "shipped:victoria": Shipped("victoria_2014.csv.gz", "Australia/Melbourne", "AU", "VIC"),
    "shipped:england_wales": Shipped("england_wales_2000.csv.gz", "Europe/London", "GB", "ENG"),
}


@dataclass(frozen=True)
class Context:
    """What a plug-in is told of its series, in the names of the outer harness."""

    dataset: str
    series: str
    tz: str
    country: str
    subdiv: str
    freq: str = "30min"
    steps_per_day: int = 48
    horizon: int = 2 * HOURS
    ts_kind: str = "utc"


def plug_in(name: str) -> Any:
    """The class behind `module:name`."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def cpu_seconds() -> float:
    """CPU time of this process, all its threads, and the processes that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_memory_mb() -> float:
    """The most memory that this process ever held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def versions(packages: list[str]) -> str:
    """The versions that stand behind a result."""
    return "; ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


def measure(case: str, regime: str, plugin: str, *, origins: int = ORIGINS) -> dict[str, Any] | None:
    """One row of the benchmark; None where the case has not what the regime gives."""
    series, frame = CASES[case], CASES[case].read()
    columns = list(REGIMES[regime])
    if not set(columns) <= set(frame.columns):
        return None
    dataset, _, name = case.partition(":")
    context = Context(dataset, name, series.timezone, series.country, series.subdivision)
    moments = daily_origins(
        frame[["load"]], timezone=series.timezone, horizon=f"{HOURS}h", count=origins, every_days=EVERY_DAYS
    )
    made = plug_in(plugin)
    before = cpu_seconds()
    model = made(context)
    spent = {"import": cpu_seconds() - before, "fit": 0.0, "predict": 0.0}
    if not made.refit_each_origin:
        spent["fit"] += _timed(model.fit, _rows(frame, series, columns, until=moments[0]), columns)[0]
    forecasts = []
    for origin in moments:
        history = _rows(frame, series, columns, until=origin)
        ahead = frame.loc[origin : origin + pd.Timedelta(hours=HOURS) - pd.Timedelta(1, unit="ns")]
        future = _rows(ahead, series, columns).drop(columns="y")
        if made.refit_each_origin:
            spent["fit"] += _timed(model.fit, history, columns)[0]
        seconds, forecast = _timed(model.predict, history, future)
        spent["predict"] += seconds
        forecasts.append(forecast.set_index(ahead.index).assign(load=ahead["load"]))
    found = pd.concat(forecasts)
    levels = found[["q0.1", "q0.5", "q0.9"]].set_axis([0.1, 0.5, 0.9], axis=1)
    scored = score(found["load"], levels, seasonal_scale=seasonal_scale(frame[frame.index < moments[0]]))
    return {
        "version": versions(made.packages),
        "protocol": "refit each origin" if made.refit_each_origin else "fit once, no refit",
        "n_origins": len(moments),
        "horizon": context.horizon,
        "train_rows": int((frame.index < moments[0]).sum()),
        "mae": scored["mae"],
        "mase": scored["mase"],
        "pinball_mean": scored["pinball"],
        "cover80": scored["coverage_80"],
        "nan_points": int(levels.isna().any(axis=1).sum()),
        **{f"cpu_{what}_s": seconds for what, seconds in spent.items()},
        "peak_rss_mb": peak_memory_mb(),
    }


def _rows(frame: pd.DataFrame, series: Shipped, columns: list[str], *, until: Any = None) -> pd.DataFrame:
    """The part before `until` as a plug-in takes it."""
    part = frame if until is None else frame[frame.index < until]
    index = pd.DatetimeIndex(part.index)
    clocks = {
        "timestamp": index.tz_localize(None),
        "local": index.tz_convert(series.timezone).tz_localize(None),
        "y": part["load"].to_numpy(),
    }
    return pd.DataFrame({**clocks, **{column: part[column].to_numpy() for column in columns}})


def _timed(work: Any, *arguments: Any) -> tuple[float, Any]:
    before = cpu_seconds()
    outcome = work(*arguments)
    return cpu_seconds() - before, outcome


def main() -> None:
    """Print `RESULT` and the row as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.protocol", description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("regime", choices=REGIMES)
    parser.add_argument("plugin", help="module:class")
    asked = parser.parse_args()
    print("RESULT " + json.dumps(measure(asked.case, asked.regime, asked.plugin), default=np.generic.item))


if __name__ == "__main__":
    main()
