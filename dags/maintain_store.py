"""### Maintain store

Deletes what the portal's retention rules say is old enough, in batches, and removes from the storage of models what no
model version registers. The rules, and what they never touch, stand in the portal under *Retention rules*; what each
run found and deleted under *Retention runs*.

**By schedule:** daily. **By hand:** as a **dry run** first, which only counts and lists.
"""

from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

from include.defaults import DEFAULT_ARGS, START, TAGS, as_of_param


@dag(
    schedule=CronDataIntervalTimetable("15 3 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    description="Follow the retention rules and remove orphaned artifacts.",
    doc_md=__doc__,
    params={
        "as_of": as_of_param("What is old is counted from here."),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Only count and list what would be deleted.",
        ),
        "confirm": Param(
            False,
            type="boolean",
            title="Confirm",
            description="Delete even where a rule takes more than half of all records. Without it such a rule is held.",
        ),
    },
)
def maintain_store() -> None:
    @task
    def maintain() -> dict[str, Any]:
        from include.run import airflow_run
        from include.tasks.maintain import maintain_store as follow_rules

        with airflow_run() as run:
            return follow_rules(run)

    maintain()


maintain_store()
