"""Training: candidates with their evidence, registered once per training, whoever tries again."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.artifacts import code_version, load_artifact, save_artifact
from include.champion import backtest_beside_champion
from include.errors import BadArtifact, StudyBusy, TrainingHeld, raise_failures
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.batch import as_pipeline_error, for_each_series
from include.training_inputs import TrainingInputs

if TYPE_CHECKING:
    from forecasting import BacktestReport, Forecaster

_log = logging.getLogger(__name__)
PIPELINE_ACCOUNT = "airflow"
"""Trains where nobody in person has triggered the run."""
_CHECK_RUNS_TOLD = 10


@dataclass(frozen=True)
class Trained:
    """A model version as the portal has it; `new` is False where this very training was registered before."""

    id: int
    series: str
    kind: str
    version: int
    new: bool


def train_batch(run: Run, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Train the series of a batch, each with the kinds that the params name; returns what is registered."""

    def work(slug: str, as_of: datetime) -> list[dict[str, Any]]:
        done = train_series(
            run.portal,
            slug,
            as_of=as_of,
            kinds=run.params["kinds"],
            settings=run.settings.model_copy(update=_chosen(run.params)),
            airflow=run.airflow,
            triggered_by=run.triggered_by,
        )
        return [asdict(each) for each in done]

    return [each for of_one_series in for_each_series(batch, work) for each in of_one_series]


def _chosen(params: Mapping[str, Any]) -> dict[str, int]:
    """What the run's form sets in place of a setting."""
    trials = params.get("tuning_trials")
    return {} if trials is None else {"tuning_trials": trials}


def train_series(
    portal: Portal,
    slug: str,
    *,
    as_of: datetime,
    kinds: Sequence[str],
    settings: Settings,
    airflow: Mapping[str, str],
    triggered_by: str = "",
) -> list[Trained]:
    """Train one candidate per kind on what was known at `as_of`: tune, backtest, store and register it.

    The backtest compares it with the champion that the series has now: whoever decides, decides between these two.

    Raises:
        TrainingHeld: the newest check run of the series at or before `as_of` failed.
        NothingKnown: the series had no load.
        PipelineError: after the last kind, naming each that failed.
    """
    checks = list(islice(portal.check_runs(slug, as_of=as_of), _CHECK_RUNS_TOLD))
    newest = checks[0] if checks else None
    if newest is not None and newest["status"] == "failed":
        raise TrainingHeld(
            f"{slug}: check run {newest['id']} as of {newest['as_of']} failed. Training waits for data that passes"
        )
    series = portal.series(slug)
    inputs = TrainingInputs(portal, series, as_of=as_of, settings=settings)
    training = _Training(portal, series, inputs, as_of, settings, dict(airflow), triggered_by or PIPELINE_ACCOUNT)
    done, failures = [], []
    for kind in kinds:
        try:
            done.append(training.train(kind, checks))
        except Exception as error:  # noqa: BLE001  # whatever it is, the other kinds need not wait for its repair
            _log.exception("%s: %s failed", slug, kind)
            failures.append((f"{slug} {kind}", as_pipeline_error(error)))
    raise_failures(failures)
    return done


@dataclass(frozen=True)
class _Training:
    portal: Portal
    series: dict[str, Any]
    inputs: TrainingInputs
    as_of: datetime
    settings: Settings
    airflow: dict[str, str]
    trained_by: str

    def train(self, kind: str, checks: Sequence[Mapping[str, Any]]) -> Trained:
        """Train one kind, unless it is registered and its artifact is sound."""
        slug = self.series["slug"]
        model = self._create(kind)
        origins = self._origins()
        key = self._key(model, origins)
        registered = self.portal.models(slug, training_key=key)
        if registered and _is_sound(registered[0]):
            _log.info("%s: this %s is registered already, as version %d", slug, kind, registered[0]["version"])
            return _trained(registered[0], new=False)
        model, tuning = self._tuned(model, key=key, until=origins[0])
        found = {} if registered else self._backtest(model, origins)
        model.fit(self.inputs.prepared.values)
        uri = f"{self.settings.artifacts_url}/{slug}/{key}"
        provenance = {"series": slug, "training_key": key, "data_cutoff": self.as_of.isoformat()}
        digest = save_artifact(model, uri, provenance=provenance)
        if registered:
            if registered[0]["artifact_sha256"] != digest:
                raise BadArtifact(
                    f"The artifact of {slug} version {registered[0]['version']} is damaged, and this training gave "
                    f"another one (SHA-256 {digest}): train anew with a later as_of"
                )
            self._forget_study(key)
            return _trained(registered[0], new=False)
        evidence = {**found, "training": model.training, "tuning": tuning, **_told(checks), **self.inputs.evidence()}
        candidate = self._candidate(model, evidence, key=key, uri=uri, digest=digest)
        done = _trained(self.portal.register_model(candidate), new=True)
        self._forget_study(key)
        return done

    def _create(self, kind: str) -> Forecaster:
        from forecasting import create_model

        return create_model(
            kind,
            timezone=self.series["timezone"],
            country=self.series["country"] or None,
            subdivision=self.series["subdivision"] or None,
            quantiles=self.settings.quantiles,
            horizon=self.settings.horizon,
            known_future=self.inputs.known_future,
            seed=self.settings.seed,
            threads=self.settings.threads,
            latitude=self.series["latitude"],
            longitude=self.series["longitude"],
        )

    def _key(self, model: Forecaster, origins: pd.DatetimeIndex) -> str:
        """What decides the outcome of a training, as one hash.

        The champion is none of it: the model is the same beside another one, and would be registered twice.
        """
        from forecasting.persistence import library_versions

        facts: dict[str, Any] = {
            "series": self.series["slug"],
            "kind": model.kind,
            "parameters": model.parameters,
            "backtest_origins": self.settings.backtest_origins,
            "data_cutoff": self.as_of.isoformat(),
            **self.inputs.facts(origins),
            "library_versions": library_versions(model.libraries),
            "code_version": code_version(),
        }
        if self._tunes(model):
            facts["tuning"] = {"trials": self.settings.tuning_trials, **library_versions(["optuna"])}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _origins(self) -> pd.DatetimeIndex:
        from forecasting import daily_origins

        return daily_origins(
            self.inputs.history,
            timezone=self.series["timezone"],
            horizon=self.settings.horizon,
            count=self.settings.backtest_origins,
        )

    def _tunes(self, model: Forecaster) -> bool:
        from forecasting.search_space import tunable_kinds

        return self.settings.tuning_trials > 0 and model.kind in tunable_kinds()

    def _tuned(self, model: Forecaster, *, key: str, until: pd.Timestamp) -> tuple[Forecaster, dict[str, Any] | None]:
        """The model with the best hyper-parameters on the days before the backtest, and the study as evidence."""
        if not self._tunes(model):
            return model, None
        from forecasting import DataContractError, StudyBusyError, tune

        folder = self.settings.tuning_folder
        try:
            tuning = tune(
                model,
                self.inputs.history.loc[self.inputs.history.index < until],
                trials=self.settings.tuning_trials,
                **self.inputs.in_backtest(),
                storage=None if folder is None else folder / key,
            )
        except DataContractError as error:
            # A series that is too young for the folds trains all the same; whoever approves it reads why.
            _log.warning("%s: %s is not tuned: %s", self.series["slug"], model.kind, error)
            return model, {"skipped": str(error)}
        except StudyBusyError as error:
            raise StudyBusy(str(error)) from error
        return tuning.model, tuning.study

    def _forget_study(self, key: str) -> None:
        """Nothing is left to resume: the study stands in the evidence now."""
        if self.settings.tuning_folder is not None:
            shutil.rmtree(self.settings.tuning_folder / key, ignore_errors=True)

    def _backtest(self, model: Forecaster, origins: pd.DatetimeIndex) -> dict[str, Any]:
        """The backtest and whom it compared the model with, as evidence."""
        from forecasting import backtest

        slug = self.series["slug"]

        def beside(champion: Forecaster | None) -> BacktestReport:
            return backtest(
                model,
                self.inputs.history,
                origins=origins,
                champion=champion,
                progress=_log_progress,
                **self.inputs.in_backtest(),
            )

        report, compared = backtest_beside_champion(self.portal, slug, backtest=beside, threads=self.settings.threads)
        measured = {model.kind: report.metrics, "naive": report.baseline, "champion": report.champion or {}}
        _log.info("%s: pinball of %s", slug, {name: metrics.get("pinball") for name, metrics in measured.items()})
        return {**report.to_dict(), **compared}

    def _candidate(
        self, model: Forecaster, evidence: dict[str, Any], *, key: str, uri: str, digest: str
    ) -> dict[str, Any]:
        from forecasting.persistence import library_versions

        return {
            "series": self.series["slug"],
            "kind": model.kind,
            "training_key": key,
            "artifact_uri": uri,
            "artifact_sha256": digest,
            "training_start": model.training["start"],
            "training_end": model.training["end"],
            "data_cutoff": self.as_of.isoformat(),
            "parameters": model.parameters,
            "features": model.features,
            "evidence": evidence,
            "library_versions": library_versions(model.libraries),
            "code_version": code_version(),
            "trained_by": self.trained_by,
            "airflow": self.airflow,
        }


def _told(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The newest check run of the training data, and those before it, newest first, as evidence."""
    names = ("id", "status", "as_of", "period_start", "period_end")
    runs = [{name: check[name] for name in names} for check in checks]
    return {"check_run": runs[0] if runs else None, "check_runs": runs}


def _is_sound(registered: Mapping[str, Any]) -> bool:
    try:
        load_artifact(registered["artifact_uri"], sha256=registered["artifact_sha256"])
    except BadArtifact as error:
        _log.warning("version %d is registered, but: %s", registered["version"], error)
        return False
    return True


def _trained(model: Mapping[str, Any], *, new: bool) -> Trained:
    return Trained(id=model["id"], series=model["series"], kind=model["kind"], version=model["version"], new=new)


def _log_progress(done: int, total: int) -> None:
    _log.info("backtest: %d of %d origins", done, total)
