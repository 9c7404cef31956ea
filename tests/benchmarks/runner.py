"""One process per case, regime and model, strictly one after another, each on one thread of one CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecasting import available_models
from tests.benchmarks.results import Key, Result
from tests.benchmarks.sources import ROOT, Source

REGIMES = ("uni", "wx")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "NIXTLA_ID_AS_COL": "1",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(ROOT),
}
ERROR_LENGTH = 300


class NoAnswerError(Exception):
    """A measuring process gave no row; the message is the end of what it said."""


@dataclass(frozen=True)
class Pythons:
    """The interpreters of the two environments."""

    ours: Path
    peers: Path


def stay_on_one_cpu() -> None:
    """Keep this process and all that it starts on one CPU, where the system can: thread pools then gain nothing."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def use_all_cpus() -> None:
    """Take `stay_on_one_cpu` back, for what is several processes that work together."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def plan(source: Source, *, cases: Sequence[str], models: Sequence[str], peers: Sequence[str]) -> list[Key]:
    """What to measure: case by case, ours beside the others, so that a drift of the machine hits all alike."""
    keys = [Key(case, regime, model) for case in cases for regime in REGIMES for model in (*models, *peers)]
    return [key for key in keys if source.has(key)]


def our_kinds(asked: Sequence[str]) -> tuple[str, ...]:
    """The kinds to measure: those asked for, else all but the ensemble, which `auto` weights by itself.

    Raises:
        ValueError: one is no kind of this version of the library.
    """
    kinds = available_models()
    return known("model", asked, kinds) if asked else tuple(kind for kind in kinds if kind != "ensemble")


def known(what: str, asked: Sequence[str] | None, there: Sequence[str]) -> tuple[str, ...]:
    """Those asked for; all that there are for None.

    Raises:
        ValueError: one is not there; the message names what is.
    """
    for name in asked or ():
        if name not in there:
            raise ValueError(f"no {what} is called {name!r}; there are {', '.join(there)}")
    return tuple(there if asked is None else asked)


def measure(source: Source, keys: Sequence[Key], *, pythons: Pythons, timeout: float, commit: str) -> Iterator[Result]:
    """Measure one after another; a model that fails gives a row that says so."""
    for key in keys:
        ours = key.model not in source.peers
        plugin = f"tests.benchmarks.adapters:{key.model}" if ours else source.peers[key.model]
        python = pythons.ours if ours else pythons.peers
        try:
            row = answer([str(python), *source.command(key, plugin=plugin)], timeout=timeout)
        except NoAnswerError as error:
            yield Result.failed(key, str(error), ours=ours, commit=commit)
        else:
            if row is not None:
                yield Result.measured(key, row, ours=ours, commit=commit)


def answer(command: Sequence[str], *, timeout: float) -> dict[str, Any] | None:
    """Run a measuring process to its end and return the JSON of its line `RESULT`.

    Raises:
        NoAnswerError: it failed, took too long, or printed no such line.
    """
    environment = {**os.environ, **ONE_THREAD}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"not done after {timeout:g} s") from None
    except OSError as error:
        raise NoAnswerError(f"{Path(command[0]).name} does not start: {error.strerror}") from None
    answers = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not answers:
        raise NoAnswerError(_last_words(done.stderr or done.stdout, done.returncode))
    row: dict[str, Any] | None = json.loads(answers[-1].removeprefix("RESULT "))
    return row


def _last_words(said: str, code: int) -> str:
    """The last line of a traceback, without the folders of this machine."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else f"ended with status {code}"
    return last.replace(f"{ROOT}/", "").replace(sys.prefix, "")[:ERROR_LENGTH]
