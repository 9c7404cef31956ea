"""No asset event is overlooked: Airflow's option ``[core] asset_manager_class``, for as long as Airflow 3.3 needs it.

Two runs that bring observations in the same moment emit two events, for which Airflow starts one run per follower.
Airflow 3.3 gives that run the events up to the time at which the *first* was queued. The second waits, unchecked and
unscored, for whatever event comes next: with daily sources, a day. Here the queue's row takes the time of the newest
event, as in apache/airflow#62501; tests/functional holds a scheduler still to prove it. Remove this once Airflow's own
queue names its events (apache/airflow#70972).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.assets.manager import AssetManager
from airflow.models.asset import AssetDagRunQueue
from sqlalchemy.dialects.postgresql import insert

if TYPE_CHECKING:  # Airflow imports this module half-way through importing its own models
    from airflow.models.dag import DagModel
    from sqlalchemy.orm import Session


class NewestEventAssetManager(AssetManager):
    """Airflow's asset manager, but for the time of a queued run when another event arrives before it was started."""

    @classmethod
    def _queue_dagruns_nonpartitioned_postgres(
        cls, asset_id: int, dags_to_queue: set[DagModel], session: Session
    ) -> None:
        # In one order, so that two transactions do not wait for each other's rows. The column's default is the present
        # time, which is after the event's own: that one was taken before in this transaction.
        rows = [{"asset_id": asset_id, "target_dag_id": name} for name in sorted(dag.dag_id for dag in dags_to_queue)]
        statement = insert(AssetDagRunQueue).values(rows)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=[AssetDagRunQueue.asset_id, AssetDagRunQueue.target_dag_id],
                set_={"created_at": statement.excluded.created_at},
                where=AssetDagRunQueue.created_at < statement.excluded.created_at,
            )
        )
