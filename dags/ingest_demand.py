"""### Ingest demand

Reads sources (files at this stage), keeps bad rows in the portal's quarantine, and appends what is new or corrected.
Each source is a mapped task of its own. Reading the same again changes nothing.

**By schedule:** daily, every enabled source that is marked *scheduled* in the portal, looking back over some weeks for
late and corrected values. **By hand:** the sources that you name. **As of** replays the past: only what had become
known by then is taken.

New observations start **check_data_quality** and **score_forecasts**.
"""

from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

from include.assets import OBSERVATIONS
from include.defaults import DEFAULT_ARGS, START, TAGS, as_of_param


@dag(
    schedule=CronDataIntervalTimetable("15 4 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Read sources into the portal, bad rows into its quarantine.",
    doc_md=__doc__,
    params={
        "sources": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            title="Sources",
            description="Slugs of sources in the portal, one a line. Empty: those that are marked scheduled.",
        ),
        "as_of": as_of_param("Only rows that had become known by then are taken."),
        "start": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="From",
            description="First valid time to take. Empty: from the beginning.",
        ),
        "end": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Until",
            description="End of the period, itself not taken. Empty: to the end.",
        ),
    },
)
def ingest_demand() -> None:
    @task
    def plan() -> list[dict[str, Any]]:
        from include.plan import plan_sources
        from include.run import airflow_run

        with airflow_run() as run:
            return plan_sources(run)

    @task(outlets=[OBSERVATIONS], map_index_template="{{ batch_label }}")
    def ingest(batch: dict[str, Any], *, outlet_events: Any = None) -> dict[str, Any]:
        from include.run import airflow_run
        from include.tasks.ingest import ingest_batch

        with airflow_run(batch) as run:
            ingested = ingest_batch(run, batch)
            outlet_events[OBSERVATIONS].extra = {"series": ingested["series"], "as_of": batch["as_of"]}
            return ingested

    ingest.expand(batch=plan())


ingest_demand()
