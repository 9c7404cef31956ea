"""The first task of the DAGs that work on series. Light to import: DAG files are parsed often."""

from typing import Any

from airflow.sdk import task


@task
def plan(*, covariates: bool = True) -> list[dict[str, Any]]:
    """Batches of series: those of the params, else of the asset events, else the scheduled ones.

    Without `covariates`, an event is about its series alone, not about the loads that use them.
    """
    from include.plan import plan_series
    from include.run import airflow_run

    with airflow_run() as run:
        return plan_series(run, covariates=covariates)
