"""### Check data quality

Runs the built-in checks, a Deepchecks suite and a whylogs profile on the recent data of each load series, and stores
results and reports in the portal. A **fatal** check that fails turns the task red, holds the training of the series and
mails the operators; a **warning** is shown, and mailed as the alert rules say.

**By itself:** when observations arrive, for the series that they belong to. **By hand:** the series that you name.
"""

from typing import Any

from airflow.sdk import dag, task

from include.assets import OBSERVATIONS
from include.defaults import DEFAULT_ARGS, START, TAGS, as_of_param, series_param
from include.plan_task import plan


@dag(
    schedule=[OBSERVATIONS],
    start_date=START,
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Check the recent data of load series; a fatal failure holds their training.",
    doc_md=__doc__,
    params={
        "series": series_param("those whose new observations started the run, else those that are marked scheduled"),
        "as_of": as_of_param("The data is checked as it was known then."),
    },
)
def check_data_quality() -> None:
    @task(map_index_template="{{ batch_label }}")
    def check(batch: dict[str, Any]) -> list[dict[str, Any]]:
        from include.run import airflow_run
        from include.tasks.check import check_batch

        with airflow_run(batch) as run:
            return check_batch(run, batch)

    check.expand(batch=plan())


check_data_quality()
