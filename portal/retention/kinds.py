"""What can be deleted, by kind: the defaults, the least that is kept, and how a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import models


class Kind(models.TextChoices):
    """What a rule is about. Observations, model versions, decisions and their audits have none: they stay for good."""

    STALE_INGESTS = "stale_ingests", "Ingest runs that nobody goes on with"
    MAILS = "mails", "Sent mails"
    DAG_RUN_REQUESTS = "dag_run_requests", "Runs of DAGs that Airflow has taken"
    QUARANTINE = "quarantine", "Settled rows of the quarantine"
    INGEST_RUNS = "ingest_runs", "Ingest runs that are over"
    CHECK_RUNS = "check_runs", "Check runs with their reports"
    SUPERSEDED_SCORES = "superseded_scores", "Scores that a later one replaced"
    ACCURACY_SIGNALS = "accuracy_signals", "Accuracy signals"
    FORECAST_RUNS = "forecast_runs", "Forecast runs with values, scores and deadline records"
    WEATHER_FORECASTS = "weather_forecasts", "Weather forecasts"
    ORPHANED_ARTIFACTS = "orphaned_artifacts", "Artifacts that no model version registers"
    REJECTED_ARTIFACTS = "rejected_artifacts", "Artifacts of rejected candidates"
    UNFINISHED_STUDIES = "unfinished_studies", "Searches of hyper-parameters that nobody resumed"


PIPELINE_KINDS = (Kind.ORPHANED_ARTIFACTS, Kind.REJECTED_ARTIFACTS, Kind.UNFINISHED_STUDIES)
"""What lies in the storage of models, which only the DAG `maintain_store` reaches."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What holds for a kind unless its rule says otherwise.

    `days` is the default (None: for good); `at_least` the fewest days that a rule may say; `counted_from` the time that
    is compared; `kept` what stays however old it is. `braked`: a run that would take more than half of all asks first.
    """

    days: int | None
    at_least: int
    counted_from: str
    kept: str
    braked: bool = True


POLICIES: Mapping[Kind, Policy] = {
    Kind.STALE_INGESTS: Policy(
        days=2,
        at_least=1,
        counted_from="the last sign of life",
        kept="Nothing is deleted: the run is marked as failed, and the alert about its source fires.",
        braked=False,
    ),
    Kind.MAILS: Policy(
        days=365,
        at_least=7,
        counted_from="the sending",
        kept="Mails not sent yet, and those about alerts that are still open.",
        braked=False,
    ),
    Kind.DAG_RUN_REQUESTS: Policy(
        days=365,
        at_least=7,
        counted_from="the sending",
        kept="Requests that Airflow has not taken.",
        braked=False,
    ),
    Kind.QUARANTINE: Policy(
        days=None,
        at_least=30,
        counted_from="the settling",
        kept="Open rows. A settled row that comes again after its deletion is open again.",
    ),
    Kind.INGEST_RUNS: Policy(
        days=None,
        at_least=30,
        counted_from="the last change",
        kept="Running ones, the newest of each source, and those that an alert or a row in quarantine refers to.",
    ),
    Kind.CHECK_RUNS: Policy(
        days=None,
        at_least=30,
        counted_from="as of",
        kept="The newest of each series, and those that an alert or a model's evidence refers to.",
    ),
    Kind.SUPERSEDED_SCORES: Policy(
        days=None, at_least=30, counted_from="as of", kept="The newest score of each forecast run."
    ),
    Kind.ACCURACY_SIGNALS: Policy(days=None, at_least=30, counted_from="as of", kept="The newest of each series."),
    Kind.FORECAST_RUNS: Policy(
        days=None,
        at_least=90,
        counted_from="the issue time",
        kept="The newest run of each series, and those that a kept adjustment builds on.",
    ),
    Kind.WEATHER_FORECASTS: Policy(
        days=None,
        at_least=730,
        counted_from="the issue time",
        kept="Nothing older: forecast runs that used it can no longer be reproduced.",
    ),
    Kind.ORPHANED_ARTIFACTS: Policy(
        days=2, at_least=1, counted_from="the last write", kept="Whatever a model version registers."
    ),
    Kind.REJECTED_ARTIFACTS: Policy(
        days=None,
        at_least=7,
        counted_from="the rejection",
        kept="The facts, evidence and decisions of the candidate; artifacts of all other models.",
    ),
    Kind.UNFINISHED_STUDIES: Policy(
        days=30, at_least=2, counted_from="the last write", kept="Studies of registered models stand in their evidence."
    ),
}
"""In the order of the deletion: what refers to something goes before it."""
