"""### Train models

Trains one candidate per series and kind on what was known at **As of**, backtests it on held-out days, stores it, and
registers it in the portal with its evidence. **Trials of tuning** searches hyper-parameters first, on the days before
those. Nothing goes live: an approver decides in the portal, and it is never the person who triggered this run. A
training that is registered already is not repeated.

**By schedule:** weekly, the load series that are marked *scheduled*. **By itself:** the series whose forecasts have
become worse, as *score_forecasts* finds. **By hand:** the series and kinds that you name.
A series whose newest check run failed is held.
"""

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable, Param, dag, task

from include.assets import DRIFT
from include.defaults import DEFAULT_ARGS, MODEL_KINDS, START, TAGS, TRAINED_KINDS, as_of_param, series_param
from include.plan_task import plan


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronDataIntervalTimetable("30 2 * * 1", timezone="UTC"), assets=[DRIFT]),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Train, backtest and register candidates; an approver decides about them.",
    doc_md=__doc__,
    params={
        "series": series_param(
            "those that have become worse, if that started the run, else those that are marked scheduled"
        ),
        "as_of": as_of_param("Training sees only what was known then."),
        "kinds": Param(
            list(TRAINED_KINDS),
            type="array",
            items={"type": "string", "enum": list(MODEL_KINDS)},
            minItems=1,
            examples=list(MODEL_KINDS),
            title="Kinds of models",
            description="One candidate is trained of each.",
        ),
        "tuning_trials": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=1000,
            title="Trials of tuning",
            description="How many hyper-parameters are tried before the backtest; 0: none. Empty: what is set for all.",
        ),
    },
)
def train_models() -> None:
    @task(map_index_template="{{ batch_label }}")
    def train(batch: dict[str, Any]) -> list[dict[str, Any]]:
        from include.run import airflow_run
        from include.tasks.train import train_batch

        with airflow_run(batch) as run:
            return train_batch(run, batch)

    train.expand(batch=plan(covariates=False))


train_models()
