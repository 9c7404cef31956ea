"""What the DAGs promise to Airflow: when they run, what starts them, and how a failed task is tried again."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest

from include.settings import Settings
from tests.dags.conftest import DAGS

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

DAG_IDS = sorted(path.stem for path in DAGS.glob("*.py") if path.name != "__init__.py")
EVERY = {
    "ingest_demand": timedelta(days=1),
    "ingest_weather": timedelta(hours=6),
    "train_models": timedelta(days=7),
    "publish_forecasts": timedelta(days=1),
    "maintain_store": timedelta(days=1),
}
"""DAGs that run by the clock, with the length of their data interval."""
INGESTS = ("ingest_demand", "ingest_weather")
AFTER = {
    "ingest_demand": ["confirm"],
    "ingest_weather": ["confirm"],
    "score_forecasts": ["ask_for_training", "confirm"],
}
ON_OBSERVATIONS = ("check_data_quality", "score_forecasts")
ON_DRIFT = "train_models"
"""Runs by the clock, and when forecasts have become worse."""
MANY_SERIES = 10_000
IN_BATCHES = [dag_id for dag_id in DAG_IDS if dag_id != "maintain_store"]
each_dag = pytest.mark.parametrize("dag_id", DAG_IDS)


def scheduled(bag: DagBag, dag_id: str) -> Any:
    """The DAG as the scheduler gets it: serialized, and read again."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id]))


@each_dag
def test_a_dag_says_what_it_is_for(bag: DagBag, dag_id: str) -> None:
    from include.defaults import TAGS

    dag = bag.dags[dag_id]
    assert dag.doc_md
    assert dag.doc_md.startswith("### ")
    assert dag.description
    assert dag.description.endswith(".")
    assert len(dag.description) <= 80, "it stands in one line of the list of DAGs"
    assert set(TAGS) <= set(dag.tags)


@each_dag
def test_a_failed_task_is_tried_again_after_growing_pauses_up_to_a_longest(bag: DagBag, dag_id: str) -> None:
    from include.defaults import DEFAULT_ARGS, OWNER

    for task in bag.dags[dag_id].tasks:
        assert task.owner == OWNER
        assert task.retries == DEFAULT_ARGS["retries"] > 0
        assert task.retry_exponential_backoff == DEFAULT_ARGS["retry_exponential_backoff"] > 1
        assert task.retry_delay == DEFAULT_ARGS["retry_delay"]
        assert task.max_retry_delay == DEFAULT_ARGS["max_retry_delay"]
        assert timedelta(0) < task.retry_delay < task.max_retry_delay <= timedelta(hours=1)


@each_dag
def test_a_dag_runs_by_the_clock_or_on_observations(bag: DagBag, dag_id: str) -> None:
    from airflow.sdk import AssetAll, AssetOrTimeSchedule, CronDataIntervalTimetable
    from airflow.sdk.definitions.timetables.assets import AssetTriggeredTimetable

    from include.assets import DRIFT, OBSERVATIONS

    timetable = bag.dags[dag_id].timetable
    if dag_id == ON_DRIFT:
        assert isinstance(timetable, AssetOrTimeSchedule)
        assert timetable.asset_condition == AssetAll(DRIFT)
        timetable = timetable.timetable
    if dag_id in EVERY:
        assert isinstance(timetable, CronDataIntervalTimetable)
        assert str(timetable.timezone) == "UTC"
    else:
        assert dag_id in ON_OBSERVATIONS
        assert isinstance(timetable, AssetTriggeredTimetable)
        assert timetable.asset_condition == AssetAll(OBSERVATIONS)


@pytest.mark.parametrize("dag_id", EVERY)
def test_a_run_by_the_clock_has_the_interval_since_the_one_before(bag: DagBag, dag_id: str) -> None:
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance

    dag = scheduled(bag, dag_id)
    earliest = instance(datetime(2014, 12, 1, tzinfo=UTC))
    info = dag.timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(earliest, None, catchup=True)
    )
    assert info.data_interval.end - info.data_interval.start == EVERY[dag_id]
    assert info.run_after == info.data_interval.end


@each_dag
def test_missed_intervals_are_left_to_backfills_and_the_file_says_so(bag: DagBag, dag_id: str) -> None:
    tree = ast.parse((DAGS / f"{dag_id}.py").read_text())
    decided = [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "dag"
        for keyword in call.keywords
        if keyword.arg == "catchup"
    ]
    assert [ast.unparse(value) for value in decided] == ["False"]
    assert bag.dags[dag_id].catchup is False


@each_dag
def test_backfills_reach_back_beyond_the_oldest_data(bag: DagBag, dag_id: str) -> None:
    assert bag.dags[dag_id].start_date <= datetime(2000, 1, 1, tzinfo=UTC)


def test_observations_come_from_the_ingests_alone_and_drift_from_the_scores(bag: DagBag) -> None:
    from include.assets import DRIFT, OBSERVATIONS

    writers = {
        (dag_id, task.task_id): task.partial_kwargs["outlets"] if task.is_mapped else task.outlets
        for dag_id, dag in bag.dags.items()
        for task in dag.tasks
        if (task.partial_kwargs.get("outlets") if task.is_mapped else task.outlets)
    }
    assert writers == {
        **{(dag_id, "ingest"): [OBSERVATIONS] for dag_id in INGESTS},
        ("score_forecasts", "ask_for_training"): [DRIFT],
    }


def test_the_store_is_maintained_by_one_task_and_one_run_at_a_time(bag: DagBag) -> None:
    dag = bag.dags["maintain_store"]
    assert dag.task_ids == ["maintain"]
    assert dag.max_active_runs == 1


@pytest.mark.parametrize("dag_id", IN_BATCHES)
def test_a_plan_comes_first_and_one_mapped_task_does_its_batches(bag: DagBag, dag_id: str) -> None:
    plan, work, *after = bag.dags[dag_id].topological_sort()
    assert plan.task_id == "plan"
    assert not plan.is_mapped
    assert work.is_mapped
    assert work.upstream_task_ids == {"plan"}
    assert [task.task_id for task in after] == AFTER.get(dag_id, [])
    assert work.partial_kwargs["map_index_template"] == "{{ batch_label }}", "a batch is found by its name in the UI"


@pytest.mark.parametrize("dag_id", INGESTS)
def test_a_source_that_is_refused_fails_the_run_after_the_news_of_the_others_are_told(bag: DagBag, dag_id: str) -> None:
    confirm = bag.dags[dag_id].get_task("confirm")
    assert confirm.upstream_task_ids == {"ingest"}
    assert confirm.trigger_rule == "none_failed", "a batch without news is skipped, and hides no refusal of another"
    assert not confirm.outlets


def test_a_batch_of_scores_that_fails_keeps_no_training_back_and_fails_the_run(bag: DagBag) -> None:
    ask, confirm = (bag.dags["score_forecasts"].get_task(name) for name in ("ask_for_training", "confirm"))
    assert ask.upstream_task_ids == {"plan", "score"}
    assert ask.trigger_rule == "all_done_min_one_success", "the plan is a success; without batches nothing is asked"
    assert confirm.upstream_task_ids == {"score", "ask_for_training"}
    assert confirm.trigger_rule == "none_failed"


def test_drift_and_the_weekly_training_do_not_train_at_once(bag: DagBag) -> None:
    assert bag.dags["train_models"].max_active_runs == 1


def test_a_run_over_many_series_stays_below_the_most_that_airflow_maps() -> None:
    from airflow.configuration import conf

    assert ceil(MANY_SERIES / Settings.model_fields["batch_size"].default) <= conf.getint("core", "max_map_length")


@each_dag
def test_the_scheduler_can_read_what_the_parser_wrote(bag: DagBag, dag_id: str) -> None:
    dag = scheduled(bag, dag_id)
    assert dag.task_ids == bag.dags[dag_id].task_ids
    assert {name: dag.params[name] for name in dag.params} == {
        name: bag.dags[dag_id].params[name] for name in bag.dags[dag_id].params
    }
