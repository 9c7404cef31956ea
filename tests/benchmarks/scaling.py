"""Cost of fitting against the length of the history and the number of series, on made-up hourly demand.

Each figure is of a process of its own, which this module also is. `forecasting.fit_many` is measured beside as many
single calls where the library has it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.protocol import Context, cpu_seconds, peak_memory_mb, plug_in
from tests.benchmarks.runner import NoAnswerError, Pythons, answer

DAYS = (91, 365, 730, 1095)
SERIES = (1, 10, 100)
SERIES_DAYS = 182
MOST_SINGLE_CALLS = 10
"""A hundred single calls of a slow kind take half an hour and say no more than ten."""
PEER, PEER_PLUGIN = "mlf_lgbm", "tests.benchmarks.peers:MlforecastLightgbm"
LEFT_OUT = {"lstm"}
CONTEXT = Context("made-up", "demand", "Europe/London", "GB", "ENG", freq="h", steps_per_day=24, horizon=48)


def demand(days: int, *, seed: int) -> pd.DataFrame:
    """Hourly load of some town as a plug-in takes it: a year, a week, a day, and noise that lasts."""
    generator = np.random.default_rng(seed)
    index = pd.date_range("2021-01-01", periods=24 * days, freq="h")
    local = index.tz_localize("UTC").tz_convert(CONTEXT.tz).tz_localize(None)
    hour, year = local.hour.to_numpy(), local.dayofyear.to_numpy()
    shape = 200 * np.sin(2 * np.pi * (hour - 8) / 24) + 120 * np.cos(2 * np.pi * (year - 15) / 365)
    noise = pd.Series(generator.normal(0, 20, len(index))).ewm(alpha=0.2).mean().to_numpy()
    load = 1000 + shape - 150 * (local.weekday >= 5) + noise
    return pd.DataFrame({"timestamp": index, "local": local, "y": load})


def measure(how: str, plugin: str, number: int) -> dict[str, Any] | None:
    """CPU seconds of fitting and peak memory; None where this version of the library has no `fit_many`.

    Args:
        how: `history`, one fit on so many days; `calls`, so many fits one by one; `many`, so many series in one call.
        plugin: module:class.
        number: of days, or of series.
    """
    days = number if how == "history" else SERIES_DAYS
    histories = {str(seed): demand(days, seed=seed) for seed in range(1 if how == "history" else number)}
    made = plug_in(plugin)
    models = [made(CONTEXT) for _ in ([0] if how == "many" else histories)]
    if how == "many" and not hasattr(models[0], "fit_many"):
        return None
    before = cpu_seconds()
    if how == "many":
        models[0].fit_many(histories)
    else:
        for model, history in zip(models, histories.values(), strict=True):
            model.fit(history, [])
    return {"cpu": cpu_seconds() - before, "memory": peak_memory_mb()}


def section(pythons: Pythons, *, models: Sequence[str], timeout: float) -> str:
    """Measure and tell; a figure that could not be had is a dash."""
    kinds = [kind for kind in models if kind not in LEFT_OUT]
    everyone = [(f"`{kind}`", str(pythons.ours), f"tests.benchmarks.adapters:{kind}") for kind in kinds]
    everyone.append((PEER, str(pythons.peers), PEER_PLUGIN))

    def ask(how: str, python: str, plugin: str, number: int) -> float | None:
        command = [python, "-m", "tests.benchmarks.scaling", how, plugin, str(number)]
        try:
            row = answer(command, timeout=timeout)
        except NoAnswerError as error:
            print(f"scaling {how} {number} {plugin} FAILED: {error}", flush=True)
            return None
        return None if row is None else float(row["cpu"])

    history = {name: [ask("history", python, plugin, days) for days in DAYS] for name, python, plugin in everyone}
    series: dict[str, list[float | None]] = {}
    for name, python, plugin in everyone:
        if (found := [ask("many", python, plugin, number) for number in SERIES]) != [None] * len(SERIES):
            series[f"{name}, one call"] = found
        if name != PEER:
            few = [number for number in SERIES if number <= MOST_SINGLE_CALLS]
            series[f"{name}, single calls"] = [
                ask("calls", python, plugin, number) if number in few else None for number in SERIES
            ]
    peer_call = f"{PEER}, one call"
    return "\n\n".join(
        [
            f"CPU seconds of fitting made-up hourly demand, and in brackets the ratio to {PEER} of the same run.",
            table(history, [f"{days} days" for days in DAYS], reference=PEER),
            f"So many series of {SERIES_DAYS} days; {PEER} fits one model to all of them.",
            table(series, [f"{number} series" for number in SERIES], reference=peer_call),
        ]
    )


def table(rows: dict[str, list[float | None]], columns: Sequence[str], *, reference: str) -> str:
    """Seconds per row and column, each with its ratio to the row `reference` where both are there."""
    theirs = rows.get(reference, [None] * len(columns))
    lines = [["model", *columns], ["---"] * (len(columns) + 1)]
    for name, values in rows.items():
        others = [None] * len(columns) if name == reference else theirs
        lines.append([name, *(_cell(value, other) for value, other in zip(values, others, strict=True))])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: float | None, other: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.2f} ({value / other:.2f})" if other else f"{value:.2f}"


def main() -> None:
    """Print `RESULT` and the row as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling", description=__doc__)
    parser.add_argument("how", choices=("history", "calls", "many"))
    parser.add_argument("plugin", help="module:class")
    parser.add_argument("number", type=int)
    asked = parser.parse_args()
    print("RESULT " + json.dumps(measure(asked.how, asked.plugin, asked.number)))


if __name__ == "__main__":
    main()
