"""### Score forecasts

Compares published forecasts, however old, with the loads that came or were corrected since they were scored last: by
lead time and by day, beside the seasonal naive and somebody else's forecast from the same issue time. Every score stays
in the portal. A run that is not over yet is scored as far as it goes. Then the rolling accuracy of each series is
judged: one that has become worse raises an alert and starts *train_models*, unless a recent training is there.

**By itself:** when observations arrive, for the series that they belong to. **By hand:** the series that you name.
"""

from typing import Any

from airflow.sdk import dag, task

from include.assets import DRIFT, OBSERVATIONS
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
        "as_of": as_of_param("Forecasts issued before are scored on the loads known then."),
    },
)
def score_forecasts() -> None:
    @task(map_index_template="{{ batch_label }}")
    def score(batch: dict[str, Any]) -> list[dict[str, Any]]:
        from include.run import airflow_run
        from include.tasks.score import score_batch

        with airflow_run(batch) as run:
            return score_batch(run, batch)

    # A batch that fails keeps no other series from its training.
    @task(outlets=[DRIFT], trigger_rule="all_done_min_one_success")
    def ask_for_training(batches: list[dict[str, Any]], *, outlet_events: Any = None) -> None:
        from include.run import airflow_run
        from include.tasks.drift import drifted

        with airflow_run() as run:
            outlet_events[DRIFT].extra = drifted(run.portal, batches)

    @task(trigger_rule="none_failed")
    def confirm() -> None:
        """The last task stands for the run, which fails where a batch did."""

    batches = plan()
    scored = score.expand(batch=batches)
    asked = ask_for_training(batches)
    confirmed = confirm()
    scored >> asked >> confirmed
    scored >> confirmed


score_forecasts()
