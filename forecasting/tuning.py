"""Search of hyper-parameters: a bounded, seeded study that can be resumed, and its record as evidence.

Each trial is judged by the mean pinball loss over a few time-ordered folds: trained on the loads before a fold's first
origin, scored from its origins on, as a backtest does it. The first trial has the model's own hyper-parameters, so that
on the folds nothing worse is ever chosen. What comes after the given history plays no part: end it before the period
that is to judge the result.

The sampler is the tree-structured Parzen estimator (Bergstra et al., 2011) of Optuna (Akiba et al., 2019). It is seeded
anew for each trial, from the seed and the number of the trials before: a study that was killed and resumed suggests
what it would have suggested uninterrupted. A trial that does worse after a fold than the median of those before it is
pruned.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecasting.backtesting import backtest, daily_origins
from forecasting.contracts import LOAD, MINIMUM_TRAINING, fingerprint, resolution_of
from forecasting.errors import DataContractError, ForecastingError, SettingsError
from forecasting.known_at_origin import CovariatesAt
from forecasting.models.base import Forecaster
from forecasting.models.settings import SETTINGS
from forecasting.persistence import library_versions
from forecasting.registry import create_model
from forecasting.search_space import Range, search_space
from forecasting.study_store import quiet_optuna, stored_study

if TYPE_CHECKING:
    import optuna

_log = logging.getLogger(__name__)

_ONE_INSTANT = pd.Timedelta(1, unit="ns")
_MOST_TRIALS = 10_000
_RANDOM_TRIALS = 8
"""Trials at random before the sampler learns from them."""
_UNPRUNED_TRIALS = 4
_SPREAD = 3
"""The folds lie in the newest third of the history, so that most of it teaches each of them."""


@dataclass(frozen=True)
class Tuning:
    """What a search found."""

    best: dict[str, float]
    """The searched hyper-parameters with their best values."""
    study: dict[str, Any]
    """The study as evidence, JSON-able: objective, ranges, folds, and every trial with its values and state."""
    model: Forecaster = field(repr=False)
    """A new model, not fitted: the one that was given, with the best hyper-parameters."""


def tune(
    model: Forecaster,
    history: pd.DataFrame,
    *,
    trials: int = 20,
    folds: int = 3,
    origins_per_fold: int = 7,
    space: Mapping[str, Range] | None = None,
    training_rows: int | None = None,
    seconds: float | None = None,
    storage: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    covariates_at: CovariatesAt | None = None,
    prepare: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> Tuning:
    """Search the hyper-parameters of a model's kind; the model itself is left as it is.

    Args:
        model: fitted or not. Its settings hold for every trial, its hyper-parameters are the first trial, and its seed
            decides the search.
        history: as in `fit`, ending before whatever is to judge the result.
        trials: how many are judged, those of a resumed study included.
        folds: time-ordered, spread over the newest third of the history; each trains a model.
        origins_per_fold: consecutive local midnights that a fold is scored from; fewer where the history is short.
        space: ranges by hyper-parameter; the default is `search_space(model.kind)`. A range that does not hold the
            model's own value is widened to it; what has no range stays as the model has it.
        training_rows: each trial trains on at most so many rows, the newest before its fold: bounds the cost.
        seconds: start no further trial so long after the search began; the first is always judged. The result then
            depends on the machine's speed; that of a study bounded by trials alone does not.
        storage: folder in which the study is kept while it runs. The same call resumes it there, whatever stopped it;
            another history, preparation, model, library version or fold never does. A larger `trials` goes on where
            it ended.
        progress: called with (trials done, trials in all) after each.
        covariates_at, prepare: as in `backtest`, which judges a fold.

    Raises:
        SettingsError: the kind has nothing to tune, or an argument is out of range.
        DataContractError: the history breaks the contract, or is too short for the folds.
        ForecastingError: no trial succeeded.
        StudyBusyError: another process works on this very study.
        ArtifactError: the stored study is damaged.
    """
    _check_numbers(
        trials=trials, folds=folds, origins_per_fold=origins_per_fold, training_rows=training_rows, seconds=seconds
    )
    ranges = _ranges(model, space)
    frame = model.validate(history)
    parts = [
        replace(part, covariates_at=covariates_at, prepare=prepare)
        for part in _folds(model, frame, folds=folds, origins_per_fold=origins_per_fold, training_rows=training_rows)
    ]
    facts = {
        "kind": model.kind,
        "parameters": model.parameters,
        "objective": "mean pinball loss in MW over the folds",
        "sampler": {"name": "TPE", "random_trials": _RANDOM_TRIALS},
        "pruner": {"name": "median", "unpruned_trials": _UNPRUNED_TRIALS},
        "space": {name: span.to_dict() for name, span in ranges.items()},
        "folds": [part.to_dict() for part in parts],
        "data_sha256": fingerprint(frame),
        **_given(parts, horizon=model.settings.horizon),
        "library_versions": library_versions({"optuna", *model.libraries}),
    }
    name = f"{model.kind}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}"
    with quiet_optuna(), stored_study(name, storage=storage) as study:
        _run(study, model, ranges, parts, trials=trials, seconds=seconds, progress=progress)
        judged = [_record(number, trial) for number, trial in enumerate(_judged(study)[:trials])]
    complete = [trial for trial in judged if trial["state"] == "complete"]
    if not complete:
        raise ForecastingError(
            f"tuning {model.kind}: none of {len(judged)} trials succeeded; the first says: {judged[0]['reason']}"
        )
    winner = min(complete, key=lambda trial: trial["value"])
    evidence = {
        **facts,
        "trials_allowed": trials,
        "seconds_allowed": seconds,
        "best": {name: winner[name] for name in ("number", "parameters", "value")},
        "default": {name: judged[0][name] for name in ("number", "parameters", "value")},
        "trials": judged,
    }
    tuned = create_model(model.kind, **{**model.parameters, **winner["parameters"]})
    return Tuning(best=winner["parameters"], study=evidence, model=tuned)


@dataclass(frozen=True)
class _Fold:
    """Loads before the first origin teach; those of the horizons of all its origins judge. Nothing later is in it."""

    frame: pd.DataFrame
    origins: pd.DatetimeIndex
    covariates_at: CovariatesAt | None = None
    prepare: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def loss(self, model: Forecaster) -> float:
        """Mean pinball loss in MW of a model trained for this fold."""
        report = backtest(
            model, self.frame, origins=self.origins, covariates_at=self.covariates_at, prepare=self.prepare
        )
        found = report.metrics["pinball"]
        if found is None or not math.isfinite(found):
            raise ForecastingError(f"the pinball loss is {found} from {self.origins[0]} on")
        return float(found)

    def to_dict(self) -> dict[str, Any]:
        return {
            "trained_from": self.frame.index[0].isoformat(),
            "first_origin": self.origins[0].isoformat(),
            "last_origin": self.origins[-1].isoformat(),
            "scored_until": (self.frame.index[-1] + resolution_of(self.frame.index)).isoformat(),
            "n_origins": len(self.origins),
        }


def _given(parts: Sequence[_Fold], *, horizon: pd.Timedelta) -> dict[str, Any]:
    """Hashes of what the folds are given besides the history: functions cannot be told apart but by what they give."""
    prepared, forecast = hashlib.sha256(), hashlib.sha256()
    for part in parts:
        if part.prepare is not None:
            prepared.update(fingerprint(part.prepare(part.frame.loc[part.frame.index < part.origins[0]])).encode())
        if part.covariates_at is not None:
            for origin in part.origins:
                index = pd.DatetimeIndex(part.frame.loc[origin : origin + horizon - _ONE_INSTANT].index)
                forecast.update(fingerprint(part.covariates_at(origin, index)).encode())
    return {
        **({} if parts[0].prepare is None else {"prepared_sha256": prepared.hexdigest()}),
        **({} if parts[0].covariates_at is None else {"covariates_at_sha256": forecast.hexdigest()}),
    }


def _run(
    study: "optuna.Study",
    model: Forecaster,
    ranges: Mapping[str, Range],
    parts: Sequence[_Fold],
    *,
    trials: int,
    seconds: float | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    import optuna

    def prepare_next(done: int) -> None:
        mixed = np.random.SeedSequence([model.settings.seed, done]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(seed=int(mixed[0]), n_startup_trials=_RANDOM_TRIALS)

    def after(_: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        done = len(_judged(study))
        _log.info("trial %d of %d: %s, %s with %s", done, trials, trial.state.name, trial.value, trial.params)
        if progress is not None:
            progress(done, trials)
        prepare_next(done)

    def judge(trial: "optuna.Trial") -> float:
        return _judge(trial, model, ranges, parts)

    # What ran when its process was killed is nobody's any more; it is not judged, and comes again.
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS)
    done = len(_judged(study))
    if done >= trials:
        return
    began = time.monotonic()
    prepare_next(done)
    if done == 0:
        if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            study.enqueue_trial({name: model.parameters[name] for name in ranges})
        study.optimize(judge, n_trials=1, catch=(Exception,), callbacks=[after])
        done = 1
    left = None if seconds is None else seconds - (time.monotonic() - began)
    if left is None or left > 0:
        study.optimize(judge, n_trials=trials - done, timeout=left, catch=(Exception,), callbacks=[after])


def _judge(trial: "optuna.Trial", model: Forecaster, ranges: Mapping[str, Range], parts: Sequence[_Fold]) -> float:
    """Mean loss over the folds in MW; of a trial that fails, the reason is kept."""
    import optuna

    chosen = {name: span.suggest(trial, name) for name, span in ranges.items()}
    losses: list[float] = []
    for number, part in enumerate(parts):
        try:
            losses.append(part.loss(create_model(model.kind, **{**model.parameters, **chosen})))
        except Exception as error:
            trial.set_user_attr("reason", f"{type(error).__name__}: {error}")
            raise
        trial.set_user_attr("per_fold", list(losses))
        trial.report(math.fsum(losses) / len(losses), number)
        if len(losses) < len(parts) and trial.should_prune():
            raise optuna.TrialPruned
    return math.fsum(losses) / len(losses)


def _judged(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """The trials that came to an end of their own, in order; the first has the model's own hyper-parameters."""
    import optuna

    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state in ended or "reason" in trial.user_attrs]


def _record(number: int, trial: "optuna.trial.FrozenTrial") -> dict[str, Any]:
    state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
    return {
        "number": number,
        "parameters": dict(trial.params),
        "state": state,
        "value": trial.value if state == "complete" else None,
        "per_fold": list(trial.user_attrs.get("per_fold", [])),
        "reason": trial.user_attrs.get("reason"),
        "default": number == 0,
    }


def _folds(
    model: Forecaster, frame: pd.DataFrame, *, folds: int, origins_per_fold: int, training_rows: int | None
) -> list[_Fold]:
    step, horizon = resolution_of(frame.index), model.settings.horizon
    if training_rows is not None and training_rows * step < MINIMUM_TRAINING:
        raise SettingsError(f"training_rows {training_rows} must cover {MINIMUM_TRAINING.days} days at {step}")
    possible = daily_origins(frame, timezone=model.settings.timezone, horizon=horizon, count=len(frame))
    # An origin after which nothing was measured judges nothing.
    seen = np.concatenate([[0], np.cumsum(frame[LOAD].notna().to_numpy())])
    first, last = frame.index.searchsorted(possible), frame.index.searchsorted(possible + horizon)
    possible = possible[seen[last] > seen[first]]
    if len(possible) < folds:
        raise DataContractError(
            f"history from {frame.index[0]} to {frame.index[-1]} holds {len(possible)} days to forecast from, "
            f"with two weeks before and {horizon} after them",
            rule=f"{folds} folds need {folds} such days; give a longer history or fewer folds",
            value=len(possible),
        )
    each = min(origins_per_fold, len(possible) // folds)
    area = possible[-max(folds * each, len(possible) // _SPREAD) :]
    parts = []
    for end in np.linspace(each, len(area), folds).astype(int) if folds > 1 else [len(area)]:
        origins = area[end - each : end]
        start = int(frame.index.searchsorted(origins[0]))
        kept = frame.iloc[0 if training_rows is None else max(0, start - training_rows) :]
        model.validate(kept.loc[kept.index < origins[0]])
        parts.append(_Fold(frame=kept.loc[kept.index < origins[-1] + horizon], origins=origins))
    return parts


def _ranges(model: Forecaster, space: Mapping[str, Range] | None) -> dict[str, Range]:
    ranges = search_space(model.kind) if space is None else dict(space)
    if not ranges:
        raise SettingsError(f"tuning {model.kind}: no hyper-parameter is left to tune")
    own = {name: value for name, value in model.parameters.items() if name not in SETTINGS}
    for name in ranges:
        if type(own.get(name)) not in (int, float):
            numbers = [each for each, value in own.items() if type(value) in (int, float)]
            raise SettingsError(f"{model.kind} has no hyper-parameter {name!r} to tune; it has {numbers}")
    return {name: span.including(own[name]) for name, span in sorted(ranges.items())}


def _check_numbers(
    *, trials: int, folds: int, origins_per_fold: int, training_rows: int | None, seconds: float | None
) -> None:
    for name, number in (("trials", trials), ("folds", folds), ("origins_per_fold", origins_per_fold)):
        if type(number) is not int or not 1 <= number <= _MOST_TRIALS:
            raise SettingsError(f"{name} {number!r} must be a whole number from 1 to {_MOST_TRIALS}")
    if training_rows is not None and (type(training_rows) is not int or training_rows < 1):
        raise SettingsError(f"training_rows {training_rows!r} must be a whole number, at least 1")
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise SettingsError(f"seconds {seconds!r} must be a positive number")
