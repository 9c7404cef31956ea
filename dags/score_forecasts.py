"""### Score forecasts

Compares the published forecasts of the last days with the loads that came, by lead time and beside the seasonal naive
from the same issue time, and keeps the scores in the portal. A run that is not over yet is scored as far as it goes.

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
    description="Compare published forecasts with the loads that came.",
    doc_md=__doc__,
    params={
        "series": series_param("those whose new observations started the run, else those that are marked scheduled"),
        "as_of": as_of_param("Forecasts issued in the two weeks before are scored on the loads known then."),
    },
)
def score_forecasts() -> None:
    @task(map_index_template="{{ batch_label }}")
    def score(batch: dict[str, Any]) -> list[dict[str, Any]]:
        from include.run import airflow_run
        from include.tasks.score import score_batch

        with airflow_run(batch) as run:
            return score_batch(run, batch)

    score.expand(batch=plan())


score_forecasts()
