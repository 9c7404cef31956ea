"""Training: candidates with their evidence, registered once per training, whoever tries again."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecasting.errors import ForecastingError
from include.artifacts import code_version, load_artifact, save_artifact
from include.errors import BadArtifact, PipelineError, StudyBusy, TrainingHeld, as_pipeline_error, raise_failures
from include.portal import Portal
from include.run import Run
from include.settings import Settings
from include.tasks.batch import for_each_series
from include.training_inputs import TrainingInputs

if TYPE_CHECKING:
    from forecasting import BacktestReport, Forecaster

_log = logging.getLogger(__name__)
PIPELINE_ACCOUNT = "airflow"
"""Trains where nobody in person has triggered the run."""


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

    Raises:
        TrainingHeld: the newest check run of the series at or before `as_of` failed.
        NothingKnown: the series had no load.
        PipelineError: after the last kind, naming each that failed.
    """
    checked = portal.newest_check_run(slug, as_of=as_of)
    if checked is not None and checked["status"] == "failed":
        raise TrainingHeld(
            f"{slug}: check run {checked['id']} as of {checked['as_of']} failed. Training waits for data that passes"
        )
    series = portal.series(slug)
    inputs = TrainingInputs(portal, series, as_of=as_of, settings=settings)
    training = _Training(portal, series, inputs, as_of, settings, dict(airflow), triggered_by or PIPELINE_ACCOUNT)
    done, failures = [], []
    for kind in kinds:
        try:
            done.append(training.train(kind, checked))
        except (PipelineError, ForecastingError) as error:
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

    def train(self, kind: str, checked: Mapping[str, Any] | None) -> Trained:
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
        report = self._backtest(model, origins)
        _log.info("%s: %s has pinball %s, naive %s", slug, kind, report.metrics["pinball"], report.baseline["pinball"])
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
        candidate = self._candidate(model, report, tuning, key=key, uri=uri, digest=digest, checked=checked)
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
        """What decides the outcome of a training, as one hash."""
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

    def _backtest(self, model: Forecaster, origins: pd.DatetimeIndex) -> BacktestReport:
        from forecasting import backtest

        return backtest(
            model, self.inputs.history, origins=origins, progress=_log_progress, **self.inputs.in_backtest()
        )

    def _candidate(
        self,
        model: Forecaster,
        report: BacktestReport,
        tuning: dict[str, Any] | None,
        *,
        key: str,
        uri: str,
        digest: str,
        checked: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        from forecasting.persistence import library_versions

        quality = None if checked is None else {name: checked[name] for name in ("id", "status", "as_of")}
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
            "evidence": {
                **report.to_dict(),
                "training": model.training,
                "check_run": quality,
                "tuning": tuning,
                **self.inputs.evidence(),
            },
            "library_versions": library_versions(model.libraries),
            "code_version": code_version(),
            "trained_by": self.trained_by,
            "airflow": self.airflow,
        }


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
