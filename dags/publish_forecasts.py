"""### Publish forecasts

Forecasts each load series from **As of**, the issue time, and publishes it in the portal's ledger, whole or not at all:
by the champion, else by the previous champion, else from an earlier run that still covers the period, else by the
seasonal naive. Which one it was, and why, is kept with the run. Publishing the same again changes nothing.

**By schedule:** daily, the load series that are marked *scheduled*. **By hand:** the series that you name.
"""

from typing import Any

from airflow.sdk import CronDataIntervalTimetable, dag, task

from include.defaults import DEFAULT_ARGS, START, TAGS, as_of_param, series_param
from include.plan_task import plan


@dag(
    schedule=CronDataIntervalTimetable("0 8 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Forecast load series and publish them in the portal's ledger.",
    doc_md=__doc__,
    params={
        "series": series_param("those that are marked scheduled"),
        "as_of": as_of_param("The issue time: the forecast begins here and uses only what was known then."),
    },
)
def publish_forecasts() -> None:
    @task(map_index_template="{{ batch_label }}")
    def publish(batch: dict[str, Any]) -> list[dict[str, Any]]:
        from include.run import airflow_run
        from include.tasks.publish import publish_batch

        with airflow_run(batch) as run:
            return publish_batch(run, batch)

    publish.expand(batch=plan())


publish_forecasts()
