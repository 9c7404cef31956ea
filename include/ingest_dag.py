"""What the DAGs that read sources share: their form and their tasks. Light to import: DAG files are parsed often."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, task

from include.assets import OBSERVATIONS
from include.defaults import as_of_param, time_param


def ingest_params() -> dict[str, Param]:
    """The fields of the form: which sources, as of when, and which period."""
    return {
        "sources": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            title="Sources",
            description="Slugs of sources in the portal, one a line. Empty: those that are marked scheduled.",
        ),
        "as_of": as_of_param("Only rows that had become known by then are taken."),
        "start": time_param("From", "First valid time to take. Empty: from the beginning."),
        "end": time_param("Until", "End of the period, itself not taken. Empty: to the end."),
    }


def ingest_sources(*, feeds: str) -> None:
    """The tasks: plan batches of sources, read each batch, and fail for the sources that were refused.

    A source that cannot be read holds up none of its batch: what the others brought is announced first.
    """

    @task
    def plan() -> list[dict[str, Any]]:
        from include.plan import plan_sources
        from include.run import airflow_run

        with airflow_run() as run:
            return plan_sources(run, feeds=feeds)

    @task(outlets=[OBSERVATIONS], map_index_template="{{ batch_label }}")
    def ingest(batch: dict[str, Any], *, outlet_events: Any = None) -> dict[str, Any]:
        from include.run import airflow_run
        from include.tasks.ingest import ingest_batch

        with airflow_run(batch) as run:
            ingested = ingest_batch(run, batch)
            outlet_events[OBSERVATIONS].extra = {"series": ingested["series"], "as_of": batch["as_of"]}
            return ingested

    @task(trigger_rule="none_failed")
    def confirm(batches: Any) -> None:
        from include.run import airflow_run
        from include.tasks.ingest import confirm_batches

        with airflow_run():
            confirm_batches(batches)

    confirm(ingest.expand(batch=plan()))
